"""Memory that bytes are received into, used again and again: fresh pages cost the system more than what fills them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Rooms:
    """Memory for files of several sizes; what is free is kept up to a limit, together with what is in use."""

    def __init__(self, most_bytes: int) -> None:
        """Begin with none.

        Args:
            most_bytes: beyond this nothing is kept; what is asked for is always given.
        """
        self._most_bytes = most_bytes
        self._bytes = 0
        self._free: list[bytearray] = []

    @contextmanager
    def room(self, size_bytes: int) -> Iterator[memoryview]:
        """Lend so much memory, with anything in it."""
        data = self._take(size_bytes)
        try:
            yield memoryview(data)[:size_bytes]
        finally:
            self._free.append(data)

    def _take(self, size_bytes: int) -> bytearray:
        fitting = [data for data in self._free if size_bytes <= len(data) <= 2 * size_bytes]
        if fitting:
            best = min(fitting, key=len)
            self._free = [data for data in self._free if data is not best]
            return best
        self._bytes += size_bytes
        while self._free and self._bytes > self._most_bytes:
            self._bytes -= len(self._free.pop(0))
        return bytearray(size_bytes)
