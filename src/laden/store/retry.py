"""Repeats what may succeed later: a store around a store.

Only errors marked transient are repeated, with exponential pauses and jitter or after what `Retry-After` asks (a
minute at most), until the run is asked to stop or it is hopeless:

- The destination did nothing useful for anybody for as long as the patience lasts. Waiting for a place and sending do
  not count; an attempt that lasted long must have moved something. Before the service has answered at all there is
  little patience, so that a wrong address is told in seconds; after its first answer, whatever it was, an outage of
  some minutes is waited out.
- One request failed many times while the destination served others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from laden.store import Data, Page, Properties, Retry, Store
from laden.store.limit import Limited
from laden.values.errors import BlobConflict, Interrupted, StoreError, TransientStoreError
from laden.values.records import Blob

FIRST_PATIENCE_S = 5.0
PATIENCE_S = 600.0
MOST_FAILURES = 20
"""Of one request, while others succeed."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
LONGEST_PAUSE_BESIDE_OTHERS_S = 4.0
"""Where others succeed meanwhile, there is no outage to wait for, and how much is asked at once the pace decides."""
_GROWTH, _GROWTH_BESIDE_OTHERS = 2.0, 1.5
OUTAGE_S = 10.0
"""A silence that is worth a word."""
LONGEST_WISH_S = 60.0
"""A `Retry-After` beyond this is not obeyed to the letter: many are set for people's browsers, not for what sends."""
STALL_S = 120.0
"""A request of which nothing moves does not last longer: one that did was of use until then."""
_STOP_WITHIN_S = 0.5

T = TypeVar("T")


