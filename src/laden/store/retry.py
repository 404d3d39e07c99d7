"""Repeats what may succeed later: a store around a store.

Only errors marked transient are repeated, with exponential pauses and jitter or after what `Retry-After` asks,
until the patience is used up or the run is asked to stop. Before the service has answered at all there is little
patience, so that a wrong address is told in seconds; after its first answer, be it a refusal, an outage of some
minutes is waited out.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from laden.store import Data, Page, Properties, Retry, Store
from laden.values.errors import BlobConflict, Interrupted, StoreError, TransientStoreError
from laden.values.records import Blob

FIRST_PATIENCE_S = 5.0
PATIENCE_S = 600.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
_STOP_WITHIN_S = 0.5

T = TypeVar("T")


class Retrying:
    """A store whose transient errors are repeated; see `laden.store.Store` for the contract."""

    def __init__(
        self,
        inner: Store,
        *,
        on_retry: Callable[[Retry], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._inner = inner
        self._on_retry = on_retry
        self._stopping = stopping
        self._patience_s = patience_s
        self._first_pause_s = first_pause_s
        self._answered = False

    async def create(self) -> bool:
        return await self._repeat(self._inner.create)

    async def list_page(self, marker: str = "") -> Page:
        return await self._repeat(lambda: self._inner.list_page(marker))

    async def head(self, name: str) -> Blob:
        return await self._repeat(lambda: self._inner.head(name))

    async def get(self, name: str, offset: int, length: int) -> bytes:
        return await self._repeat(lambda: self._inner.get(name, offset, length))

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        await self._repeat(lambda: self._inner.put(name, data, properties, etag))

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await self._repeat(lambda: self._inner.put_block(name, block_id, data, md5))

    async def staged(self, name: str) -> dict[str, int]:
        return await self._repeat(lambda: self._inner.staged(name))

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await self._repeat(lambda: self._inner.commit(name, block_ids, properties, etag))

    async def delete(self, name: str) -> None:
        await self._repeat(lambda: self._inner.delete(name))

    async def close(self) -> None:
        await self._inner.close()

    async def _repeat(self, request: Callable[[], Awaitable[T]]) -> T:
        started_s = time.monotonic()
        pause_s = self._first_pause_s
        repeated = False
        while True:
            try:
                result = await request()
            except TransientStoreError as error:
                self._answered |= error.throttled
                patience_s = self._patience_s if self._answered else min(FIRST_PATIENCE_S, self._patience_s)
                wait_s = _jittered(pause_s)
                if error.retry_after_s is not None:
                    wait_s = error.retry_after_s + _jittered(self._first_pause_s)
                if time.monotonic() - started_s + wait_s > patience_s:
                    raise
                repeated = True
                self._on_retry(Retry(str(error), wait_s, error.throttled))
                await self._pause(wait_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except StoreError as error:
                self._answered = True
                if isinstance(error, BlobConflict):
                    error.repeated = repeated
                raise
            else:
                self._answered = True
                return result

    async def _pause(self, wait_s: float) -> None:
        """Wait, unless the run is asked to stop: nothing is gained by waiting then."""
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            if self._stopping():
                raise Interrupted("stopped while waiting to ask again")
            await asyncio.sleep(min(left_s, _STOP_WITHIN_S))


def _jittered(pause_s: float) -> float:
    """Between half of it and all of it, so that many requests do not come back at once."""
    return pause_s * random.uniform(0.5, 1)  # noqa: S311 - spreads load, keeps no secret
