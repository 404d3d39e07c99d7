"""A folder of this machine as the place where proved files come to lie.

It keeps the promises of a folder as a destination (`folder`): a file is written aside, as `_laden/staging/*.part`, and
gets its name when it is whole and proved, so that nobody ever reads part of one; what it was is noted in the journal.
The journal also tells whose a file is: one that lies there with the very length and time that laden noted was put there
by laden, and not touched since. Only such a file gives way to another version; everything else stays as it is.

Large files are written in their order, hashed as they come. What a killed run left of one is hashed again and built
upon: whether it was right, the MD5 of the whole tells. Nothing is decided here about what is wanted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from isal.isal_zlib import crc32

from laden.store.disk import hashed, linked, refuse_links, writing
from laden.store.folder import HIDDEN, STAGING, FolderStore
from laden.store.journal import Journal, Told, Version
from laden.values.errors import BlobConflict, NameRefused, StoreError, UsageError
from laden.values.names import problem

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_READ_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})


class Standing(NamedTuple):
    """What lies at a place already."""

    same: bool
    """Whether it is what is wanted, by its bytes."""
    own: Version | None
    """The version, where laden put it there and nobody changed it since."""


class Brought(NamedTuple):
    """A file whose bytes are proved."""

    name: str
    data: bytes
    md5: bytes
    own: Version | None
    """The version that it may replace; None where nothing may be there."""


class Intake:
    """A folder that takes files in. Its methods block: call them from threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._journal = Journal(root)
        self._lock = threading.Lock()
        self._sound: set[Path] = set()
        """Folders that are there and to which no link leads."""
        self._told: dict[Version, Told] = {}

    async def prepare(self) -> None:
        """Make the folder where it is absent, and see what laden noted there before. Raises `StoreError`."""
        folder = FolderStore(self._root)
        await folder.create()
        try:
            self._told = self._journal.read().fine
        except OSError as error:
            raise StoreError(f"{self._root} cannot be read: {error.strerror}") from None

    def examine(self, name: str, size_bytes: int, md5: bytes | None) -> Standing | None:
        """What lies at a place, read where its length is right; None where nothing does.

        Raises:
            NameRefused: no file can lie there.
            StoreError: what lies there cannot be read.
        """
        path = self._path(name)
        try:
            status = path.stat()
            if path.is_dir():
                raise NameRefused(f"{path} cannot be written: a folder lies there")
            version = Version(name, status.st_size, status.st_mtime_ns)
            same = status.st_size == size_bytes and md5 is not None and hashed(path) == md5
        except FileNotFoundError:
            return None
        except OSError as error:
            kind = NameRefused if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP) else StoreError
            raise kind(f"{path} cannot be read: {error.strerror}") from None
        return Standing(same, version if not version.is_coarse and version in self._told else None)

    def put(self, files: Sequence[Brought]) -> list[StoreError | None]:
        """Give files their places, each on its own: what is wrong with it, or None.

        Raises:
            UsageError: the disk is full, or cannot be written to at all.
        """
        staged: list[tuple[Path, Version] | StoreError] = [self._tried(one) for one in files]
        self._note(
            [
                (found[1], Told(one.md5, {}))
                for one, found in zip(files, staged, strict=True)
                if isinstance(found, tuple)
            ]
        )
        return [
            found if isinstance(found, StoreError) else self._named(found[0], one.name, one.own)
            for one, found in zip(files, staged, strict=True)
        ]

    def part(self, name: str, size_bytes: int, md5: bytes | None) -> Part:
        """A large file on its way, with what an earlier run left of it. Raises `StoreError`, `UsageError`."""
        self._path(name)
        key = hashlib.sha256(f"{name}\0{size_bytes}\0{md5.hex() if md5 else uuid.uuid4().hex}".encode()).hexdigest()
        path = self._staging() / f"get-{key[:32]}.part"
        with writing(path):
            return Part(path, name, size_bytes, self._full)

    def place(self, part: Part, md5: bytes, own: Version | None) -> StoreError | None:
        """Give a large file that is proved its place; what is wrong with it, or None. Raises `UsageError`."""
        version = part.finish()
        self._note([(version, Told(md5, {}))])
        return self._named(part.path, part.name, own)

    def _tried(self, one: Brought) -> tuple[Path, Version] | StoreError:
        try:
            self._path(one.name)
            path = self._staging() / f"get-{uuid.uuid4().hex}.part"
            with path.open("xb", buffering=0) as file:
                left = memoryview(one.data)
                while left:
                    left = left[file.write(left) :]
            return path, _stamped(path, one.name)
        except OSError as error:
            raise self._full(error) from None
        except StoreError as error:
            return error

    def _named(self, staged: Path, name: str, own: Version | None) -> StoreError | None:
        """Move a file to its place: only where nothing is, or that very version of laden's own."""
        target = self._root / name
        try:
            self._make_folder(target)
            with writing(target):
                if own is None and linked(staged, target):
                    return None
                with self._lock, self._journal.exclusively():
                    there = target.stat() if target.exists() else None
                    if (there and Version(name, there.st_size, there.st_mtime_ns)) != own or target.is_symlink():
                        return BlobConflict(f"{target} is there already, or changed meanwhile")
                    staged.replace(target)
        except StoreError as error:
            return error
        finally:
            staged.unlink(missing_ok=True)
        return None

    def _make_folder(self, target: Path) -> None:
        if target.parent in self._sound:
            return
        refuse_links(self._root, target)
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        self._sound.add(target.parent)

    def _staging(self) -> Path:
        folder = self._root / STAGING
        self._make_folder(folder / "x")
        return folder

    def _note(self, notes: list[tuple[Version, Told]]) -> None:
        if notes:
            try:
                self._journal.append_all(notes)
            except OSError as error:
                raise self._full(error) from None

    def _full(self, error: OSError) -> UsageError:
        what = "is full" if error.errno in _FULL else "cannot be written to"
        return UsageError(
            f"the folder {self._root} {what} ({error.strerror}): make room or name another, and run the same again"
        )

    def _path(self, name: str) -> Path:
        """Where a file lies: always below the folder, and never on laden's own notes."""
        if reason := problem(name):
            raise NameRefused(f"'{name}' cannot lie in {self._root}: its name {reason}")
        if name in HIDDEN or name.startswith(STAGING + "/"):
            raise NameRefused(f"'{name}' is where a folder keeps laden's own notes")
        return self._root / name


