"""Reads entries' bytes, and lets the last buffer of one go only when everything is as declared.

For a member: local header, length and CRC-32 against the archive's directory, and the archive itself
unchanged since it was first opened. For a plain file: size and modification time as they were when it was
listed; it has no checksum to compare with.

Reads whole entries in order; ranges, retries and network sources are not its matter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Self

from isal.isal_zlib import crc32

from laden.errors import MemberDamaged, SourceError
from laden.records import Entry
from laden.source.member import chunks
from laden.source.positional import Buffer, PositionalFile

_OPEN_ARCHIVES = 64
"""Well below the 256 descriptors that macOS allows a process; datasets may have thousands of archives."""


class Reader:
    """Reads entries below one root, for many threads at once; picklable.

    The archives used last stay open until `close`, which must wait until no thread reads any more; a pickled copy
    opens its own. Plain files are open only while they are read.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._archives: dict[str, PositionalFile] = {}
        """Open ones, the one used last at the end."""
        self._known: dict[str, tuple[int, int]] = {}
        """Size and modification time of every archive when it was first opened."""
        self._lock = threading.Lock()

    def read(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        """Yield the entry's uncompressed bytes, checked.

        Exactly one buffer where `entry.size_bytes` is at most `chunk_bytes` (an empty one for no bytes); else
        buffers of `chunk_bytes`, the last one shorter. Buffers are fresh: they may be kept.

        Raises `MemberDamaged`, at the latest in place of the last buffer, where the bytes are not what was
        declared; its `code` is `member-crc`, `member-short`, `member-long`, `member-deflate`,
        `member-header`, `archive-changed` or `file-changed`. Raises `SourceError` where it cannot be read.
        """
        if chunk_bytes < 1:
            raise ValueError(f"chunk_bytes must be positive, not {chunk_bytes}")
        return self._read_member(entry, chunk_bytes) if entry.archive else self._read_file(entry, chunk_bytes)

    def close(self) -> None:
        """Close all archives. Call it when no thread reads any more; a later `read` opens them again."""
        with self._lock:
            for file in self._archives.values():
                file.close()
            self._archives.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> str:
        return self.root

    def __setstate__(self, root: str) -> None:
        self.__init__(root)  # type: ignore[misc]

    def _read_member(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        try:
            file = self._archive(entry.archive)
            checksum = seen_bytes = 0
            try:
                for buffer in chunks(file, entry, chunk_bytes):
                    checksum = crc32(buffer, checksum)
                    seen_bytes += len(buffer)
                    if seen_bytes == entry.size_bytes:
                        _check_end(file, entry, checksum)
                    yield buffer
            except MemberDamaged as error:
                if file.changed():
                    raise _archive_changed(entry) from error
                raise
        except OSError as error:
            raise _unreadable(entry, error) from error

    def _archive(self, archive: str) -> PositionalFile:
        with self._lock:
            file = self._archives.pop(archive, None)
            if file is None:
                file = PositionalFile(f"{self.root}/{archive}")
                file.expect(*self._known.setdefault(archive, (file.size_bytes, file.mtime_ns)))
                if len(self._archives) >= _OPEN_ARCHIVES:
                    # Whoever still reads it holds it, and closes it by letting go.
                    del self._archives[next(iter(self._archives))]
            self._archives[archive] = file
            return file

    def _read_file(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        try:
            with PositionalFile(f"{self.root}/{entry.member}") as file:
                if (file.size_bytes, file.mtime_ns) != (entry.size_bytes, entry.mtime_ns):
                    raise _file_changed(entry)
                at_bytes = 0
                while True:
                    wanted_bytes = min(chunk_bytes, entry.size_bytes - at_bytes)
                    buffer = file.read_at(wanted_bytes, at_bytes)
                    at_bytes += wanted_bytes
                    last = at_bytes == entry.size_bytes
                    if len(buffer) < wanted_bytes or (last and file.changed()):
                        raise _file_changed(entry)
                    yield buffer
                    if last:
                        return
        except OSError as error:
            raise _unreadable(entry, error) from error


def _check_end(file: PositionalFile, entry: Entry, checksum: int) -> None:
    if file.changed():
        raise _archive_changed(entry)
    if checksum != entry.crc32:
        message = f"{entry.place} is damaged: its CRC-32 is {checksum:08x}, the directory says "
        message += f"{entry.crc32 or 0:08x}; download {entry.archive} again."
        raise MemberDamaged(message, "member-crc")


def _archive_changed(entry: Entry) -> MemberDamaged:
    message = f"{entry.archive} changed while it was read; run the same command again when it is complete."
    return MemberDamaged(message, "archive-changed")


def _file_changed(entry: Entry) -> MemberDamaged:
    message = f"{entry.member} changed after it was listed; run the same command again when it is complete."
    return MemberDamaged(message, "file-changed")


def _unreadable(entry: Entry, error: OSError) -> SourceError:
    path = entry.archive or entry.member
    return SourceError(f"{path} cannot be read ({error.strerror or error}); check the disk or the mount.")
