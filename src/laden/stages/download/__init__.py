"""Brings files from where they are stored to this machine: every byte is read once, and proved before it has a name.

Order, for each item: look at what lies in its place, by its bytes; wait until the window has room; read it (`ranges`),
small ones in one request, large ones in ranges of one version; hold length, MD5 and CRC-32 against what is known of it;
give it its place. Small files are written many at a time. What does not prove right is read again, then told, and
never gets a name.

Stateless: all it needs is in its arguments, all it learned is in what it yields. It lists nothing and chooses no
names.
Memory: the window, whatever the number and size of the files.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from laden.run.tasks import received
from laden.run.window import Window
from laden.stages.download.ranges import Read, WrongBytes, cost_bytes, is_large, proved, read_whole, reading
from laden.stages.download.wanted import Came, Fate, Wanted
from laden.stages.download.writing import Writers, Written
from laden.store.intake import Intake, Part, Standing, is_that
from laden.store.journal import Version
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobConflict,
    BlobMissing,
    ContainerMissing,
    Interrupted,
    MemberDamaged,
    NameRefused,
    SourceError,
    StoreError,
    TransientStoreError,
)

T = TypeVar("T")

__all__ = [
    "Came",
    "Fate",
    "Read",
    "Wanted",
    "WrongBytes",
    "cost_bytes",
    "download",
    "is_large",
    "proved",
    "read_whole",
    "reading",
]

WINDOW_BYTES = 96 << 20
"""What is in it is there twice for a moment: as it came, and put together."""
_ATTEMPTS = 3
"""Of an item whose bytes come otherwise than they are known to be."""
_BATCH = 64
"""So many places are looked at by one thread."""
_MOST_DENIED = 16
IN_THE_WAY = "another file of this name is there, and was left as it is"


async def download(
    items: Iterable[Wanted],
    read: Read,
    intake: Intake,
    stopping: Callable[[], bool] = lambda: False,
    *,
    window_bytes: int = WINDOW_BYTES,
) -> AsyncIterator[Came]:
    """Bring items, and yield what became of each as it comes, in any order.

    Args:
        items: what is wanted; taken as room becomes free.
        read: gives the bytes of an item, from a place on.
        intake: the folder, prepared.
        stopping: asked before each item; once true, what was begun ends, and no more is begun.
        window_bytes: bytes in memory at most.

    Raises:
        AccessDenied: the credential is refused.
        UsageError: the folder cannot take more.
        StoreError: the place that is read from does not answer at all any more.
    """
    came: asyncio.Queue[Came | None] = asyncio.Queue()
    threads = max(2, os.cpu_count() or 2)
    with ThreadPoolExecutor(threads, "laden-get") as pool:
        bringer = _Bringer(read, intake, Window(window_bytes), pool, threads, came.put_nowait, stopping)
        try:
            async with aclosing(received(came, bringer.pump(items))) as stream:
                async for one in stream:
                    yield one
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Looked(NamedTuple):
    """An item, and what lies in its place."""

    item: Wanted
    there: Standing | StoreError | None


class _Bringer:
    """The pump that fills the window, and what becomes of each item in it."""

    def __init__(
        self,
        read: Read,
        intake: Intake,
        window: Window,
        pool: ThreadPoolExecutor,
        threads: int,
        done: Callable[[Came], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._read = read
        self._intake = intake
        self._window = window
        self._pool = pool
        self._threads = threads
        self._done = done
        self._stopping = stopping
        self._writers = Writers(intake, pool, threads)
        self._succeeded, self._last_success_s = False, time.monotonic()
        self._denied = 0

    async def pump(self, items: Iterable[Wanted]) -> None:
        """Take items while there is room; ends when all that were taken are settled."""
        async with asyncio.TaskGroup() as group:
            async for looked in self._looked_at(items):
                if self._stopping():
                    return
                if (settled := _settled(looked)) is not None:
                    self._done(settled)
                    continue
                taken_bytes = cost_bytes(looked.item)
                await self._window.enter(taken_bytes)
                if self._stopping():
                    self._window.leave(taken_bytes)
                    return
                # Where nobody knows what is wanted, nobody knows whether what is there is not just that.
                own = looked.there.own if isinstance(looked.there, Standing) and looked.item.md5 else None
                task = group.create_task(self._bring(looked.item, own))
                task.add_done_callback(partial(self._left, taken_bytes))

    def _left(self, taken_bytes: int, _: asyncio.Task[None]) -> None:
        self._window.leave(taken_bytes)

    async def _looked_at(self, items: Iterable[Wanted]) -> AsyncIterator[_Looked]:
        """Items in their order; threads look some batches ahead, for what is there has to be hashed."""
        batches = _batches(items)
        ahead: deque[Future[list[_Looked]]] = deque()
        try:
            while True:
                while len(ahead) < self._threads and (batch := next(batches, None)):
                    ahead.append(self._pool.submit(self._look, batch))
                if not ahead:
                    return
                for one in await asyncio.wrap_future(ahead.popleft()):
                    yield one
        finally:
            for future in ahead:
                future.cancel()

    def _look(self, batch: list[Wanted]) -> list[_Looked]:
        found = []
        for item in batch:
            there: Standing | StoreError | None
            try:
                there = (
                    None if self._stopping() else self._intake.examine(item.place, is_that(item.size_bytes, item.md5))
                )
            except StoreError as error:
                there = error
            found.append(_Looked(item, there))
        return found

    async def _bring(self, item: Wanted, own: Version | None) -> None:
        started_s = time.monotonic()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                come = await (self._large(item, own) if is_large(item) else self._small(item, own))
            except WrongBytes as error:
                if attempt < _ATTEMPTS:
                    continue
                come = Came(item, Fate.DAMAGED, reason=f"{error}, {attempt} times")
            except Interrupted:
                return
            except (StoreError, SourceError) as error:
                come = self._failed(item, error, started_s)
            else:
                self._succeeded, self._last_success_s = True, time.monotonic()
            self._done(come)
            return

    async def _small(self, item: Wanted, own: Version | None) -> Came:
        async with aclosing(self._read(item, 0)) as parts:
            whole = await anext(parts, b"")
            if len(whole) != item.size_bytes:
                whole = b"".join([bytes(whole), *[bytes(part) async for part in parts]])
            return await self._ended(item, own, await self._writers.write(item, whole, own))

    async def _large(self, item: Wanted, own: Version | None) -> Came:
        """Write its bytes in their order as they come, after those that an earlier run left."""
        part = await self._in_thread(self._intake.part, item.place, item.size_bytes, item.md5)
        try:
            async with aclosing(self._read(item, part.at_bytes)) as parts:
                async for data in parts:
                    await self._in_thread(part.add, data)
                    if self._stopping():
                        raise Interrupted("stopped within a large file; what came of it stays for the next run")
            if wrong := proved(item, part.at_bytes, part.md5, part.crc32):
                part.forget()
                raise WrongBytes(wrong)
            return await self._ended(item, own, await self._in_thread(self._placed, part, own))
        finally:
            part.close()

    def _placed(self, part: Part, own: Version | None) -> Written:
        return Written(part.md5, self._intake.place(part, part.md5, own))

    async def _ended(self, item: Wanted, own: Version | None, written: Written) -> Came:
        """What it means that bytes which proved right got their place, or did not."""
        match written.error:
            case None:
                return Came(item, Fate.CAME if own is None else Fate.REPLACED, written.md5)
            case NameRefused():
                return Came(item, Fate.REFUSED, reason=str(written.error))
            case BlobConflict():
                there = await self._in_thread(self._intake.examine, item.place, is_that(item.size_bytes, written.md5))
                same = there is not None and there.same
                return Came(item, Fate.THERE, written.md5) if same else Came(item, Fate.CONFLICT, reason=IN_THE_WAY)
        return Came(item, Fate.FAILED, reason=str(written.error))

    def _failed(self, item: Wanted, error: StoreError | SourceError, started_s: float) -> Came:
        """What became of an item that could not be read; raises where all others would fare the same."""
        match error:
            case AccessEnded() | ContainerMissing():
                raise error
            case AccessDenied() if not self._succeeded:
                # One prefix may be closed to a role; where nothing at all may be read, one sentence is enough.
                self._denied += 1
                if self._denied >= _MOST_DENIED:
                    raise error
            case BlobConflict():
                return Came(item, Fate.CHANGED, reason="it changed while it was read")
            case BlobMissing():
                return Came(item, Fate.GONE, reason=str(error))
            case MemberDamaged():
                return Came(item, Fate.DAMAGED, reason=str(error))
            case TransientStoreError() if self._last_success_s < started_s:
                raise error
        return Came(item, Fate.FAILED, reason=str(error))

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _settled(looked: _Looked) -> Came | None:
    """What is known of an item before anything of it is read; None where it is to be read."""
    item, there = looked
    if there is None or (isinstance(there, Standing) and not there.same and (there.own or item.md5 is None)):
        return None
    if isinstance(there, Standing):
        return Came(item, Fate.THERE, item.md5) if there.same else Came(item, Fate.CONFLICT, reason=IN_THE_WAY)
    return Came(item, Fate.REFUSED if isinstance(there, NameRefused) else Fate.FAILED, reason=str(there))


def _batches(items: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    pending = iter(items)
    while batch := list(islice(pending, _BATCH)):
        yield batch
