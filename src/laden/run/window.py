"""How many bytes may be in memory at once: a budget that what moves bytes keeps to."""

from __future__ import annotations

import asyncio


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
