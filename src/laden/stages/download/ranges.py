"""The bytes of a stored file, in their order, all of one version; and whether they are what is known of it.

A small file is one request. Of a large one several ranges are asked for at once, each of the version that was listed:
the store refuses any other, so no file is ever put together of two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from typing import Protocol

from laden.stages.download.rooms import Rooms
from laden.stages.download.wanted import Wanted
from laden.store import Data, Store

KEPT_BYTES = 96 << 20
WHOLE_BYTES = 32 << 20
"""What is read in one piece at most."""
RANGE_BYTES = 8 << 20
RANGES_AT_ONCE = 4
_ROOM_FROM_BYTES = 256 << 10
"""Smaller ones are cheaper as they come."""
_ITEM_COST_BYTES = 256 << 10
"""The least that an item takes of the window: a thousand small ones in flight keep any link busy."""


class WrongBytes(Exception):  # noqa: N818 - named for what happened
    """What came is not what is known of it; a sentence."""


class Read(Protocol):
    """Gives an item's bytes from a place on, in parts."""

    def __call__(self, item: Wanted, at_bytes: int) -> AsyncGenerator[Data, None]:
        """Those of a small item (`is_large`) may come in one part; raises `StoreError` or `SourceError`.

        A part is good until the next is asked for, or the generator closed: its memory is used again.
        """


def is_large(item: Wanted) -> bool:
    """Whether it passes in parts, so that memory stays bounded."""
    return item.size_bytes > WHOLE_BYTES


def cost_bytes(item: Wanted) -> int:
    """What an item takes of the window."""
    if is_large(item):
        return RANGE_BYTES * (RANGES_AT_ONCE + 1)
    return max(item.size_bytes, _ITEM_COST_BYTES)


def reading(store: Store, kept_bytes: int = KEPT_BYTES) -> Read:
    """Reads from a store; so many bytes of memory are kept for use again."""
    rooms = Rooms(kept_bytes)

    async def read(item: Wanted, at_bytes: int) -> AsyncGenerator[Data, None]:
        if item.size_bytes < _ROOM_FROM_BYTES and not is_large(item):
            yield await store.get(item.blob, at_bytes, item.size_bytes - at_bytes, item.etag)
            return
        part_bytes = RANGE_BYTES if is_large(item) else item.size_bytes
        starts = iter(range(at_bytes, item.size_bytes, part_bytes))
        ahead: deque[tuple[ExitStack, asyncio.Task[memoryview]]] = deque()
        try:
            while True:
                while len(ahead) < RANGES_AT_ONCE and (start := next(starts, None)) is not None:
                    held = ExitStack()
                    room = held.enter_context(rooms.room(min(part_bytes, item.size_bytes - start)))
                    ahead.append((held, asyncio.create_task(_range(store, item, start, room))))
                if not ahead:
                    return
                yield await ahead[0][1]
                ahead.popleft()[0].close()
        finally:
            for _, task in ahead:
                task.cancel()
            await asyncio.gather(*(task for _, task in ahead), return_exceptions=True)
            for held, _ in ahead:
                held.close()

    return read


async def _range(store: Store, item: Wanted, start_bytes: int, room: memoryview) -> memoryview:
    came_bytes = await store.read_into(item.blob, start_bytes, room, item.etag)
    if came_bytes != len(room) and is_large(item):
        raise WrongBytes(f"{came_bytes:,} bytes came where {len(room):,} were asked for")
    return room[:came_bytes]


async def read_whole(read: Read, item: Wanted) -> bytes:
    """All bytes of an item that fits into memory."""
    async with aclosing(read(item, 0)) as parts:
        return b"".join([bytes(part) async for part in parts])


def proved(item: Wanted, size_bytes: int, md5: bytes, crc32: int) -> str:
    """What is wrong with bytes that came, as a sentence; empty where they are what is known."""
    if size_bytes != item.size_bytes:
        return f"{size_bytes:,} bytes came where it should have {item.size_bytes:,}"
    if item.md5 not in (None, md5):
        return f"what came hashes to the MD5 {md5.hex()}, not to {item.md5.hex() if item.md5 else ''}"
    if item.crc32 not in (None, crc32):
        return f"what came has the CRC-32 {crc32:08x}, not {item.crc32 or 0:08x}"
    return ""
