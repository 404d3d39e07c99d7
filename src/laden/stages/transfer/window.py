"""How many bytes may be in memory, read and not yet sent; what an item takes of them, and which are read together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from laden.values.records import Item

_BATCH_BYTES = 1 << 20
_BATCH_ITEMS = 32
"""Small items are read this many at a time, so that handing them between threads costs little."""
_ITEM_COST_BYTES = 256 << 10
"""The least that an item takes of the window: a thousand small ones in flight keep any link busy, and more would
only keep the garbage collector busy."""


class Window:
    """A budget of bytes in flight. An item larger than the budget passes when nothing else is in it."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._used_bytes = 0
        self._left = asyncio.Event()

    async def enter(self, cost_bytes: int) -> None:
        """Wait until there is room for so many bytes, and take it. One waiter at a time."""
        while self._used_bytes and self._used_bytes + cost_bytes > self._size_bytes:
            self._left.clear()
            await self._left.wait()
        self._used_bytes += cost_bytes

    def leave(self, cost_bytes: int) -> None:
        """Give it back."""
        self._used_bytes -= cost_bytes
        self._left.set()


def batches(items: Iterable[Item], most_bytes: int) -> Iterator[list[Item]]:
    """Neighbouring small items together, of so many bytes at most; larger ones alone."""
    most_bytes = min(_BATCH_BYTES, most_bytes)
    batch: list[Item] = []
    batch_bytes = 0
    for item in items:
        size_bytes = item.entry.size_bytes
        if batch and (batch_bytes + size_bytes > most_bytes or len(batch) == _BATCH_ITEMS):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(item)
        batch_bytes += size_bytes
    if batch:
        yield batch


def cost_bytes(item: Item) -> int:
    """What an item that passes whole takes of the window."""
    return max(item.entry.size_bytes, _ITEM_COST_BYTES)
