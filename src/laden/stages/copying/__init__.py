"""Copies images of one place to another: by the other's service where it can, else through this machine.

In order, for each image: have the service take it in one request; where it has none, as one block that is then
committed; where it cannot read the source, read it here and send it. On each way the bytes must have the manifest's
MD5, which the service holds them against, or this machine does before it sends them, and the source must be the version
that was listed. Nothing that is there is replaced but the version that the plan saw.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from laden.run.window import Window
from laden.stages.acting import Target, act
from laden.stages.metadata import Copied, is_own, to_copy
from laden.store import CREATE_ONLY, Properties, Store, block_id, content_type, digest
from laden.store.taking import MOST_BLOB_BYTES, MOST_BLOCK_BYTES, Taker
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobArchived,
    BlobConflict,
    BlobMissing,
    BlobRefused,
    CopySourceRefused,
    Interrupted,
    LadenError,
    NameRefused,
    NotOffered,
    TransientStoreError,
)
from laden.values.records import Outcome

_AT_ONCE = 256
_WINDOW_BYTES = 256 << 20
_PUT_BYTES = 64 << 20
_BLOCK_BYTES = 32 << 20
_PART_BYTES = 8 << 20
_MOST_REFUSALS = 3
"""Of sources, before one was read, until the service is not asked any more."""


class Job(NamedTuple):
    """One image that is to be copied."""

    name: str
    md5: bytes
    source_etag: str
    action: str
    """`send`, `replace` or `compare`."""
    etag: str
    """Of the blob that is there."""
    tags: dict[str, str]
    """Index tags that go along."""
    image: Copied


class Done(NamedTuple):
    """What became of it."""

    job: Job
    outcome: Outcome
    code: str = ""
    reason: str = ""


class Copier:
    """Between two opened places."""

    def __init__(
        self,
        origin: Store,
        target: Store,
        taker: Taker | None,
        *,
        tier: str,
        replaces: bool,
        tell: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            origin: where images are read, where they have to pass this machine.
            target: where they go.
            taker: has the target's service take them; None where that cannot be.
            tier: of the images that are copied; empty for the account's own.
            replaces: whether a blob with other content that has to be compared is replaced.
            tell: told in a sentence when bytes begin to pass this machine.
        """
        self._origin = origin
        self._target = target
        self._taker = taker
        self._tier = tier
        self._replaces = replaces
        self._tell = tell
        self._whole = True
        """Whether the service takes blobs in one request, as far as is known."""
        self._tagless = False
        """Whether tags were found not to be allowed there."""
        self._refusals = 0
        self._taken = 0
        self._window = Window(_WINDOW_BYTES)
        self._turn = asyncio.Lock()
        self._first = asyncio.Lock()

    async def copy(self, jobs: Iterable[Job], stopping: Callable[[], bool]) -> AsyncIterator[Done]:
        """Copy, many at once; raises `StoreError` where all others would fare the same."""
        known: dict[str, Job] = {}
        ended: dict[str, Done] = {}

        def targets() -> Iterable[Target]:
            for job in jobs:
                known[job.name] = job
                yield Target(job.name, job.etag, job.image.size_bytes)

        async def work(target: Target) -> None:
            ended[target.name] = await self._settled(known[target.name])

        async for acted in act(work, targets(), at_once=_AT_ONCE, stopping=stopping):
            job = known.pop(acted.target.name)
            if acted.error is None:
                yield ended.pop(job.name)
            elif not isinstance(acted.error, Interrupted):
                yield self._failed(job, acted.error)

    def _failed(self, job: Job, error: LadenError) -> Done:
        if isinstance(error, NameRefused):
            return Done(job, Outcome.FAILED, "copy-name", f"{error}, so it is not copied")
        if isinstance(error, BlobArchived):
            return Done(job, Outcome.FAILED, "blob-archived", f"{error}; it is not copied until then")
        if isinstance(error, AccessDenied) or not isinstance(error, BlobRefused | BlobMissing | TransientStoreError):
            raise error
        if isinstance(error, CopySourceRefused) and error.is_other:
            return Done(job, Outcome.DAMAGED, "copy-differs", f"{error}: look at it with laden verify --deep")
        return Done(job, Outcome.FAILED, "put-failed", str(error))

    async def _settled(self, job: Job) -> Done:
        if job.action == "compare":
            _, md5 = await digest(self._target, job.name, job.image.size_bytes)
            if md5 == job.md5:
                return Done(job, Outcome.ALREADY_THERE)
            if not self._replaces:
                return Done(job, Outcome.CONFLICT)
        etag = CREATE_ONLY if job.action == "send" else job.etag
        try:
            await self._tagged(job, etag)
        except BlobConflict as error:
            return await self._explained(job, error)
        return Done(job, Outcome.SENT)

    async def _tagged(self, job: Job, etag: str) -> None:
        """With its index tags, unless those may not be written there."""
        bare = job._replace(tags={})
        if not job.tags or self._tagless:
            await self._copied(bare, etag)
            return
        try:
            await self._copied(job, etag)
        except AccessEnded:
            raise
        except AccessDenied:
            await self._copied(bare, etag)
            if not self._tagless:
                self._tagless = True
                self._tell("index tags do not go along: the credential for the destination may not write them (t)")

    async def _explained(self, job: Job, error: BlobConflict) -> Done:
        """A blob is there, or is another version: our own whose answer was lost, the same content, or a conflict."""
        there = await self._target.head(job.name)
        same = there.size_bytes == job.image.size_bytes and there.md5 in (job.md5, None)
        if same and not (is_own(there) and there.md5 == job.md5):
            same = (await digest(self._target, job.name, there.size_bytes))[1] == job.md5
        if not same:
            return Done(job, Outcome.CONFLICT)
        return Done(job, Outcome.SENT if error.repeated else Outcome.ALREADY_THERE)

    async def _copied(self, job: Job, etag: str) -> None:
        """On the first way that goes."""
        properties = Properties(job.md5, content_type(job.name), {}, self._tier, job.tags)
        size_bytes = job.image.size_bytes
        refused: CopySourceRefused | None = None
        if self._taker is not None and size_bytes:
            try:
                await self._first_alone(self._taker, job, properties, etag)
            except NotOffered:
                self._pass_here("the service has no request that copies from an address")
            except CopySourceRefused as error:
                if error.is_other:
                    raise
                refused = error
            else:
                return
        await self._carry(job, properties, etag)
        if refused is not None:
            # What nobody can read, as in the archive tier, says nothing of the service.
            self._refusals += 1
            if not self._taken and self._refusals >= _MOST_REFUSALS:
                self._pass_here(f"{refused}: it may not reach the other account (a firewall, a private endpoint)")

    async def _first_alone(self, taker: Taker, job: Job, properties: Properties, etag: str) -> None:
        """One blob after the other, until one was taken: what the service does not have, it is not asked for by all."""
        if not self._taken:
            async with self._first:
                if self._taker is None:
                    raise NotOffered("the service was found to have no such request")
                if not self._taken:
                    await self._take(taker, job, properties, etag)
                    return
        await self._take(taker, job, properties, etag)

    def _pass_here(self, why: str) -> None:
        if self._taker is not None:
            self._taker = None
            self._tell(f"all bytes pass this machine: {why}")

    async def _take(self, taker: Taker, job: Job, properties: Properties, etag: str) -> None:
        size_bytes = job.image.size_bytes
        if self._whole and size_bytes <= MOST_BLOB_BYTES:
            try:
                # Of an image that laden sent, the service takes the metadata along, those of others too.
                told = {} if job.image.source else to_copy(job.image, job.md5)
                await taker.take(job.name, job.source_etag, replace(properties, metadata=told), etag)
            except NotOffered:
                self._whole = False
            else:
                self._taken += 1
                return
        if size_bytes > MOST_BLOCK_BYTES:
            raise CopySourceRefused(f"{job.name} is too large to be taken and proved in one block")
        staged = await taker.stage(job.name, job.source_etag, job.md5)
        self._taken += 1
        await self._target.commit(job.name, [staged], replace(properties, metadata=await self._metadata(job)), etag)

    async def _metadata(self, job: Job) -> dict[str, str]:
        """All that the source's blob has, and laden's own."""
        with suppress(UnicodeError):
            there = (await self._origin.head(job.name)).metadata
            return {**{key: value for key, value in there.items() if value.isascii()}, **to_copy(job.image, job.md5)}
        return to_copy(job.image, job.md5)

    async def _carry(self, job: Job, properties: Properties, etag: str) -> None:
        """Read it here, hold it against its MD5, and send it."""
        size_bytes = job.image.size_bytes
        taken_bytes = min(size_bytes, max(_PUT_BYTES, _BLOCK_BYTES))
        async with self._turn:
            await self._window.enter(taken_bytes)
        try:
            properties = replace(properties, metadata=await self._metadata(job))
            if size_bytes <= _PUT_BYTES:
                data = await self._read(job, 0, size_bytes)
                self._refuse_other(job, hashlib.md5(data, usedforsecurity=False).digest())
                await self._target.put(job.name, data, properties, etag)
            else:
                await self._carry_blocks(job, properties, etag)
        finally:
            self._window.leave(taken_bytes)

    async def _carry_blocks(self, job: Job, properties: Properties, etag: str) -> None:
        whole = hashlib.md5(usedforsecurity=False)
        ids: list[str] = []
        for offset in range(0, job.image.size_bytes, _BLOCK_BYTES):
            block = await self._read(job, offset, min(_BLOCK_BYTES, job.image.size_bytes - offset))
            await asyncio.to_thread(whole.update, block)
            md5 = await asyncio.to_thread(lambda block=block: hashlib.md5(block, usedforsecurity=False).digest())  # type: ignore[misc]
            ids.append(block_id(len(ids), md5))
            await self._target.put_block(job.name, ids[-1], block, md5)
        self._refuse_other(job, whole.digest())
        await self._target.commit(job.name, ids, properties, etag)

    async def _read(self, job: Job, offset: int, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            at = offset + len(parts)
            try:
                part = await self._origin.get(job.name, at, min(_PART_BYTES, length - len(parts)), job.source_etag)
            except BlobConflict:
                raise CopySourceRefused(f"{job.name} changed in the source meanwhile", is_other=True) from None
            if not part:
                break
            parts += part
        return bytes(parts)

    def _refuse_other(self, job: Job, md5: bytes) -> None:
        if md5 != job.md5:
            raise CopySourceRefused(f"the bytes of {job.name} in the source are not the manifest's", is_other=True)
