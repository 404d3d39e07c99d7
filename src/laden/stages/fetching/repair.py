"""Damaged members of a zip on this disk, read again where the zip lies remotely, and put right in place.

Of each member, the bytes that reading it takes are fetched and no others; they are written only once they inflate to
what the directory on this disk says, so that an archive of another version is never mixed into one. A kill in between
leaves an archive that is damaged still, in fewer members.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.source import crc32
from laden.dataset.source.member import chunks
from laden.remote.file import RemoteFile
from laden.remote.location import as_source_error
from laden.remote.wire import Wire
from laden.store.disk import writing
from laden.values.errors import Interrupted, MemberDamaged, StoreError
from laden.values.records import Entry

_CHUNK_BYTES = 8 << 20


class Repaired(NamedTuple):
    """What a repair did."""

    members: int
    fetched_bytes: int
    left: list[Entry]
    """Members that came otherwise than the directory says."""


def repair(
    wire: Wire, file: RemoteFile, path: Path, damaged: Sequence[Entry], stopping: Callable[[], bool]
) -> Repaired:
    """Put members right.

    Args:
        wire: that requests go through.
        file: the archive where it lies remotely, of the same length.
        path: the archive on this disk.
        damaged: its members that are to be put right.
        stopping: asked before each.

    Raises:
        SourceError: the remote file changed, or cannot be had.
        StoreError: the disk cannot be written.
        Interrupted: asked to stop.
    """
    fetched_bytes, left = 0, []
    for entry in damaged:
        if stopping():
            raise Interrupted("stopped as you asked: run the same command again to go on")
        again = _Again(wire, file)
        right = _is_right(again, entry)
        fetched_bytes += sum(len(data) for _, data in again.pieces)
        if right:
            _write(path, again.pieces)
        else:
            left.append(entry)
    return Repaired(len(damaged) - len(left), fetched_bytes, left)


class _Again:
    """The remote file as an `ArchiveFile` that keeps what was read of it."""

    def __init__(self, wire: Wire, file: RemoteFile) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.size_bytes, self.stamp, self.mtime_ns = file.size_bytes, file.stamp, file.mtime_ns
        self.raw_names: dict[int, bytes] | None = None
        self._wire = wire
        self._file = file

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        count_bytes = min(count_bytes, self.size_bytes - offset_bytes)
        if count_bytes <= 0:
            return b""
        try:
            data = self._wire.wait(self._file.begin(offset_bytes, count_bytes))
        except StoreError as error:
            raise as_source_error(error, self._file.name) from None
        self.pieces.append((offset_bytes, data))
        return data

    def changed(self) -> bool:
        return self._file.changed()

    def close(self) -> None:
        """Nothing is open."""


def _is_right(again: _Again, entry: Entry) -> bool:
    checksum = 0
    try:
        for buffer in chunks(again, entry, _CHUNK_BYTES):
            checksum = crc32(buffer, checksum)
    except MemberDamaged:
        return False
    return checksum == entry.crc32


def _write(path: Path, pieces: Sequence[tuple[int, bytes]]) -> None:
    with writing(path), path.open("r+b") as file:
        for start, data in pieces:
            file.seek(start)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
