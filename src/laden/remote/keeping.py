"""Bytes of a few entries, kept as they pass for whoever wants them once more: pictures cost no second fetch.

What is to be kept is told before it is read. There is a bound to what is kept at once; what finds no room is not kept,
and is fetched again by whoever wants it. For several threads at once; no other process has it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from laden.dataset.source import Buffer
from laden.values.records import Entry

_MOST_BYTES = 96 << 20


class Keeping:
    """What is kept of one source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: set[tuple[str, str]] = set()
        self._kept: dict[tuple[str, str], Buffer] = {}
        self._kept_bytes = 0

    def want(self, entries: Iterable[Entry]) -> None:
        """Keep these when they pass."""
        with self._lock:
            self._wanted.update((entry.archive, entry.member) for entry in entries)

    def passed(self, entry: Entry, data: Buffer) -> None:
        """An entry was read whole, and is as it was declared."""
        key = (entry.archive, entry.member)
        if key not in self._wanted:
            return
        with self._lock:
            if key in self._wanted and self._kept_bytes + len(data) <= _MOST_BYTES:
                self._wanted.discard(key)
                self._kept[key] = data
                self._kept_bytes += len(data)

    def take(self, entry: Entry) -> Buffer | None:
        """The bytes of one that passed, which are not kept any longer; None where it has not, or had no room."""
        with self._lock:
            data = self._kept.pop((entry.archive, entry.member), None)
            self._kept_bytes -= len(data) if data is not None else 0
            return data
