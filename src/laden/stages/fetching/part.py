"""A file that is not whole yet, `NAME.part`, and the notes beside it, `NAME.part.laden`, which let it be gone on with.

The notes are lines of JSON: the first says which content it is of (address without its query, length, validators) and
how long a block is; each other one names a block that is here, with its MD5. A block is on the disk before it is noted,
which a thread of its own sees to (`settling`). Who goes on reads the noted blocks: what is not as noted counts as
missing. A `.part` without notes is somebody else's. Nothing is ever written over a file that has its name: `place`
gives the name only where it is free, unless it is told that this one is to take a damaged one's place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from laden.remote.answers import Version
from laden.stages.fetching.arriving import Arriving
from laden.stages.fetching.seal import Seal, Sealing, seal_of_blocks
from laden.stages.fetching.settling import Settling
from laden.store.disk import is_at, linked, refuse_links
from laden.values.errors import BlobConflict, DiskFull, NameRefused, SourceError, StoreError
from laden.values.room import disk_full, is_full
from laden.values.told import from_json
from laden.values.units import size

if os.name != "nt":
    import fcntl

BLOCK_BYTES = 16 << 20
SUFFIX, NOTES_SUFFIX = ".part", ".part.laden"
_FORMAT = 1


class _Begun:
    """A block of which some is here."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.md5 = hashlib.md5(usedforsecurity=False)

    def add(self, data: bytes) -> None:
        self.size_bytes += len(data)
        self.md5.update(data)


