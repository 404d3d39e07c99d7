"""What is done with many things, wherever it is done: images moved, images looked into, blobs read back.

A work is a small picklable value without secrets and handles. Where it is done, it opens a place once (store, reader),
which then takes any number of batches, several at a time. Credentials are those of the place: its environment, its
managed identity, or a program that it runs (`--sas-command`). `Pool` is the port to whoever does batches elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from laden.dataset.images import BROKEN, Level, Phi
from laden.dataset.source import Reader, Root
from laden.stages.engine.believing import Untrue, read_of, receipt_of
from laden.stages.proof import Target, read_back
from laden.stages.transfer import Settings, transfer
from laden.stages.transfer.examining import examine
from laden.store import Destination, FolderDestination, Retry, open_store
from laden.store.access import Access, Renewal
from laden.store.sas import lacking_for_load, lacking_for_verify
from laden.values.records import Action, Finding, Item, Outcome, Receipt, Severity

if TYPE_CHECKING:
    from laden.store.cap import Cap
    from laden.store.credentials import SasSource

T = TypeVar("T", contravariant=True)
R = TypeVar("R", covariant=True)

Done = tuple[Target, Finding | None]
"""A blob that was read back, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a place asks and tells while it works."""

    on_retry: Callable[[Retry], None] = lambda _: None
    on_limit: Callable[[str], None] = lambda _: None
    on_way: Callable[[int, int], None] = lambda *_: None
    """Told now and then how many things, and bytes of them, are done beyond those that results are there of."""
    stopping: Callable[[], bool] = lambda: False


Doing = Callable[[Sequence[T]], AsyncIterator[R]]
"""Does a batch, and yields what became of each thing, in any order. Raises `LadenError`."""


class Work(Protocol[T, R]):
    """Something that is done with each of many things; picklable."""

    def place(self, hooks: Hooks) -> AbstractAsyncContextManager[Doing[T, R]]:
        """Open what it takes, until the context is left. Raises `LadenError`."""

    def size_bytes(self, thing: T) -> int:
        """What passes for it, about."""

    def lost(self, thing: T, reason: str) -> R:
        """What became of a thing that nobody could do, for the reason given."""

    def blob_of(self, result: object) -> str:
        """The blob that a result is about; raises `TypeError` where it is no result."""

    def believed(self, thing: T, result: object) -> R:
        """A worker's result, with all that is known here as it is known here; raises `Untrue` where it cannot be."""


Told = tuple[str, bytes]
"""What `carry` gives."""


class Pool(Protocol):
    """Workers that batches are given to."""

    name: str
    """For a sentence, as in `the scheduler at tcp://10.0.0.4:8786`."""

    @property
    def workers(self) -> int:
        """How many batches are done at once; it may change."""

    def submit(self, key: str, work: bytes, things: bytes) -> Future[Told]:
        """Have a worker `carry` a batch. Whatever it raises, or the future does, is judged by `gone`."""

    def gone(self, error: BaseException) -> bool:
        """Whether an error means that the whole pool is gone, and not one worker."""

    def see(self, path: str, sizes: Mapping[str, int]) -> None:
        """Raise `UsageError` where it is known that a worker does not see a source.

        Args:
            path: of its folder or file.
            sizes: of its archives, in bytes, by their names below it.
        """

    def on_way(self, tell: Callable[[str, int, int], None]) -> None:
        """Tell from now on, from any thread, how far a batch is: its key, things and bytes done."""


