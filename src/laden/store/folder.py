"""A local folder with the layout and the promises of a container: the offline twin.

Blobs are files. A put writes beside its place, notes in the `journal` what a file cannot say (MD5, metadata), and then
links or renames, so no reader ever sees part of a blob. A file of whose time no line speaks (somebody else's, changed
since, all of a folder that was copied, every one where times are coarse) is read for its MD5 whenever it is listed;
where a line of its name has that MD5, it is the file of that line, else it has no metadata. Links to folders are
followed where it is read, and refused where it is written.

What it cannot keep of a container: a name that the file system refuses, `a` and `a/b` side by side, content types.
Replacing one version among several processes is guarded by a file lock, which Windows lacks. Nothing is flushed to
the disk (fsync): files of the last seconds before a power cut may be lost.
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
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, TypeVar

from laden.store import CREATE_ONLY, Data, Page, Properties
from laden.store.disk import files, hashed, linked, reading, refuse_links, refuse_odd, regular, writing
from laden.store.journal import JOURNAL, Journal, Lines, Told, Version
from laden.values.errors import (
    BlobConflict,
    BlobMissing,
    ContainerMissing,
    NameRefused,
    StoreError,
    TransientStoreError,
    UsageError,
)
from laden.values.names import problem
from laden.values.records import Blob

T = TypeVar("T")

STAGING = "_laden/staging"
"""Where files lie until they have their names."""
HIDDEN = frozenset({JOURNAL, STAGING})
"""Where the folder keeps its own notes."""
_STAGED_LIFE_S = 7 * 24 * 3600
"""As long as the service keeps uncommitted blocks ("Put Block", Remarks)."""
_SMALL_BYTES = 256 << 10
"""Up to so many are written in less time than it takes to hand them to a thread."""
_AT_ONCE = 32
"""Small ones that are written in one turn."""
_SLOW_S = 0.003
"""For a small one: where they take longer it is the disk that is waited for, a network's say, and waiting in parallel
helps."""
_MOST_WRITING = 8


class _Small(NamedTuple):
    """A put that waits for a thread's turn."""

    name: str
    data: Data
    properties: Properties
    etag: str | None
    done: asyncio.Future[None]


