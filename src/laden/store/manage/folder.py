"""The second port of a local folder: dates are the files' own, MD5 and metadata the journal's.

A listing reads no file: of one that no line of the journal speaks of there is no MD5. A folder keeps no tiers, tags,
types, versions or snapshots, and what is deleted is gone.

What a file has as ETag here ends with the time of its last change of any kind (ctime), which nobody can set: whoever
changes or deletes a file that was listed meets no other of the same length and time, as `rsync -t`, `cp -p` and
archives leave them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.store import CREATE_ONLY, Properties, content_type
from laden.store.disk import files, reading
from laden.store.folder import HIDDEN, FolderStore
from laden.store.journal import Journal, Told, Version
from laden.store.manage import Detail, DetailPage, Undo
from laden.values.errors import BlobConflict, BlobRefused, ContainerMissing, StoreError
from laden.values.records import Blob

_NS = 1_000_000_000


class _Parts(NamedTuple):
    """Of an ETag, as texts."""

    size_bytes: str
    mtime_ns: str
    md5: str
    """Of a coarse time; else empty, as where nobody knows it."""
    changed_ns: str
    """Empty in those of the store."""


def _parts(etag: str) -> _Parts:
    found = etag.split("-")
    return _Parts(*(found + [""] * 4)[:4])


class FolderManage:
    """A folder; see `laden.store.manage.Manage` for the contract."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store = FolderStore(path)
        self._journal = Journal(path)

    async def list_details(self, marker: str = "", *, earlier: bool = False, tags: bool = False) -> DetailPage:
        """The whole listing: it is one page, and nothing earlier is kept."""
        return await asyncio.to_thread(self._list)

    async def history(self, name: str) -> list[Detail]:
        return []

    async def read(self, state: Detail, offset: int, length: int) -> bytes:
        return await self._store.get(state.blob.name, offset, length)

    async def head(self, name: str) -> Blob:
        return await self._store.head(name)

    async def properties(self, name: str) -> dict[str, str]:
        blob = await self._store.head(name)
        return {
            "Content-Length": str(blob.size_bytes),
            "Content-MD5": blob.md5.hex() if blob.md5 else "",
            "ETag": blob.etag,
            **{f"x-ms-meta-{key}": value for key, value in blob.metadata.items()},
        }

    async def tags(self, name: str) -> dict[str, str]:
        return {}

    async def undo(self) -> Undo:
        return Undo(0, versions=False)

    async def delete(self, name: str, etag: str) -> None:
        await self._expect(name, etag)
        await self._store.delete(name)

    async def undelete(self, name: str) -> None:
        raise BlobRefused(f"{self._path / name} is gone: a folder keeps nothing of what was deleted")

    async def copy(self, name: str, target: str, etag: str) -> None:
        blob = await self._expect(name, etag)
        data = await self._store.get(name, 0, blob.size_bytes)
        assert blob.md5 is not None
        await self._store.put(target, data, Properties(blob.md5, content_type(target), blob.metadata), CREATE_ONLY)

    async def set_tier(self, name: str, tier: str) -> None:
        raise BlobRefused("a folder has no tiers")

    async def set_tiers(self, names: Sequence[str], tier: str) -> dict[str, StoreError]:
        raise BlobRefused("a folder has no tiers")

    async def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        raise BlobRefused("a folder has no tags")

    async def set_metadata(self, name: str, metadata: Mapping[str, str], etag: str) -> str:
        blob = await self._expect(name, etag)
        size_bytes, mtime_ns = blob.etag.split("-")[:2]
        assert blob.md5 is not None
        self._journal.append(Version(name, int(size_bytes), int(mtime_ns)), Told(blob.md5, dict(metadata)))
        # The file is what it was.
        return etag

    async def set_content_type(self, name: str, content_type: str, etag: str) -> str:
        raise BlobRefused("a folder keeps no content types: they follow from the names")

    async def close(self) -> None:
        """Nothing is held open."""

    async def _expect(self, name: str, etag: str) -> Blob:
        blob = await self._store.head(name)
        size_bytes, mtime_ns, md5, changed_ns = _parts(etag)
        now = _parts(blob.etag)
        other = now[:2] != (size_bytes, mtime_ns) or (md5 and md5 != now.md5)
        if other or (changed_ns and changed_ns != await asyncio.to_thread(self._changed_ns, name)):
            raise BlobConflict(f"{self._path / name} changed meanwhile")
        return blob

    def _changed_ns(self, name: str) -> str:
        with reading(self._path / name):
            return str((self._path / name).stat().st_ctime_ns)

    def _list(self) -> DetailPage:
        if not self._path.is_dir():
            raise ContainerMissing(f"there is no folder {self._path}: check the path")
        try:
            told = self._journal.read()
            found = sorted(files(self._path, HIDDEN))
        except OSError as error:
            raise StoreError(f"{self._path} cannot be read: {error.strerror}") from None
        details = []
        for name, path in found:
            # Another process may have deleted it since.
            with contextlib.suppress(StoreError), reading(path):
                status = path.stat()
                version = Version(name, status.st_size, status.st_mtime_ns)
                line = told.of_version(version)
                # Of a file with a coarse time, its content alone tells the version: that is looked at when it counts.
                _, _, md5, _ = _parts(version.etag(line.md5 if line else b""))
                etag = f"{version.size_bytes}-{version.mtime_ns}-{md5}-{status.st_ctime_ns}"
                blob = Blob(name, status.st_size, line.md5 if line else None, etag, line.metadata if line else {})
                details.append(Detail(blob, status.st_mtime_ns // _NS, "", content_type(name)))
        return DetailPage(details, "")