class Part:
    """A file under way. Used by one thread."""

    def __init__(self, target: Path, address: str, version: Version | None) -> None:
        """Begin it, or go on with it.

        Args:
            target: the name that it is to have.
            address: where it comes from, without secrets.
            version: of the content; None where it comes in one stream, whose beginning is the file's.

        Raises:
            SourceError: with code `archive-changed` where the remote file is another one than that which was begun,
                `fetch-conflict` where something else lies there.
            StoreError: the folder cannot be written.
        """
        self.target = target
        self.path = target.with_name(target.name + SUFFIX)
        self.notes_path = target.with_name(target.name + NOTES_SUFFIX)
        self._version = version
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._notes = _opened(self.notes_path)
            self._file: BinaryIO | None = None
            try:
                self._lock()
                noted = self._noted(address)
                self._file = _opened(self.path)
                self._file.truncate(version.size_bytes if version else 0)
                self._stream = Sealing(self.block_bytes)
                self._md5s: dict[int, str] = {}
                self._begun: dict[int, _Begun] = {}
                self._last: int | None = None
                """The block that made it whole."""
                self.done_bytes = self._take_over(noted)
                self._settling = Settling(self._file, self._note_blocks)
            except BaseException:
                _closed(self._file)
                _closed(self._notes)
                raise
        except OSError as error:
            raise _unwritable(self.path, error) from None
        size_bytes = version.size_bytes if version else 0
        self.arriving = Arriving(self.path, size_bytes, self.block_bytes, self.missing)

    def span(self, index: int) -> tuple[int, int]:
        """Where a block begins, and how long it is."""
        assert self._version is not None
        start = index * self.block_bytes
        return start, min(self.block_bytes, self._version.size_bytes - start)

    def put(self, index: int, data: bytes) -> None:
        """Write what comes next of a block, which is noted once it is whole and on the disk; raises StoreError."""
        assert self._file is not None
        start, size_bytes = self.span(index)
        begun = self._begun.setdefault(index, _Begun())
        try:
            self._file.seek(start + begun.size_bytes)
            self._file.write(data)
            begun.add(data)
            self.done_bytes += len(data)
            if begun.size_bytes < size_bytes:
                return
            self._file.flush()
            self._md5s[index] = begun.md5.hexdigest()
            del self._begun[index]
            self.missing.remove(index)
            self.arriving.landed(index)
            if self.missing:
                self._settling.add(index)
            else:
                self._last = index
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def add(self, data: bytes) -> None:
        """Write what comes next in a stream; raises StoreError."""
        assert self._file is not None
        try:
            self._file.write(data)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self._stream.add(data)

    @property
    def seal(self) -> Seal:
        """Of all its bytes, once they are here."""
        if self._version is None:
            return self._stream.seal()
        md5s = (self._md5s[index] for index in range(len(self._md5s)))
        return seal_of_blocks(self._version.size_bytes, self.block_bytes, md5s)

    def finish(self) -> None:
        """Have all its bytes on the disk, and noted; no other laden may have it until it is closed.

        Raises:
            StoreError: the disk does not take them.
        """
        assert self._file is not None
        try:
            self._settling.end()
            self._file.flush()
            os.fsync(self._file.fileno())
            if self._last is not None:
                self._note_blocks([self._last])
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self._file.close()

    def close(self) -> None:
        """Let go of the files, once what was written is noted; who reads it while it comes is told to stop."""
        self.arriving.give_up()
        with suppress(OSError):
            self._settling.end()
        _closed(self._file)
        _closed(self._notes)

    def place(self, *, over: bool = False) -> None:
        """Give it its name, and take the notes away.

        Args:
            over: whether it takes the place of what has that name.

        Raises:
            SourceError: with code `fetch-conflict`: something has that name.
            StoreError: the folder cannot be written.
        """
        try:
            if self._version is not None and self._version.mtime_ns:
                os.utime(self.path, ns=(self._version.mtime_ns, self._version.mtime_ns))
            if over:
                self.path.replace(self.target)
            else:
                _name(self.path, self.target)
            if os.name == "nt":
                self.close()
            self.notes_path.unlink()
            _settle(self.target.parent)
            self.close()
        except BlobConflict:
            message = f"{self.target} is there now, and nothing is replaced: it was fetched to {self.path}"
            raise SourceError(message, "fetch-conflict") from None
        except OSError as error:
            raise _unwritable(self.target, error) from None

    def _lock(self) -> None:
        if os.name == "nt":
            return
        try:
            fcntl.flock(self._notes.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = is_at(self._notes.fileno(), self.notes_path)
        except BlockingIOError:
            free = False
        except OSError:
            # Some network file systems have no locks.
            return
        if not free:
            message = f"{self.path} is being fetched by another laden right now: let it end"
            raise SourceError(message, "fetch-conflict")

    def _noted(self, address: str) -> dict[int, str]:
        """The blocks that are noted, by number, once the notes are about this content."""
        lines = list(_lines(self._notes.read()))
        begun = lines[0] if lines and lines[0].get("laden") == _FORMAT else None
        if begun is None and os.path.lexists(self.path):
            message = f"{self.path} is there, and laden has no notes about it: move it away, or fetch elsewhere"
            raise SourceError(message, "fetch-conflict")
        if begun is None or not self.path.exists() or self._version is None:
            return self._begin(address)
        before = _version_in(begun)
        if before is None or before.size_bytes != self._version.size_bytes or not before.may_be(self._version):
            raise SourceError(
                f"{self.target.name} changed at {address} since its download began: what was fetched is of no use;"
                f" delete {self.path} and {self.notes_path}, and run the same command again",
                "archive-changed",
            )
        self.block_bytes = int(begun["block_bytes"])
        return {line["block"]: line["md5"] for line in lines[1:] if {"block", "md5"} <= set(line)}

    def _begin(self, address: str) -> dict[int, str]:
        self.block_bytes = BLOCK_BYTES
        self._notes.seek(0)
        self._notes.truncate()
        version = self._version._asdict() if self._version else {"size_bytes": -1, "etag": "", "modified": ""}
        self._note({"laden": _FORMAT, "from": address, **version, "block_bytes": BLOCK_BYTES})
        return {}

    def _take_over(self, noted: dict[int, str]) -> int:
        """Which blocks are missing; how many bytes are here, as noted."""
        assert self._file is not None
        self.missing: list[int] = []
        if self._version is None:
            return 0
        done_bytes = 0
        for index in range(-(-self._version.size_bytes // self.block_bytes)):
            start, size_bytes = self.span(index)
            if index in noted:
                self._file.seek(start)
                if _md5(self._file.read(size_bytes)) == noted[index]:
                    self._md5s[index] = noted[index]
                    done_bytes += size_bytes
                    continue
            self.missing.append(index)
        return done_bytes

    def _note_blocks(self, indices: list[int]) -> None:
        self._note(*({"block": index, "md5": self._md5s[index]} for index in indices))

    def _note(self, *lines: dict[str, Any]) -> None:
        # A kill in the middle of a line leaves half of one: it ends before the next.
        torn = self._notes.tell() and not self._ends_whole()
        self._notes.seek(0, os.SEEK_END)
        self._notes.write((b"\n" if torn else b"") + b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        self._notes.flush()
        os.fsync(self._notes.fileno())

    def _ends_whole(self) -> bool:
        self._notes.seek(-1, os.SEEK_END)
        return self._notes.read(1) == b"\n"


def _closed(file: BinaryIO | None) -> None:
    if file is not None and not file.closed:
        with suppress(OSError):
            file.flush()
            os.fsync(file.fileno())
        file.close()


def _name(path: Path, target: Path) -> None:
    """Raises BlobConflict where the name is taken, and OSError."""
    if linked(path, target):
        path.unlink()
    elif target.exists():
        raise BlobConflict(f"{target} is there already")
    else:
        path.rename(target)


def sweep(target: Path) -> None:
    """Take away what a fetch left beside a file that got its name, where it was killed just then."""
    part = target.with_name(target.name + SUFFIX)
    with suppress(OSError):
        if part.exists() and part.samefile(target):
            part.unlink()
        if not part.exists():
            target.with_name(target.name + NOTES_SUFFIX).unlink()


def refuse_place(folder: Path, target: Path) -> None:
    """Refuse a name at which no file may come to lie, or that leads out of the folder; raises SourceError."""
    try:
        refuse_links(folder, target)
    except NameRefused as error:
        raise SourceError(str(error), "fetch-conflict") from None
    for path in (target, target.with_name(target.name + SUFFIX), target.with_name(target.name + NOTES_SUFFIX)):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            message = f"{path} is there already, and is no regular file: move it away, or fetch into another folder"
            raise SourceError(message, "fetch-conflict")


def _opened(path: Path) -> BinaryIO:
    """A file to read and write, made where there is none; never through a link."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def _lines(data: bytes) -> list[dict[str, Any]]:
    found = []
    for line in data.splitlines():
        with suppress(ValueError):
            read = from_json(line)
            if isinstance(read, dict):
                found.append(read)
    return found


def _version_in(line: dict[str, Any]) -> Version | None:
    try:
        return Version(int(line["size_bytes"]), str(line["etag"]), str(line["modified"]))
    except (KeyError, ValueError):
        return None


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _settle(folder: Path) -> None:
    """Have names in a folder outlive a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_OF_ONE_NAME = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EILSEQ})


def _unwritable(path: Path, error: OSError) -> SourceError | StoreError | DiskFull:
    if error.errno in _OF_ONE_NAME:
        message = f"{path} cannot be written ({error.strerror}): fetch it by itself, into another folder"
        return SourceError(message, "fetch-conflict")
    if is_full(error):
        return disk_full(path)
    return StoreError(f"{path} cannot be written ({error.strerror or error}): check the folder")


def room_refusal(wanted_bytes: int, free_bytes: int, folder: Path) -> DiskFull:
    """What is said where there is not enough room, before anything is fetched."""
    return DiskFull(
        f"{size(wanted_bytes)} are still to be fetched, and {folder} has room for {size(free_bytes)}: make room, or"
        " fetch fewer (--archives)"
    )