@dataclass(frozen=True, slots=True)
class Job:
    """Images are moved from a source to a destination."""

    root: str | Root
    """Of the source."""
    destination: Destination | FolderDestination
    connections: int | None
    """Requests in flight at most, in each process; None to find out."""
    settings: Settings
    cap: Cap | None = None
    """Bytes a second that this process sends at most."""
    sas_command: str | None = None
    """A program that each place runs for a SAS of its own."""

    def place(self, hooks: Hooks) -> AbstractAsyncContextManager[Doing[Item, Receipt]]:
        """With a credential of its own; see `Work`."""
        return self.place_with(hooks, _access(self.destination, lacking_for_load, self.sas_command).source)

    @asynccontextmanager
    async def place_with(self, hooks: Hooks, sas: SasSource | None) -> AsyncIterator[Doing[Item, Receipt]]:
        """The same, where somebody else gives the SAS and its successors."""
        store = open_store(
            self.destination,
            connections=self.connections,
            on_retry=hooks.on_retry,
            stopping=hooks.stopping,
            sas=sas,
            cap=self.cap,
        )
        try:
            with Reader(self.root) as reader:
                yield lambda items: transfer(items, reader, store, self.settings, hooks.stopping, hooks.on_limit)
        finally:
            await store.close()

    def size_bytes(self, thing: Item) -> int:
        return thing.entry.size_bytes

    def lost(self, thing: Item, reason: str) -> Receipt:
        return Receipt(thing, Outcome.FAILED, code="put-failed", reason=reason)

    def blob_of(self, result: object) -> str:
        return _blob_of_receipt(result)

    def believed(self, thing: Item, result: object) -> Receipt:
        asked, may_replace = self.settings, thing.action is not Action.COMPARE
        if not may_replace:
            may_replace = asked.replace_other and not (thing.owner or thing.theirs)
        possible = {Outcome.ALREADY_THERE, Outcome.CONFLICT, Outcome.DAMAGED, Outcome.FAILED}
        possible |= {Outcome.SENT} if may_replace else set()
        possible |= {Outcome.HELD} if asked.phi == "stop" else set()
        receipt = receipt_of(thing, result, possible)
        if receipt.outcome is Outcome.HELD and not receipt.image.identity:
            raise Untrue(f"{thing.blob} is held back, and nothing is told for which it would be")
        if receipt.outcome is Outcome.DAMAGED and receipt.code in BROKEN and asked.send_broken:
            raise Untrue(f"{thing.blob} is left out as broken, and such were to be sent")
        if receipt.outcome is Outcome.ALREADY_THERE and not may_replace and not _is_listed(thing, receipt):
            raise Untrue(f"{thing.blob} is told as there already, and the listing shows it otherwise")
        return receipt


def parted(root: str | Root, readers: int) -> str | Root:
    """A source's root for one of so many places that read it at once; hosts of links are not asked more by several."""
    return root if isinstance(root, str | Path) else root.shared_by(readers)


@dataclass(frozen=True, slots=True)
class Look:
    """Images are read and looked into, and nothing is sent."""

    root: str | Root
    level: Level
    phi: Phi

    @asynccontextmanager
    async def place(self, hooks: Hooks) -> AsyncIterator[Doing[Item, Receipt]]:
        threads = os.cpu_count() or 1

        def looked(items: Sequence[Item]) -> list[Receipt]:
            return [*examine(items, reader, self.level, threads=threads, phi=self.phi, stopping=hooks.stopping)]

        async def do(items: Sequence[Item]) -> AsyncIterator[Receipt]:
            for first in range(0, len(items), _LOOKED_AT_ONCE):
                for receipt in await asyncio.to_thread(looked, items[first : first + _LOOKED_AT_ONCE]):
                    yield receipt

        with Reader(self.root) as reader:
            yield do

    def size_bytes(self, thing: Item) -> int:
        return thing.entry.size_bytes

    def lost(self, thing: Item, reason: str) -> Receipt:
        return Receipt(thing, Outcome.FAILED, code="source-unreadable", reason=reason)

    def blob_of(self, result: object) -> str:
        return _blob_of_receipt(result)

    def believed(self, thing: Item, result: object) -> Receipt:
        return receipt_of(thing, result, (Outcome.READ, Outcome.DAMAGED, Outcome.FAILED))


_LOOKED_AT_ONCE = 64
"""Images between two signs of life."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Blobs are read and hashed."""

    destination: Destination | FolderDestination
    connections: int | None
    sas_command: str | None = None

    @asynccontextmanager
    async def place(self, hooks: Hooks) -> AsyncIterator[Doing[Target, Done]]:
        access = _access(self.destination, lacking_for_verify, self.sas_command)
        store = open_store(
            self.destination,
            connections=self.connections,
            on_retry=hooks.on_retry,
            stopping=hooks.stopping,
            sas=access.source,
        )
        try:
            yield lambda targets: read_back(store, targets)
        finally:
            await store.close()

    def size_bytes(self, thing: Target) -> int:
        return thing.size_bytes

    def lost(self, thing: Target, reason: str) -> Done:
        return thing, Finding("blob-unread", Severity.ERROR, reason, blob=thing.blob)

    def blob_of(self, result: object) -> str:
        match result:
            case (Target() as target, Finding() | None):
                return target.blob
        raise TypeError(type(result).__name__)

    def believed(self, thing: Target, result: object) -> Done:
        match result:
            case (_, found):
                return thing, read_of(thing, found)
        raise Untrue(f"what is told of {thing.blob} is no result")


def _blob_of_receipt(result: object) -> str:
    if not isinstance(result, Receipt):
        raise TypeError(type(result).__name__)
    return result.item.blob


def _is_listed(item: Item, receipt: Receipt) -> bool:
    """Whether an image that is only compared has the MD5 that the listing shows, where it shows one."""
    return item.md5 is None or (receipt.digests is not None and receipt.digests.md5 == item.md5)


def _access(destination: Destination | FolderDestination, lacking: Callable[..., str], command: str | None) -> Access:
    return Access(destination, lacking, Renewal(command))
