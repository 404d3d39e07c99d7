"""A folder of this machine as the place where proved files come to lie.

It keeps the promises of a folder as a destination (`folder`): a file is written aside, as `_laden/staging/*.part`, and
gets its name when it is whole and proved, so that nobody ever reads part of one; what it was is noted in the journal.
The journal also tells whose a file is: one that lies there with the very length and time that laden noted was put there
by laden, and not touched since. Only such a file gives way to another version; everything else stays as it is.

Large files are written in their order, hashed as they come. What a killed run left of one is hashed again and built
upon: whether it was right, the MD5 of the whole tells. Nothing is decided here about what is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from isal.isal_zlib import crc32

from laden.store import Data
from laden.store.disk import hashed, is_at, linked, refuse_links, writing
from laden.store.folder import HIDDEN, STAGING, FolderStore
from laden.store.journal import Journal, Lines, Told, Version
from laden.values.errors import BlobConflict, NameRefused, StoreError, UsageError
from laden.values.names import problem
from laden.values.room import disk_full, is_full

if TYPE_CHECKING:
    from hashlib import _Hash

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SMALL = "put-"
"""Before the names of what no later run goes on with: small files, and those without an MD5."""
_SMALL_LIFE_S = 3600
_READ_BYTES = 1 << 20
_PIECE_BYTES = 512 << 10


class Standing(NamedTuple):
    """What lies at a place already."""

    same: bool
    """Whether it is what is wanted, by its bytes."""
    own: Version | None
    """The version of what is not the same, where laden put it there and nobody changed it since."""


class Brought(NamedTuple):
    """A file as it came."""

    name: str
    data: Data
    own: Version | None
    """The version that it may replace; None where nothing may be there."""


class Placed(NamedTuple):
    """What became of it."""

    md5: bytes
    wrong: str = ""
    """What is wrong with its bytes, of which nothing is left then."""
    error: StoreError | UsageError | None = None
    """Why it did not get its place, where its bytes are right; a `UsageError` where no other will: the disk is full, or
    cannot be written to at all."""


IsSame = Callable[[Path, int], bool]
"""Whether a file of that length is what is wanted, by its bytes. Raises `OSError`."""


def is_that(size_bytes: int, md5: bytes | None) -> IsSame:
    """Whether a file has that length and that MD5; never, where nobody knows that."""
    return lambda path, there_bytes: there_bytes == size_bytes and md5 is not None and hashed(path) == md5


Judge = Callable[[int, int, bytes, int], str]
"""What is wrong with the n-th file, given its length, MD5 and CRC-32; empty where nothing is."""


class Intake:
    """A folder that takes files in. Its methods block: call them from threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        """Where it is."""
        self._journal = Journal(root)
        self._lock = threading.Lock()
        self._sound: set[Path] = set()
        """Folders that are there and to which no link leads."""
        self._told = Lines()

    async def prepare(self) -> None:
        """Make the folder where it is absent, and see what laden noted there before.

        Raises:
            NameRefused: a link lies in the journal's place.
            StoreError: it can be neither made nor read.
        """
        folder = FolderStore(self.root)
        await folder.create()
        self._journal.refuse_link()
        await asyncio.to_thread(self._sweep)
        try:
            self._told = self._journal.read()
        except OSError as error:
            raise StoreError(f"{self.root} cannot be read: {error.strerror}") from None

    def examine(self, name: str, is_same: IsSame) -> Standing | None:
        """What lies at a place, and whether it is what is wanted; None where nothing does.

        It is laden's own only where its length, its time and its bytes are those that laden noted: somebody may have
        changed it and given it its time back, or a disk may have.

        Raises:
            NameRefused: no file can lie there.
            StoreError: what lies there cannot be read.
        """
        path = self._path(name)
        try:
            status = path.stat()
            if path.is_dir():
                raise NameRefused(f"{path} cannot be written: a folder lies there")
            if is_same(path, status.st_size):
                return Standing(same=True, own=None)
            version = Version(name, status.st_size, status.st_mtime_ns)
            noted = self._told.of_version(version)
            own = noted is not None and hashed(path) == noted.md5
        except FileNotFoundError:
            return None
        except OSError as error:
            kind = NameRefused if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP) else StoreError
            raise kind(f"{path} cannot be read: {error.strerror}") from None
        return Standing(same=False, own=version if own else None)

    def put(self, files: Sequence[Brought], judge: Judge) -> list[Placed]:
        """Give files their places, each on its own, where they prove right; of none that got none is anything left.

        Raises:
            UsageError: not even what lies there can be noted.
        """
        staged: list[_Staged | Placed] = []
        for number, one in enumerate(files):
            try:
                staged.append(self._staged(number, one, judge))
            except UsageError as error:
                # What came before it has room, and gets its place.
                staged += [Placed(b"", "", error)] * (len(files) - number)
                break
        try:
            self._note([(found.version, Told(found.md5, {})) for found in staged if isinstance(found, _Staged)])
        except UsageError:
            for found in staged:
                if isinstance(found, _Staged):
                    found.path.unlink(missing_ok=True)
            raise
        return [
            found if isinstance(found, Placed) else Placed(found.md5, "", self._named(found.path, one.name, one.own))
            for one, found in zip(files, staged, strict=True)
        ]

    def part(self, name: str, size_bytes: int, md5: bytes | None) -> Part:
        """A large file on its way, with what an earlier run left of it. Raises `StoreError`, `UsageError`."""
        self._path(name)
        key = hashlib.sha256(f"{name}\0{size_bytes}\0{md5.hex()}".encode()).hexdigest() if md5 else ""
        path = self._staging() / (f"get-{key[:32]}.part" if md5 else f"{_SMALL}{uuid.uuid4().hex}.part")
        with writing(path):
            return Part(path, name, size_bytes, self._full, stays=md5 is not None)

    def place(self, part: Part, md5: bytes, own: Version | None) -> StoreError | None:
        """Give a large file that is proved its place; what is wrong with it, or None. Raises `UsageError`."""
        version = part.finish()
        self._note([(version, Told(md5, {}))])
        error = self._named(part.path, part.name, own)
        # Not before: whoever had it then would have the file that has its place now.
        part.close()
        return error

    def _sweep(self) -> None:
        """Remove what killed runs left and nobody writes any more."""
        for left in (self.root / STAGING).glob(f"{_SMALL}*"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < time.time() - _SMALL_LIFE_S:
                    left.unlink()

    def _staged(self, number: int, one: Brought, judge: Judge) -> _Staged | Placed:
        """Write a file aside, hashed as it is written: a piece is read from memory once."""
        try:
            self._path(one.name)
            path = self._staging() / f"{_SMALL}{uuid.uuid4().hex}.part"
            try:
                with path.open("xb", buffering=0) as file:
                    md5, sum_ = _written(file.fileno(), one.data, hashlib.md5(usedforsecurity=False), 0)
                version = _stamped(path, one.name)
            except OSError:
                path.unlink(missing_ok=True)
                raise
            if wrong := judge(number, len(one.data), md5.digest(), sum_):
                path.unlink()
                return Placed(md5.digest(), wrong)
            return _Staged(path, version, md5.digest())
        except OSError as error:
            raise self._full(error) from None
        except StoreError as error:
            return Placed(b"", "", error)

    def _named(self, staged: Path, name: str, own: Version | None) -> StoreError | None:
        """Move a file to its place: only where nothing is, or that very version of laden's own."""
        target = self.root / name
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
        refuse_links(self.root, target)
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        self._sound.add(target.parent)

    def _staging(self) -> Path:
        folder = self.root / STAGING
        self._make_folder(folder / "x")
        return folder

    def _note(self, notes: list[tuple[Version, Told]]) -> None:
        if notes:
            try:
                self._journal.append_all(notes)
            except OSError as error:
                raise self._full(error) from None

    def _full(self, error: OSError) -> UsageError:
        if is_full(error):
            return disk_full(self.root)
        return UsageError(
            f"the folder {self.root} cannot be written to ({error.strerror}): name another, and run again"
        )

    def _path(self, name: str) -> Path:
        """Where a file lies: always below the folder, and never on laden's own notes."""
        if reason := problem(name):
            raise NameRefused(f"'{name}' cannot lie in {self.root}: its name {reason}")
        if name in HIDDEN or name.startswith(STAGING + "/"):
            raise NameRefused(f"'{name}' is where a folder keeps laden's own notes")
        return self.root / name


class _Staged(NamedTuple):
    """A file that is right, and has no name yet."""

    path: Path
    version: Version
    md5: bytes


class Part:
    """A large file on its way: written in its order, and hashed as it is written."""

    def __init__(
        self, path: Path, name: str, size_bytes: int, full: Callable[[OSError], UsageError], *, stays: bool
    ) -> None:
        """Open it; raises `OSError`, and `StoreError` where another process writes it.

        Args:
            path: of what is written, beside all others.
            name: that it will have.
            size_bytes: how long it will be.
            full: makes the error where the disk takes no more.
            stays: whether a later run goes on with it: nobody knows of what has no MD5 whether it is the same.
        """
        self.path = path
        self.name = name
        self._full = full
        self._stays = stays
        self._file = _held(path, name)
        self.forget(os.fstat(self._file).st_size > size_bytes)
        self._recall()

    def cut(self, at_bytes: int) -> None:
        """Take off what comes after so many bytes, and hash the rest again, unless there is nothing to take off."""
        if at_bytes != self.at_bytes:
            os.ftruncate(self._file, at_bytes)
            self.forget(wrong=False)
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

    def add(self, data: Data) -> None:
        """The next bytes. Raises `UsageError` where the disk takes no more."""
        try:
            self._md5, self.crc32 = _written(self._file, data, self._md5, self.crc32)
        except OSError as error:
            raise self._full(error) from None
        self.at_bytes += len(data)

    @property
    def md5(self) -> bytes:
        """Of all that is written."""
        return self._md5.digest()

    def finish(self) -> Version:
        """Give it a time of its own; nothing is added any more. It is held until it is closed, where the system can."""
        if os.name == "nt":
            self._let_go()
        return _stamped(self.path, self.name)

    def close(self) -> None:
        """Let go of it; what was written stays for the next run, where that can use it."""
        self._let_go()
        if not self._stays:
            self.path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _held(path: Path, name: str) -> int:
    """A descriptor of a file that no other process has; raises `OSError`, and `StoreError` where one has it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise StoreError(f"{name} is being fetched by another laden: wait for it, and run again") from None
        if is_at(file, path):
            return file
        # Between opening and locking, another laden gave it its place: it is nobody's to write any more.
        os.close(file)


def _written(descriptor: int, data: Data, md5: _Hash, sum_: int) -> tuple[_Hash, int]:
    """Hash and write bytes, a piece at a time, which stays in the processor's cache for all three. Raises `OSError`."""
    view = memoryview(data)
    for start in range(0, len(view), _PIECE_BYTES):
        piece = view[start : start + _PIECE_BYTES]
        md5.update(piece)
        sum_ = crc32(piece, sum_)
        while piece:
            piece = piece[os.write(descriptor, piece) :]
    return md5, sum_


def _stamped(path: Path, name: str) -> Version:
    """Give a file a time as fine as the file system keeps it: its own clock may tick every few milliseconds only."""
    os.utime(path, ns=(time.time_ns(),) * 2)
    status = path.stat()
    return Version(name, status.st_size, status.st_mtime_ns)