class Repeating:
    """Repeats requests of any kind to one host, and knows when it is hopeless."""

    def __init__(
        self,
        *,
        on_retry: Callable[[Retry], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
        first_pause_s: float = FIRST_PAUSE_S,
        longest_wish_s: float | None = None,
    ) -> None:
        self._longest_wish_s = LONGEST_WISH_S if longest_wish_s is None else longest_wish_s
        self._on_retry = on_retry
        self._stopping = stopping
        self._patience_s = patience_s
        self._first_pause_s = first_pause_s
        self._answered = False
        self._useful_s = -1.0
        """When the destination last did something, for whomever."""
        self._silent_since_s: float | None = None
        self._out = False
        """Whether an outage was told that is not over."""

    def silent(self, seconds: float) -> None:
        """Requests are under way, and nothing has moved for so long: told as an outage before one of them fails."""
        if seconds >= OUTAGE_S and not self._out:
            self._tell(Retry("the service is silent", 0.0, False, seconds, failed=False))

    def _tell(self, retry: Retry) -> None:
        self._out = retry.silent_s >= OUTAGE_S
        self._on_retry(retry)

    async def repeat(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request, again while that may help; raises what the last attempt raised."""
        pause_s = self._first_pause_s
        failures = 0
        failed_s = monotonic()
        repeated = False
        while True:
            try:
                result = await request()
            except TransientStoreError as error:
                self._note(error)
                beside_others = self._useful_s > failed_s
                failures += beside_others
                failed_s = monotonic()
                if beside_others:
                    pause_s = min(pause_s, LONGEST_PAUSE_BESIDE_OTHERS_S)
                wait_s = self._wait_s(error, pause_s)
                if failures >= MOST_FAILURES or self._hopeless(failed_s + wait_s):
                    raise
                repeated = True
                self._tell(Retry(self._told(error), wait_s, error.throttled, self._silent_s(failed_s)))
                await self._pause(wait_s)
                pause_s = min(pause_s * (_GROWTH_BESIDE_OTHERS if beside_others else _GROWTH), LONGEST_PAUSE_S)
            except StoreError as error:
                self._useful()
                if isinstance(error, BlobConflict):
                    error.repeated = repeated
                raise
            else:
                self._useful()
                return result

    def _useful(self) -> None:
        self._answered = True
        self._useful_s = monotonic()
        self._silent_since_s = None
        if self._out:
            # What it was of use for may be part of something that is settled minutes later.
            self._tell(Retry("", 0.0, False, failed=False))

    def _note(self, error: TransientStoreError) -> None:
        """Since when the destination is silent, as far as a failed attempt tells."""
        self._answered |= error.answered
        now_s = monotonic()
        if self._silent_since_s is None:
            self._silent_since_s = max(self._useful_s, now_s - min(error.lasted_s, STALL_S))
        elif error.lasted_s > STALL_S:
            self._silent_since_s = max(self._silent_since_s, now_s - STALL_S)

    def _silent_s(self, until_s: float) -> float:
        """How long the silence will have lasted by then, should it last."""
        return 0.0 if self._silent_since_s is None else until_s - self._silent_since_s

    def _hopeless(self, until_s: float) -> bool:
        """Whether the patience ends before then, should the silence last."""
        patience_s = self._patience_s if self._answered else min(FIRST_PATIENCE_S, self._patience_s)
        return self._silent_s(until_s) > patience_s

    def _wait_s(self, error: TransientStoreError, pause_s: float) -> float:
        if not error.retry_after_s:
            return _jittered(pause_s)
        return max(min(error.retry_after_s, self._longest_wish_s), pause_s / 2) + _jittered(self._first_pause_s)

    async def _pause(self, wait_s: float) -> None:
        """Wait, unless the run is asked to stop: nothing is gained by waiting then."""
        until_s = monotonic() + wait_s
        while (left_s := until_s - monotonic()) > 0:
            if self._stopping():
                raise Interrupted("stopped while waiting to ask again")
            await asyncio.sleep(min(left_s, _STOP_WITHIN_S))

    def _told(self, error: TransientStoreError) -> str:
        """What a person reads while it waits."""
        asked_s = error.retry_after_s or 0.0
        if asked_s > self._longest_wish_s:
            return f"{error}, and asks for {asked_s:,.0f} s; asked again after {self._longest_wish_s:.0f} s"
        return f"{error}, and asks for {asked_s:,.0f} s" if asked_s >= 1 else str(error)


class Retrying(Repeating):
    """A store whose transient errors are repeated; see `laden.store.Store` for the contract."""

    def __init__(
        self,
        inner: Store,
        *,
        on_retry: Callable[[Retry], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
        first_pause_s: float = FIRST_PAUSE_S,
        capped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wrap a store; `capped` says whether its cap holds something back right now, the rest as `Repeating`."""
        super().__init__(on_retry=on_retry, stopping=stopping, patience_s=patience_s, first_pause_s=first_pause_s)
        self._inner = inner
        self.capped = capped

    async def create(self) -> bool:
        return await self.repeat(self._inner.create)

    async def list_page(self, marker: str = "") -> Page:
        return await self.repeat(lambda: self._inner.list_page(marker))

    async def head(self, name: str) -> Blob:
        return await self.repeat(lambda: self._inner.head(name))

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        return await self.repeat(lambda: self._inner.get(name, offset, length, etag))

    async def read_into(self, name: str, offset: int, room: memoryview, etag: str | None = None) -> int:
        return await self.repeat(lambda: self._inner.read_into(name, offset, room, etag))

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        await self.repeat(lambda: self._inner.put(name, data, properties, etag))

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await self.repeat(lambda: self._inner.put_block(name, block_id, data, md5))

    async def staged(self, name: str) -> dict[str, int]:
        return await self.repeat(lambda: self._inner.staged(name))

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await self.repeat(lambda: self._inner.commit(name, block_ids, properties, etag))

    async def delete(self, name: str) -> None:
        await self.repeat(lambda: self._inner.delete(name))

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make another request than the port's, through the same door and repeated as they are.

        It may have been done unheard when it is made again: whoever asks must be content with that.
        """
        through = self._inner.through if isinstance(self._inner, Limited) else _straight
        return await self.repeat(lambda: through(request))

    async def close(self) -> None:
        await self._inner.close()


async def _straight(request: Callable[[], Awaitable[T]]) -> T:
    return await request()


def _jittered(pause_s: float) -> float:
    """Between half of it and all of it, so that many requests do not come back at once."""
    return pause_s * random.uniform(0.5, 1)  # noqa: S311 - spreads load, keeps no secret
