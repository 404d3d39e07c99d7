"""What an item takes of the bytes that may be in memory, and which items are read together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from laden.values.records import Item

_BATCH_BYTES = 2 << 20
_BATCH_ITEMS = 64
"""Small items are read this many at a time, so that handing them between threads costs little."""
_ITEM_COST_BYTES = 256 << 10
"""The least that an item takes of the window: a thousand small ones in flight keep any link busy, and more would
only keep the garbage collector busy."""


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
