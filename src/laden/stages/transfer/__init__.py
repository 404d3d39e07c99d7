"""Moves items from source to store: every byte is read once and sent once.

Order, for each item: wait until the window has room for its bytes; in a thread, read, inflate, check CRC-32 and
length, compute MD5, look at the image (`reading`); in the event loop, put the same buffer with that
MD5. Members above a limit pass in blocks and become visible only when all of them proved right. What its archive
does not vouch for is never sent.

Stateless: all it needs is in its arguments, all it learned is in the receipts. It does not plan, list or verify.
Memory: `window_bytes`, plus the compressed form of one member for each reader thread.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from laden.dataset.images import JUDGES, Level, Phi
from laden.dataset.source import Buffer, Reader
from laden.run.tasks import gravest, received
from laden.run.window import Window
from laden.stages.transfer.bottleneck import Bottleneck
from laden.stages.transfer.comparing import is_same
from laden.stages.transfer.reading import BlockReader, Loaded, conflicting, properties, read_item, settle, unread
from laden.stages.transfer.sizes import BLOCKS_IN_FLIGHT, Sizes, resumed_block_bytes
from laden.stages.transfer.window import batches, cost_bytes
from laden.store import CREATE_ONLY, Store, block_id, digest
from laden.store.retry import Retrying
from laden.values.errors import (
    AccessEnded,
    BlobArchived,
    BlobConflict,
    BlobMissing,
    BlobRefused,
    Interrupted,
    NameRefused,
    SourceError,
    StoreError,
    TransientStoreError,
)
from laden.values.records import Action, Item, Outcome, Receipt

T = TypeVar("T")

_MIB = 1 << 20
_SLOW_ITEM_S = 0.002
"""Small items are read by one thread, for several would mostly wait for each other (Python runs one at a time), unless
an item takes this long: then it is the disk or the network that is slow, and waiting in parallel helps."""

_LAST_ANSWERS_S = 2.0
"""How long requests in flight may take to end, once the credential has."""

_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Settings:
    """How to move items."""

    window_bytes: int = 256 * _MIB
    """Uncompressed bytes in memory at most; an item larger than this passes alone."""
    readers: int = max(2, os.cpu_count() or 2)
    """Threads that read, inflate and hash."""
    single_put_bytes: int = 256 * _MIB
    """Larger members go as blocks, on slow links smaller ones too (`sizes`). The service takes 5,000 MiB in one Put
    Blob; a retry would send all of it again."""
    block_bytes: int = 32 * _MIB
    """Of a block at most, but for members that would have too many."""
    images: Level = "structure"
    """How closely images are looked at on the way."""
    send_broken: bool = True
    """Whether an image that is whole as a member but broken inside is sent as it is."""
    replace_other: bool = False
    """Whether a blob whose content turns out to be other is replaced."""
    phi: Phi = "off"
    """What becomes of an image with fields that may say who a person is."""
    tier: str = ""
    """Of the images; empty for the account's own."""


async def transfer(
    items: Iterable[Item],
    reader: Reader,
    store: Store,
    settings: Settings,
    stopping: Callable[[], bool] = lambda: False,
    on_limit: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Receipt]:
    """Move items and yield their receipts as they come, in any order.

    Args:
        items: what to move; taken as room becomes free, so it may be endless.
        reader: opens the entries; used by several threads at once.
        store: where to put them.
        settings: limits and policies.
        stopping: asked before each request that sends; once true, requests in flight end and no more are made.
        on_limit: told what keeps it from being faster (`bottleneck`), when that changes.

    Raises:
        AccessDenied: the service refused the credential; nothing more is sent. Where it has ended (`AccessEnded`),
            what was let in before may come to its end first, for some seconds.
        StoreError: the destination does not answer at all any more.
    """
    receipts: asyncio.Queue[Receipt | None] = asyncio.Queue()
    with ThreadPoolExecutor(settings.readers, "laden-read") as threads:
        mover = _Mover(reader, store, settings, threads, receipts.put_nowait, stopping, on_limit)
        try:
            async with aclosing(received(receipts, mover.pump(items))) as stream:
                async for receipt in stream:
                    yield receipt
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            JUDGES.rest()


