"""A file that is under way, read while it comes: whoever reads bytes that are not here yet waits for them.

So it is proved (`proof`) beside the receiving, out of the system's cache, and its last byte is followed by the proof of
what it completed alone. Nothing that is read here may be believed once the file was `given_up`: waiting ends then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from laden.dataset.source.positional import ArchiveFile, PositionalFile
from laden.remote.linked import LinkedRoot
from laden.values.errors import Interrupted


class Arriving:
    """Which blocks of a file are here. Written by one thread, awaited by any."""

    def __init__(self, path: Path, size_bytes: int, block_bytes: int, missing: Iterable[int]) -> None:
        """A file of that length lies at that path; these of its blocks are not here yet."""
        self.path = path
        self.size_bytes = size_bytes
        self._block_bytes = block_bytes
        self._missing = set(missing)
        self._given_up = False
        self._changed = threading.Condition()

    def landed(self, index: int) -> None:
        """A block can be read."""
        with self._changed:
            self._missing.discard(index)
            self._changed.notify_all()

    def give_up(self) -> None:
        """Nothing more comes: who waits gets `Interrupted`, now and later."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def wait(self, start: int, end: int) -> None:
        """Wait until these bytes are here; raises `Interrupted`."""
        blocks = range(start // self._block_bytes, -(-end // self._block_bytes))
        with self._changed:
            self._changed.wait_for(lambda: self._given_up or self._missing.isdisjoint(blocks))
            if self._given_up:
                raise Interrupted("the file that was read while it came does not come any more")


class ArrivingRoot(LinkedRoot):
    """The folder of a file that is under way (`laden.dataset.source.root.Elsewhere`)."""

    def __init__(self, folder: Path, arriving: Arriving) -> None:
        """Of one file."""
        super().__init__(folder, str(folder), {}, {})
        self._arriving = arriving

    def holds(self, name: str) -> bool:
        return self / name == self._arriving.path

    def open(self, name: str) -> ArchiveFile:
        return _Waiting(self._arriving)


class _Waiting(PositionalFile):
    """The file, as far as it is here."""

    def __init__(self, arriving: Arriving) -> None:
        super().__init__(str(arriving.path))
        self._arriving = arriving

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        end = min(offset_bytes + count_bytes, self._arriving.size_bytes)
        self._arriving.wait(offset_bytes, max(offset_bytes, end))
        return super().read_at(count_bytes, offset_bytes)

    def changed(self) -> bool:
        # It does all the time; what is here is written once.
        return False
