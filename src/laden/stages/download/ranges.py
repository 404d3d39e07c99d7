"""The bytes of a stored file, in their order, all of one version; and whether they are what is known of it.

A small file is one request. Of a large one several ranges are asked for at once, each of the version that was listed:
the store refuses any other, so no file is ever put together of two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol

from laden.stages.download.wanted import Wanted
from laden.store import Store

WHOLE_BYTES = 32 << 20
"""What is read in one piece at most."""
RANGE_BYTES = 8 << 20
RANGES_AT_ONCE = 4
_ITEM_COST_BYTES = 256 << 10
"""The least that an item takes of the window: a thousand small ones in flight keep any link busy."""


class WrongBytes(Exception):  # noqa: N818 - named for what happened
    """What came is not what is known of it; a sentence."""


class Read(Protocol):
    """Gives an item's bytes from a place on, in parts."""

    def __call__(self, item: Wanted, at_bytes: int) -> AsyncGenerator[bytes, None]:
        """Those of a small item (`is_large`) may come in one part; raises `StoreError` or `SourceError`."""


def is_large(item: Wanted) -> bool:
    """Whether it passes in parts, so that memory stays bounded."""
    return item.size_bytes > WHOLE_BYTES


def cost_bytes(item: Wanted) -> int:
    """What an item takes of the window."""
    if is_large(item):
        return RANGE_BYTES * (RANGES_AT_ONCE + 1)
    return max(item.size_bytes, _ITEM_COST_BYTES)


def reading(store: Store) -> Read:
    """Reads from a store."""

    async def read(item: Wanted, at_bytes: int) -> AsyncGenerator[bytes, None]:
        if not is_large(item):
            yield await store.get(item.blob, at_bytes, item.size_bytes - at_bytes, item.etag)
            return
        starts = iter(range(at_bytes, item.size_bytes, RANGE_BYTES))
        ahead: deque[asyncio.Task[bytes]] = deque()
        try:
            while True:
                while len(ahead) < RANGES_AT_ONCE and (start := next(starts, None)) is not None:
                    length_bytes = min(RANGE_BYTES, item.size_bytes - start)
                    ahead.append(asyncio.create_task(_range(store, item, start, length_bytes)))
                if not ahead:
                    return
                yield await ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    return read


async def _range(store: Store, item: Wanted, start_bytes: int, length_bytes: int) -> bytes:
    data = await store.get(item.blob, start_bytes, length_bytes, item.etag)
    if len(data) != length_bytes:
        raise WrongBytes(f"{len(data):,} bytes came where {length_bytes:,} were asked for")
    return data


async def read_whole(read: Read, item: Wanted) -> bytes:
    """All bytes of an item that fits into memory."""
    parts = [part async for part in read(item, 0)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def proved(item: Wanted, size_bytes: int, md5: bytes, crc32: int) -> str:
    """What is wrong with bytes that came, as a sentence; empty where they are what is known."""
    if size_bytes != item.size_bytes:
        return f"{size_bytes:,} bytes came where it should have {item.size_bytes:,}"
    if item.md5 not in (None, md5):
        return f"what came hashes to the MD5 {md5.hex()}, not to {item.md5.hex() if item.md5 else ''}"
    if item.crc32 not in (None, crc32):
        return f"what came has the CRC-32 {crc32:08x}, not {item.crc32 or 0:08x}"
    return ""