class Part:
    """A large file on its way: written in its order, and hashed as it is written."""

    def __init__(self, path: Path, name: str, size_bytes: int, full: Callable[[OSError], UsageError]) -> None:
        """Open it; raises `OSError`, and `StoreError` where another process writes it."""
        self.path = path
        self.name = name
        self._full = full
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        try:
            if fcntl:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StoreError(f"{name} is being fetched by another laden: wait for it, and run again") from None
        self.forget(os.fstat(self._file).st_size > size_bytes)
        self._recall()

    def forget(self, wrong: bool = True) -> None:
        """Begin anew, where what is there is wrong."""
        if wrong:
            os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.at_bytes = 0
        self.crc32 = 0
        self._md5 = hashlib.md5(usedforsecurity=False)

    def _recall(self) -> None:
        """Hash what an earlier run left."""
        while data := os.read(self._file, _READ_BYTES):
            self._hash(data)

    def _hash(self, data: bytes) -> None:
        self._md5.update(data)
        self.crc32 = crc32(data, self.crc32)
        self.at_bytes += len(data)

    def add(self, data: bytes) -> None:
        """The next bytes. Raises `UsageError` where the disk takes no more."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            raise self._full(error) from None
        self._hash(data)

    @property
    def md5(self) -> bytes:
        """Of all that is written."""
        return self._md5.digest()

    def finish(self) -> Version:
        """Close it, with a time of its own."""
        self.close()
        return _stamped(self.path, self.name)

    def close(self) -> None:
        """Let go of it; what was written stays for the next run."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _stamped(path: Path, name: str) -> Version:
    """Give a file a time as fine as the file system keeps it: its own clock may tick every few milliseconds only."""
    os.utime(path, ns=(time.time_ns(),) * 2)
    status = path.stat()
    return Version(name, status.st_size, status.st_mtime_ns)
