"""Reads entries' bytes, and lets the last buffer of one go only when everything is as declared.

For a member: local header, length and CRC-32 against the archive's directory, and the archive itself
unchanged since it was first opened. For a plain file: size and modification time as they were when it was
listed; it has no checksum to compare with.

Reads whole entries in order; ranges, retries and networks are not its matter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Self

from isal.isal_zlib import crc32

from laden.dataset.source.member import chunks
from laden.dataset.source.opening import open_archive
from laden.dataset.source.placeholder import pointer
from laden.dataset.source.positional import ArchiveFile, Buffer, PositionalFile
from laden.dataset.source.root import Elsewhere, Root
from laden.dataset.source.sequence import Sequences
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import IN_GZIP, IN_TAR, Entry, Item

_AHEAD_ITEMS = 256
_OPEN_ARCHIVES = 64
"""Well below the 256 descriptors that macOS allows a process; datasets may have thousands of archives."""


class Reader:
    """Reads entries below one root, for many threads at once; picklable.

    The archives used last stay open until `close`, which must wait until no thread reads any more; a pickled copy
    opens its own. Plain files are open only while they are read.
    """

    def __init__(self, root: str | Root, known: Mapping[str, tuple[int, ...] | None] | None = None) -> None:
        """`known` are stamps of archives as somebody saw them before, None where one could not be opened."""
        self.root = str(root) if isinstance(root, Path) else root
        self._archives: dict[str, ArchiveFile] = {}
        """Open ones, the one used last at the end."""
        self._known = {archive: stamp for archive, stamp in (known or {}).items() if stamp is not None}
        """Size and modification time of every archive when it was seen, or opened, first."""
        self._sequences = Sequences()
        self._lock = threading.Lock()

    def read(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        """Yield the entry's uncompressed bytes, checked.

        Exactly one buffer where `entry.size_bytes` is at most `chunk_bytes` (an empty one for no bytes); else
        buffers of `chunk_bytes`, the last one shorter. Buffers are fresh: they may be kept.

        Raises `MemberDamaged`, at the latest in place of the last buffer, where the bytes are not what was
        declared; its `code` is `member-crc`, `member-short`, `member-long`, `member-deflate`,
        `member-header`, `archive-changed` or `file-changed`; a member that stands in the data's place is
        `file-placeholder`. Raises `SourceError` where it cannot be read.
        """
        if chunk_bytes < 1:
            raise ValueError(f"chunk_bytes must be positive, not {chunk_bytes}")
        return self._read_member(entry, chunk_bytes) if entry.archive else self._read_file(entry, chunk_bytes)

    def ahead(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, in their order; what lies elsewhere is told of some time before it is read."""
        root = self.root
        if isinstance(root, str):
            yield from items
            return
        left = iter(items)
        waiting: list[Item] = []
        while True:
            batch = list(islice(left, _AHEAD_ITEMS))
            root.expect([item.entry for item in batch])
            yield from waiting
            if not batch:
                return
            waiting = batch

    def has(self, entry: Entry) -> bool:
        """Whether the file that an entry is in is still there, as far as this machine knows."""
        name = entry.archive or entry.member
        if isinstance(self.root, str):
            return Path(self.root, name).exists()
        return self.root.holds(name) or (self.root / name).exists()

    def origin(self, entry: Entry) -> str:
        """Where an entry lies elsewhere, without secrets; empty for one of this machine."""
        return "" if isinstance(self.root, str) else self.root.origin(entry)

    def close(self) -> None:
        """Close all archives. Call it when no thread reads any more; a later `read` opens them again."""
        self._sequences.close()
        with self._lock:
            for file in self._archives.values():
                file.close()
            self._archives.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> str | Elsewhere:
        return self.root

    def __setstate__(self, root: str | Elsewhere) -> None:
        self.__init__(root)  # type: ignore[misc]

    def _read_member(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        try:
            file = self._archive(entry.archive)
            checksum = seen_bytes = 0
            try:
                for buffer in self._chunks(file, entry, chunk_bytes):
                    checksum = crc32(buffer, checksum)
                    seen_bytes += len(buffer)
                    if seen_bytes == entry.size_bytes:
                        _check_end(file, entry, checksum)
                        _check_content(entry, buffer)
                        self._pass(entry, buffer)
                    yield buffer
            except MemberDamaged as error:
                if file.changed():
                    raise _archive_changed(entry) from error
                raise
        except OSError as error:
            raise _unreadable(entry, error) from error

    def _chunks(self, file: ArchiveFile, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        if entry.method == IN_GZIP:
            return self._sequences.chunks(file, entry, chunk_bytes)
        if entry.method == IN_TAR:
            return _slices(file, entry, chunk_bytes)
        return chunks(file, entry, chunk_bytes)

    def _archive(self, archive: str) -> ArchiveFile:
        with self._lock:
            file = self._archives.pop(archive, None)
            if file is None:
                file = open_archive(self.root, archive)
                file.stamp = self._known.setdefault(archive, file.stamp)
                if len(self._archives) >= _OPEN_ARCHIVES:
                    # Whoever still reads it holds it, and closes it by letting go.
                    del self._archives[next(iter(self._archives))]
            self._archives[archive] = file
            return file

    def _read_file(self, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
        try:
            with closing(self._plain(entry.member)) as file:
                if file.stamp[:2] != (entry.size_bytes, entry.mtime_ns):
                    raise _file_changed(entry)
                seen_bytes = 0
                for buffer in _slices(file, entry, chunk_bytes):
                    seen_bytes += len(buffer)
                    if seen_bytes == entry.size_bytes and file.changed():
                        raise _file_changed(entry)
                    self._pass(entry, buffer)
                    yield buffer
        except OSError as error:
            raise _unreadable(entry, error) from error

    def _pass(self, entry: Entry, buffer: Buffer) -> None:
        """Tell a root elsewhere of an entry that is whole in one buffer: it may be wanted once more."""
        if not isinstance(self.root, str) and len(buffer) == entry.size_bytes:
            self.root.passed(entry, buffer)

    def _plain(self, name: str) -> ArchiveFile:
        if isinstance(self.root, str):
            return PositionalFile(f"{self.root}/{name}")
        return self.root.open(name) if self.root.holds(name) else PositionalFile(f"{self.root.folder}/{name}")


def _slices(file: ArchiveFile, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
    """The bytes as they lie in the file, in buffers of `chunk_bytes`, the last one shorter; one empty one for none."""
    for at_bytes in range(0, max(entry.size_bytes, 1), chunk_bytes):
        wanted_bytes = min(chunk_bytes, entry.size_bytes - at_bytes)
        buffer = file.read_at(wanted_bytes, entry.offset_bytes + at_bytes)
        if len(buffer) < wanted_bytes:
            raise _archive_changed(entry) if entry.archive else _file_changed(entry)
        yield buffer


def _check_end(file: ArchiveFile, entry: Entry, checksum: int) -> None:
    # A plain tar has no checksum: its own time is what is left to compare with.
    if file.changed() or (entry.mtime_ns is not None and entry.mtime_ns != file.mtime_ns):
        raise _archive_changed(entry)
    if entry.crc32 is not None and checksum != entry.crc32:
        known = "the proven archive" if entry.method == IN_GZIP else "the directory"
        message = f"{entry.place} is damaged: its CRC-32 is {checksum:08x}, {known} says "
        message += f"{entry.crc32:08x}; download {entry.archive} again."
        raise MemberDamaged(message, "member-crc")


def _check_content(entry: Entry, last: Buffer) -> None:
    if len(last) == entry.size_bytes and (instead := pointer(last)):
        raise MemberDamaged(f"{entry.place} {instead}, and pack it again.", "file-placeholder")


def _archive_changed(entry: Entry) -> MemberDamaged:
    message = f"{entry.archive} changed while it was read; run the same command again when it is complete."
    return MemberDamaged(message, "archive-changed")


def _file_changed(entry: Entry) -> MemberDamaged:
    message = f"{entry.member} changed after it was listed; run the same command again when it is complete."
    return MemberDamaged(message, "file-changed")


def _unreadable(entry: Entry, error: OSError) -> SourceError:
    path = entry.archive or entry.member
    return SourceError(f"{path} cannot be read ({error.strerror or error}); check the disk or the mount.")
