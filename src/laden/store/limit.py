"""Bounds what is asked of a store at once: a store around a store.

Each request waits for a free connection and, where the service has set a limit, for its turn in time. What happens
to requests is measured in windows and handed to `pace.adapt`, unless the user fixed the number of connections.
It sits below the retries, so that a request that pauses before another attempt holds no connection.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from laden.store import Data, Page, Properties, Store
from laden.store.pace import Pace, Seen, adapt
from laden.values.errors import Interrupted, TransientStoreError
from laden.values.records import Blob

T = TypeVar("T")

_REQUEST_AMOUNT = 65_536
"""What a request counts for beside its bytes: about what fits on the wire while a small one is answered."""

_SHORTEST_WINDOW_S = 0.05
_LONGEST_WINDOW_S = 1.0
_PACED_WINDOW_S = 0.25


class Limited:
    """A store whose requests are bounded; see `laden.store.Store` for the contract."""

    def __init__(self, inner: Store, *, connections: int | None, stopping: Callable[[], bool] = lambda: False) -> None:
        """Wrap a store.

        Args:
            inner: the store.
            connections: requests in flight at most, as fixed by the user; None to find out.
            stopping: once true, writes that still wait for their turn raise `Interrupted`.
        """
        self._inner = inner
        self._stopping = stopping
        self.pace = Pace() if connections is None else Pace(connections, proven=connections)
        self._fixed = connections is not None
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next_start_s = 0.0
        self._begin_window()
        self._idle_s = self._began_s

    async def create(self) -> bool:
        return await self._bounded(self._inner.create, 0)

    async def list_page(self, marker: str = "") -> Page:
        return await self._bounded(lambda: self._inner.list_page(marker), 0)

    async def head(self, name: str) -> Blob:
        return await self._bounded(lambda: self._inner.head(name), 0)

    async def get(self, name: str, offset: int, length: int) -> bytes:
        return await self._bounded(lambda: self._inner.get(name, offset, length), length)

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        await self._bounded(lambda: self._inner.put(name, data, properties, etag), len(data), write=True)

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await self._bounded(lambda: self._inner.put_block(name, block_id, data, md5), len(data), write=True)

    async def staged(self, name: str) -> dict[str, int]:
        return await self._bounded(lambda: self._inner.staged(name), 0)

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await self._bounded(lambda: self._inner.commit(name, block_ids, properties, etag), 0, write=True)

    async def delete(self, name: str) -> None:
        await self._bounded(lambda: self._inner.delete(name), 0)

    async def close(self) -> None:
        await self._inner.close()

    async def _bounded(self, request: Callable[[], Awaitable[T]], size_bytes: int, *, write: bool = False) -> T:
        await self._enter()
        done = throttled = broken = 0
        try:
            await self._take_turn()
            if write and self._stopping():
                raise Interrupted("stopped before it was sent")
            result = await request()
            done = 1
        except TransientStoreError as error:
            throttled, broken = int(error.throttled), int(not error.throttled)
            raise
        else:
            return result
        finally:
            self._in_use -= 1
            if self._in_use == 0:
                self._idle_s = time.monotonic()
            self._observe(size_bytes, done, throttled, broken)
            self._wake()

    async def _enter(self) -> None:
        """Wait for a free connection, and take it."""
        while self._in_use >= self.pace.connections:
            self._full = True
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake()
                raise
        if self._in_use == 0:
            # Time in which nothing was asked says nothing about the service.
            self._began_s += time.monotonic() - self._idle_s
        self._in_use += 1

    async def _take_turn(self) -> None:
        """Start no sooner than the rate allows."""
        if self.pace.per_s < math.inf:
            now_s = time.monotonic()
            self._next_start_s = max(now_s, self._next_start_s + 1 / self.pace.per_s)
            await asyncio.sleep(self._next_start_s - now_s)

    def _wake(self) -> None:
        """Let as many go on as there are free connections."""
        free = self.pace.connections - self._in_use
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def _observe(self, size_bytes: int, done: int, throttled: int, broken: int) -> None:
        self._done += done
        self._amount += done * (size_bytes + _REQUEST_AMOUNT)
        self._throttled += throttled
        self._broken += broken
        seconds = time.monotonic() - self._began_s
        if self._fixed and not self._throttled:
            return
        if self._throttled:
            over = seconds >= _SHORTEST_WINDOW_S
        elif self.pace.per_s < math.inf:
            over = seconds >= _PACED_WINDOW_S
        else:
            over = self._done + self._broken >= 2 * self.pace.connections and seconds >= _SHORTEST_WINDOW_S
        if over or seconds >= _LONGEST_WINDOW_S:
            seen = Seen(seconds, self._done, self._amount, self._throttled, self._broken, self._full)
            self.pace = adapt(self.pace, seen)
            self._begin_window()

    def _begin_window(self) -> None:
        self._began_s = time.monotonic()
        self._done = self._throttled = self._broken = 0
        self._amount = 0.0
        self._full = False
