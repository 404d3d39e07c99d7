"""A local folder with the layout and the promises of a container: the offline twin.

Blobs are files. What a file cannot say (MD5, metadata) is appended, one JSON line per blob, to
`_laden/folder.jsonl`; a line counts only while the file's size and modification time are the ones it names, so a
lost or stale line costs one read of that file and nothing else. A put writes beside its place and then links or
renames, so no reader ever sees part of a blob. Metadata of a blob whose line was lost is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from laden.errors import (
    BlobConflict,
    BlobMissing,
    ContainerMissing,
    StoreError,
    TransientStoreError,
    UsageError,
)
from laden.names import problem
from laden.records import Blob
from laden.store import CREATE_ONLY, Data, Page, Properties

_JOURNAL = "_laden/folder.jsonl"
_STAGING = "_laden/staging"


class _Line(NamedTuple):
    size_bytes: int
    mtime_ns: int
    md5: bytes
    metadata: dict[str, str]


class FolderStore:
    """A folder as a store; see `laden.store.Store` for the contract."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._staged = 0
        self._lock = threading.Lock()

    async def create(self) -> bool:
        return await asyncio.to_thread(self._create)

    async def list_page(self, marker: str = "") -> Page:
        return await asyncio.to_thread(self._list)

    async def head(self, name: str) -> Blob:
        return await asyncio.to_thread(self._head, name)

    async def get(self, name: str, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._get, name, offset, length)

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        await asyncio.to_thread(self._put, name, [data], properties, etag)

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await asyncio.to_thread(self._put_block, name, block_id, data, md5)

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await asyncio.to_thread(self._commit, name, block_ids, properties, etag)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, name)

    async def close(self) -> None:
        """Nothing is held open."""

    def _create(self) -> bool:
        if self._path.exists() and not self._path.is_dir():
            raise UsageError(f"{self._path} is a file: give a folder")
        absent = not self._path.exists()
        with _told(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
        return absent

    def _list(self) -> Page:
        if not self._path.is_dir():
            raise ContainerMissing(f"there is no folder {self._path}")
        lines = self._lines()
        with _told(self._path):
            blobs = [self._blob(name, lines.get(name)) for name in sorted(self._names(self._path))]
        return Page(blobs, "")

    def _names(self, folder: Path) -> Iterator[str]:
        with os.scandir(folder) as found:
            for item in found:
                path = Path(item.path)
                name = path.relative_to(self._path).as_posix()
                if item.is_dir(follow_symlinks=False):
                    if name != _STAGING:
                        yield from self._names(path)
                elif name != _JOURNAL:
                    yield name

    def _head(self, name: str) -> Blob:
        if not self._file(name).is_file():
            raise BlobMissing(f"there is no file {self._file(name)}")
        return self._blob(name, self._lines().get(name))

    def _blob(self, name: str, line: _Line | None) -> Blob:
        status = self._file(name).stat()
        etag = f"{status.st_size}-{status.st_mtime_ns}"
        if line and (line.size_bytes, line.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return Blob(name, status.st_size, line.md5, etag, line.metadata)
        with self._file(name).open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        return Blob(name, status.st_size, md5, etag, {})

    def _get(self, name: str, offset: int, length: int) -> bytes:
        try:
            with self._file(name).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            raise BlobMissing(f"there is no file {self._file(name)}") from None
        except OSError as error:
            raise StoreError(f"{self._file(name)} cannot be read: {error.strerror}") from None

    def _put(self, name: str, parts: Iterable[Data], properties: Properties, etag: str | None) -> None:
        if reason := problem(name):
            raise StoreError(f"'{name}' cannot be a file's name: {reason}")
        target = self._file(name)
        with _told(target):
            staged = self._write_staged(parts, properties.md5)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._place(staged, target, etag)
            finally:
                staged.unlink(missing_ok=True)
            self._note(name, target, properties)

    def _write_staged(self, parts: Iterable[Data], md5: bytes) -> Path:
        folder = self._path / _STAGING
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._staged += 1
            staged = folder / f"{os.getpid()}-{self._staged}"
        digest = hashlib.md5(usedforsecurity=False)
        with staged.open("wb") as file:
            for part in parts:
                digest.update(part)
                file.write(part)
        if digest.digest() != md5:
            staged.unlink()
            raise TransientStoreError(f"the bytes for {staged.name} changed on the way")
        return staged

    def _place(self, staged: Path, target: Path, etag: str | None) -> None:
        if etag is None:
            staged.replace(target)
        elif etag == CREATE_ONLY:
            _create_only(staged, target)
        else:
            with self._lock:
                status = target.stat() if target.exists() else None
                if status is None or f"{status.st_size}-{status.st_mtime_ns}" != etag:
                    raise BlobConflict(f"{target} changed meanwhile")
                staged.replace(target)

    def _put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        with _told(self._file(name)):
            staged = self._write_staged([data], md5)
            staged.replace(self._block(name, block_id))

    def _commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        blocks = [self._block(name, block_id) for block_id in block_ids]
        missing = [block.name for block in blocks if not block.is_file()]
        if missing:
            raise StoreError(f"blocks of {name} are not there: {', '.join(missing[:3])}")
        self._put(name, (block.read_bytes() for block in blocks), properties, etag)
        for block in blocks:
            block.unlink(missing_ok=True)

    def _block(self, name: str, block_id: str) -> Path:
        key = hashlib.sha256(f"{name}\0{block_id}".encode()).hexdigest()
        return self._path / _STAGING / f"block-{key}"

    def _delete(self, name: str) -> None:
        try:
            with _told(self._file(name)):
                self._file(name).unlink()
        except BlobMissing:
            raise BlobMissing(f"there is no file {self._file(name)}") from None

    def _file(self, name: str) -> Path:
        return self._path / name

    def _note(self, name: str, target: Path, properties: Properties) -> None:
        status = target.stat()
        fields = [name, status.st_size, status.st_mtime_ns, properties.md5.hex(), properties.metadata]
        line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        journal = os.open(self._path / _JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(journal, line)
        finally:
            os.close(journal)

    def _lines(self) -> dict[str, _Line]:
        lines: dict[str, _Line] = {}
        try:
            with (self._path / _JOURNAL).open("rb") as journal:
                for raw in journal:
                    with contextlib.suppress(ValueError, TypeError):
                        name, size_bytes, mtime_ns, md5, metadata = json.loads(raw)
                        lines[name] = _Line(size_bytes, mtime_ns, bytes.fromhex(md5), metadata)
        except FileNotFoundError:
            pass
        return lines


def _create_only(staged: Path, target: Path) -> None:
    """Give the staged file its name, only if the name is free; atomic where the file system has hard links."""
    try:
        os.link(staged, target)
    except FileExistsError:
        raise BlobConflict(f"{target} is there already") from None
    except OSError:
        if target.exists():
            raise BlobConflict(f"{target} is there already") from None
        staged.rename(target)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of the file system as sentences."""
    try:
        yield
    except FileNotFoundError:
        raise BlobMissing(f"{path} disappeared meanwhile") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None