class _Mover:
    """The pump that fills the window, and what becomes of each item in it."""

    def __init__(
        self,
        reader: Reader,
        store: Store,
        settings: Settings,
        threads: ThreadPoolExecutor,
        done: Callable[[Receipt], None],
        stopping: Callable[[], bool],
        on_limit: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._store = store
        self._settings = settings
        self._threads = threads
        self._done = done
        self._asked_to_stop = stopping
        self._ended = False
        self._sending = 0
        self._window = Window(settings.window_bytes)
        self._bottleneck = (
            Bottleneck(on_limit, capped=store.capped) if isinstance(store, Retrying) else Bottleneck(on_limit)
        )
        self._sizes = Sizes(settings.single_put_bytes, settings.block_bytes)
        self._small_readers = 1
        self._small_turns = asyncio.Semaphore(1)
        self._last_success_s = time.monotonic()

    def _stopping(self) -> bool:
        return self._ended or self._asked_to_stop()

    async def pump(self, items: Iterable[Item]) -> None:
        """Take items while there is room; ends when all that were taken are settled."""
        async with asyncio.TaskGroup() as group:
            for batch in batches(self._reader.ahead(items), self._settings.single_put_bytes):
                size_bytes = sum(item.entry.size_bytes for item in batch)
                large = size_bytes > self._sizes.single_put_bytes(time.monotonic())
                taken_bytes = self._large_bytes(size_bytes) if large else sum(map(cost_bytes, batch))
                await self._window.enter(taken_bytes)
                if self._stopping():
                    return
                if large:
                    task = group.create_task(self._move_large(batch[0]))
                    task.add_done_callback(partial(self._leave, taken_bytes))
                else:
                    self._bottleneck.taken(taken_bytes)
                    group.create_task(self._move(batch, group))

    def _leave(self, taken_bytes: int, _: asyncio.Task[None]) -> None:
        self._window.leave(taken_bytes)

    def _sent(self, taken_bytes: int, task: asyncio.Task[None]) -> None:
        self._bottleneck.sent(taken_bytes)
        self._leave(taken_bytes, task)

    async def _move(self, batch: list[Item], group: asyncio.TaskGroup) -> None:
        """Read a batch; each of its items then goes its own way, so that one that waits holds up no other."""
        for item, result in zip(batch, await self._results(batch), strict=True):
            if isinstance(result, Loaded):
                self._bottleneck.read(cost_bytes(item))
                task = group.create_task(self._send(result))
                task.add_done_callback(partial(self._sent, cost_bytes(item)))
                continue
            if result is not None:
                self._done(result)
            self._bottleneck.taken(-cost_bytes(item))
            self._window.leave(cost_bytes(item))

    async def _results(self, batch: list[Item]) -> list[Loaded | Receipt | None]:
        if len(batch) == 1:
            return await self._in_thread(self._read_batch, batch)
        await self._small_turns.acquire()
        turns = 1
        try:
            started_s = time.monotonic()
            results = await self._in_thread(self._read_batch, batch)
            turns = self._turns(slow=time.monotonic() - started_s > _SLOW_ITEM_S * len(batch))
        finally:
            for _ in range(turns):
                self._small_turns.release()
        return results

    def _turns(self, *, slow: bool) -> int:
        """How many may read next, in place of one that has: it may have been a moment that held it up, and no disk."""
        before = self._small_readers
        self._small_readers = min(before + 1, self._settings.readers) if slow else max(before - 1, 1)
        return 1 + self._small_readers - before

    def _read_batch(self, batch: list[Item]) -> list[Loaded | Receipt | None]:
        """What became of each item; None for those that were not begun because the run is to stop."""
        return [None if self._stopping() else self._read(item) for item in batch]

    def _read(self, item: Item) -> Loaded | Receipt | None:
        asked = self._settings
        broken, other, phi = asked.send_broken, asked.replace_other, asked.phi
        try:
            return read_item(self._reader, item, level=asked.images, send_broken=broken, replace_other=other, phi=phi)
        except Interrupted:
            # A source that lies elsewhere was being waited for.
            return None

    async def _send(self, loaded: Loaded) -> None:
        self._sending += 1
        try:
            settled = await self._read_back(loaded)
            if isinstance(settled, Loaded):
                item = settled.item
                put = self._store.put(item.blob, settled.data, properties(settled, self._settings.tier), _etag(item))
                settled = await self._settled(settled, put)
            self._done(settled)
        except Interrupted:
            pass
        except AccessEnded as error:
            await self._end(error)
        finally:
            self._sending -= 1

    async def _move_large(self, item: Item) -> None:
        # What may have to stay is read to its end before a block of it leaves.
        first_read = item.action is Action.COMPARE or self._settings.phi == "stop"
        self._sending += 1
        try:
            settled, block_ids = await self._pass_blocks(item, sending=not first_read)
            if isinstance(settled, Loaded):
                settled = await self._read_back(settled)
            if first_read and isinstance(settled, Loaded):
                item = settled.item
                settled, block_ids = await self._pass_blocks(item, sending=True)
            if isinstance(settled, Loaded):
                commit = self._store.commit(item.blob, block_ids, properties(settled, self._settings.tier), _etag(item))
                settled = await self._settled(settled, commit)
            self._done(settled)
        except Interrupted:
            pass
        except AccessEnded as error:
            await self._end(error)
        finally:
            self._sending -= 1

    async def _read_back(self, loaded: Loaded) -> Loaded | Receipt:
        """Settle an item whose blob was put there by another tool: what its bytes are, not what it says of them."""
        item, digests = loaded.item, loaded.digests
        if item.action is not Action.COMPARE or item.md5 is not None:
            return loaded
        started_s = time.monotonic()
        try:
            _, md5 = await digest(self._store, item.blob, digests.size_bytes, item.etag)
        except BlobConflict:
            reason = "it was replaced since it was listed, and not compared"
            return Receipt(item, Outcome.FAILED, digests, loaded.image, "put-failed", reason)
        except (BlobMissing, BlobRefused, TransientStoreError) as error:
            return self._failed(Receipt(item, Outcome.FAILED, digests, loaded.image), error, started_s)
        self._last_success_s = time.monotonic()
        return self._decided(loaded._replace(item=item._replace(md5=md5)))

    def _decided(self, loaded: Loaded) -> Loaded | Receipt:
        """Whether an item whose content is known still has to be sent."""
        asked = self._settings
        return settle(loaded, send_broken=asked.send_broken, replace_other=asked.replace_other, phi=asked.phi)

    async def _end(self, error: AccessEnded) -> None:
        """Begin nothing more; the first to learn it raises, once those that were let in before had time to end."""
        if self._ended:
            return
        self._ended = True
        until_s = time.monotonic() + _LAST_ANSWERS_S
        while self._sending > 1 and time.monotonic() < until_s:  # noqa: ASYNC110 - once a run, for a moment
            await asyncio.sleep(_LOOK_S)
        raise error

    async def _pass_blocks(self, item: Item, *, sending: bool) -> tuple[Loaded | Receipt, list[str]]:
        """Read every block and stage it, a few at a time, but for those that an earlier run staged.

        Uncommitted blocks are invisible and expire by themselves. A block's id names its bytes.
        """
        block_ids: list[str] = []
        started_s = time.monotonic()
        room = asyncio.Semaphore(BLOCKS_IN_FLIGHT)

        async def put(name: str, block: Buffer, md5: bytes) -> None:
            await self._store.put_block(item.blob, name, block, md5)
            self._arrived(len(block))
            room.release()

        try:
            staged = await self._store.staged(item.blob) if sending else {}
            settings = self._settings
            block_bytes = self._block_bytes(item, staged)
            blocks = BlockReader(self._reader, item, block_bytes, settings.images, settings.phi)
            self._sizes.begin(time.monotonic())
            async with asyncio.TaskGroup() as group:
                while (await room.acquire()) and (block := await self._in_thread(blocks.next_block)):
                    if self._stopping():
                        raise Interrupted("stopped within a large member; what is staged of it stays invisible")
                    block_ids.append(block_id(len(block_ids), block[1]))
                    if sending and staged.get(block_ids[-1]) != len(block[0]):
                        group.create_task(put(block_ids[-1], *block))
                    else:
                        room.release()
        except (BaseExceptionGroup, SourceError, StoreError) as raised:
            error = gravest(raised)
            if isinstance(error, SourceError):
                return unread(item, error), []
            return self._failed(Receipt(item, Outcome.FAILED), error, started_s), []
        return self._decided(blocks.loaded()), block_ids

    async def _settled(self, loaded: Loaded, request: Awaitable[None]) -> Receipt:
        """Await a put or commit, and tell what became of its item."""
        receipt = Receipt(loaded.item, Outcome.SENT, loaded.digests, loaded.image)
        started_s = time.monotonic()
        self._sizes.begin(started_s)
        try:
            await request
        except BlobConflict as error:
            return await self._explained(receipt, error)
        except (BlobRefused, TransientStoreError) as error:
            return self._failed(receipt, error, started_s)
        self._arrived(len(loaded.data))
        return receipt

    def _failed(self, receipt: Receipt, error: BaseException, started_s: float) -> Receipt:
        """The receipt of an item that the store did not take; raises where all others would fare the same."""
        if isinstance(error, NameRefused):
            return conflicting(replace(receipt, code="blob-name"), str(error))
        if isinstance(error, BlobArchived):
            return conflicting(replace(receipt, code="blob-archived"), str(error))
        alone = isinstance(error, BlobRefused) or (
            isinstance(error, TransientStoreError) and self._last_success_s >= started_s
        )
        if not alone:
            raise error from None
        return replace(receipt, outcome=Outcome.FAILED, code="put-failed", reason=str(error))

    async def _explained(self, receipt: Receipt, error: BlobConflict) -> Receipt:
        """A create that found the blob there: our own put whose answer was lost, the same content, or a conflict."""
        assert receipt.digests is not None
        try:
            blob = await self._store.head(receipt.item.blob)
        except BlobMissing:
            return replace(receipt, outcome=Outcome.FAILED, code="put-failed", reason=str(error))
        try:
            if not await is_same(self._store, blob, receipt.digests):
                return conflicting(receipt, str(error))
        except BlobArchived as unread:
            return conflicting(replace(receipt, code="blob-archived"), str(unread))
        except (BlobMissing, TransientStoreError) as lost:
            return replace(receipt, outcome=Outcome.FAILED, code="put-failed", reason=str(lost))
        self._last_success_s = time.monotonic()
        return receipt if error.repeated else replace(receipt, outcome=Outcome.ALREADY_THERE)

    def _block_bytes(self, item: Item, staged: dict[str, int]) -> int:
        """The size of the blocks that an earlier run staged, or one that the link carries soon enough."""
        size_bytes = item.entry.size_bytes
        most_bytes = self._sizes.most_block_bytes(size_bytes)
        earlier_bytes = resumed_block_bytes(staged, block_id(0, b""), most_bytes, size_bytes)
        return earlier_bytes or self._sizes.block_bytes(size_bytes, time.monotonic())

    def _large_bytes(self, size_bytes: int) -> int:
        """What a member in blocks takes of the window at most."""
        return min(size_bytes, self._sizes.most_block_bytes(size_bytes) * (BLOCKS_IN_FLIGHT + 1))

    def _arrived(self, size_bytes: int) -> None:
        self._last_success_s = time.monotonic()
        self._sizes.arrived(size_bytes, self._last_success_s)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _etag(item: Item) -> str:
    return CREATE_ONLY if item.action is Action.SEND else item.etag