class FolderStore:
    """A folder as a store; see `laden.store.Store` for the contract."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal = Journal(path)
        self._lock = threading.Lock()
        self._small: deque[_Small] = deque()
        self._writing: set[asyncio.Future[list[Exception | None]]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._most_writing = 1

    async def create(self) -> bool:
        return await asyncio.to_thread(self._create)

    async def list_page(self, marker: str = "") -> Page:
        """The whole listing: it is one page."""
        return await asyncio.to_thread(self._list)

    async def head(self, name: str) -> Blob:
        return await asyncio.to_thread(self._head, name)

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        return await asyncio.to_thread(self._get, name, offset, length, etag)

    async def read_into(self, name: str, offset: int, room: memoryview, etag: str | None = None) -> int:
        return await asyncio.to_thread(self._read_into, name, offset, room, etag)

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        if len(data) > _SMALL_BYTES:
            await asyncio.to_thread(self._put, name, [data], properties, etag)
            return
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # What an earlier one left is never told to have ended.
            self._loop = loop
            self._writing.clear()
        done: asyncio.Future[None] = loop.create_future()
        self._small.append(_Small(name, data, properties, etag, done))
        # Soon, and not now: others that come in this moment are written in the same turn.
        loop.call_soon(self._write_on, loop)
        await done

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await asyncio.to_thread(self._put_block, name, block_id, data, md5)

    async def staged(self, name: str) -> dict[str, int]:
        return await asyncio.to_thread(self._blocks, name)

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await asyncio.to_thread(self._commit, name, block_ids, properties, etag)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, name)

    async def close(self) -> None:
        """Nothing is held open."""

    def _write_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what waits, many in one thread's turn: several threads mostly wait for each other over so little."""
        while len(self._writing) < self._most_writing and (batch := self._next_small()):
            writing = loop.run_in_executor(None, self._put_each, batch)
            self._writing.add(writing)
            writing.add_done_callback(partial(self._written, loop, batch, time.monotonic()))

    def _written(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Small],
        began_s: float,
        writing: asyncio.Future[list[Exception | None]],
    ) -> None:
        slow = time.monotonic() - began_s > _SLOW_S * len(batch)
        self._most_writing = min(self._most_writing + 1, _MOST_WRITING) if slow else max(self._most_writing - 1, 1)
        self._writing.discard(writing)
        for one, error in zip(batch, writing.result(), strict=True):
            if not one.done.done():
                one.done.set_exception(error) if error else one.done.set_result(None)
        loop.call_soon(self._write_on, loop)

    def _next_small(self) -> list[_Small]:
        batch: list[_Small] = []
        while self._small and len(batch) < _AT_ONCE:
            if not (one := self._small.popleft()).done.done():
                batch.append(one)
        return batch

    def _put_each(self, batch: list[_Small]) -> list[Exception | None]:
        errors: list[Exception | None] = []
        for one in batch:
            try:
                self._put(one.name, [one.data], one.properties, one.etag)
            except Exception as error:  # noqa: BLE001 - whoever asked for it gets it
                errors.append(error)
            else:
                errors.append(None)
        return errors

    def _create(self) -> bool:
        if self._path.exists() and not self._path.is_dir():
            raise UsageError(f"{self._path} is a file: give a folder")
        absent = not self._path.exists()
        refuse_links(self._path, self._path / STAGING / "x")
        with writing(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
        return absent

    def _list(self) -> Page:
        self._expect_folder()
        try:
            self._sweep()
            told = self._journal.read()
            odd: list[tuple[str, str]] = []
            found = sorted(files(self._path, HIDDEN, odd=odd))
        except OSError as error:
            raise StoreError(f"{self._path} cannot be read: {error.strerror}") from None
        blobs: list[Blob] = []
        for name, path in found:
            # Another process may have deleted it since.
            with contextlib.suppress(BlobMissing):
                blobs.append(_blob(name, path, told))
        return Page(blobs, "", tuple(odd))

    def _head(self, name: str) -> Blob:
        self._expect_folder()
        return _blob(name, self._file(name), self._journal.read())

    def _get(self, name: str, offset: int, length: int, etag: str | None) -> bytes:
        return self._read(name, offset, etag, lambda file: file.read(length))

    def _read_into(self, name: str, offset: int, room: memoryview, etag: str | None) -> int:
        return self._read(name, offset, etag, lambda file: file.readinto(room))

    def _read(self, name: str, offset: int, etag: str | None, read: Callable[[BufferedReader], T]) -> T:
        self._expect_folder()
        path = self._file(name)
        with reading(path), regular(path) as file:
            file.seek(offset)
            found = read(file)
            status = os.fstat(file.fileno())
        # Of a file with a coarse time only its content tells the version, and whoever asks looks at that anyway.
        if etag and etag.split("-")[:2] != [str(status.st_size), str(status.st_mtime_ns)]:
            raise BlobConflict(f"{path} changed meanwhile")
        return found

    def _put(self, name: str, parts: Iterable[Data], properties: Properties, etag: str | None) -> None:
        target = self._file(name)
        refuse_links(self._path, target)
        staged = self._staged(name, parts, properties.md5)
        try:
            with writing(target):
                status = staged.stat()
                version = Version(name, status.st_size, status.st_mtime_ns)
                self._journal.append(version, Told(properties.md5, properties.metadata))
                target.parent.mkdir(parents=True, exist_ok=True)
                self._place(staged, target, etag)
        finally:
            staged.unlink(missing_ok=True)

    def _staged(self, name: str, parts: Iterable[Data], md5: bytes) -> Path:
        """Write a file beside the others, checked, under a name of its own."""
        self._expect_folder()
        staged = self._path / STAGING / uuid.uuid4().hex
        refuse_links(self._path, staged)
        digest = hashlib.md5(usedforsecurity=False)
        with writing(self._path / name):
            staged.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("wb") as file:
                for part in parts:
                    digest.update(part)
                    file.write(part)
            # File systems stamp files with the time of the last tick, some milliseconds ago: too coarse for an etag.
            os.utime(staged, ns=(time.time_ns(),) * 2)
        if digest.digest() != md5:
            staged.unlink()
            raise TransientStoreError(f"the bytes for {self._path / name} changed on the way")
        return staged

    def _place(self, staged: Path, target: Path, etag: str | None) -> None:
        if etag == CREATE_ONLY and linked(staged, target):
            return
        with self._lock, self._journal.exclusively():
            refuse_odd(target)
            if etag is not None:
                there = _etag(target) if target.is_file() else CREATE_ONLY
                if there != etag:
                    raise BlobConflict(f"{target} is there already, or changed meanwhile")
            staged.replace(target)

    def _put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        self._file(name)
        staged = self._staged(name, [data], md5)
        with writing(staged):
            staged.replace(self._block(name, block_id))

    def _commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        self._expect_folder()
        blocks = [self._block(name, block_id) for block_id in block_ids]
        missing = [block_id for block_id, block in zip(block_ids, blocks, strict=True) if not block.is_file()]
        if missing:
            raise BlobConflict(f"the blocks staged for {self._path / name} are gone: somebody else may be writing it")
        self._put(name, (block.read_bytes() for block in blocks), properties, etag)
        for block in blocks:
            block.unlink(missing_ok=True)

    def _blocks(self, name: str) -> dict[str, int]:
        self._expect_folder()
        found = {}
        for block in (self._path / STAGING).glob(f"{_staged_as(name)}*"):
            # Another process may have committed it since.
            with contextlib.suppress(FileNotFoundError):
                found[bytes.fromhex(block.name.rpartition("-")[2]).decode()] = block.stat().st_size
        return found

    def _block(self, name: str, block_id: str) -> Path:
        return self._path / STAGING / (_staged_as(name) + block_id.encode().hex())

    def _delete(self, name: str) -> None:
        self._expect_folder()
        path = self._file(name)
        refuse_links(self._path, path)
        with reading(path):
            if path.is_dir() and not path.is_symlink():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            path.unlink()
        # Blocks that were staged for it and never committed are of no use any more.
        for block in (self._path / STAGING).glob(f"{_staged_as(name)}*"):
            block.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what puts that were killed have left behind."""
        for left in (self._path / STAGING).glob("*"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < time.time() - _STAGED_LIFE_S:
                    left.unlink()

    def _expect_folder(self) -> None:
        if not self._path.is_dir():
            raise ContainerMissing(f"there is no folder {self._path}: check the path")

    def _file(self, name: str) -> Path:
        """Where a blob lies: always below the folder, and never on the store's own files."""
        if reason := problem(name):
            raise NameRefused(f"'{name}' cannot be a blob's name: it {reason}")
        if name in HIDDEN or name.startswith(STAGING + "/"):
            raise NameRefused(f"'{name}' is where the folder keeps its own notes")
        return self._path / name


def _staged_as(name: str) -> str:
    """How the files of a blob's staged blocks begin; their ids follow."""
    return f"block-{hashlib.sha256(name.encode()).hexdigest()}-"


def _version(name: str, path: Path) -> Version:
    status = path.stat()
    return Version(name, status.st_size, status.st_mtime_ns)


def _etag(path: Path) -> str:
    version = _version("", path)
    return version.etag(hashed(path) if version.is_coarse else b"")


def _blob(name: str, path: Path, told: Lines) -> Blob:
    with reading(path):
        if path.is_dir():
            raise BlobMissing(f"there is no file {path}")
        version = _version(name, path)
        if line := told.of_version(version):
            return Blob(name, version.size_bytes, line.md5, version.etag(line.md5), line.metadata)
        md5 = hashed(path)
    line = told.of_content(version, md5)
    return Blob(name, version.size_bytes, md5, version.etag(md5), line.metadata if line else {})
