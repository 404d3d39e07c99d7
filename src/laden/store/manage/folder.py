"""The second port of a local folder: dates are the files' own, MD5 and metadata the journal's.

A listing reads no file: of one that no line of the journal speaks of there is no MD5. A folder keeps no tiers, tags,
types, versions or snapshots, and what is deleted is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from laden.store import CREATE_ONLY, Properties, content_type
from laden.store.disk import files, reading
from laden.store.folder import HIDDEN, FolderStore
from laden.store.journal import Journal, Told, Version
from laden.store.manage import Detail, DetailPage, Undo
from laden.values.errors import BlobConflict, BlobRefused, ContainerMissing, StoreError
from laden.values.records import Blob

_NS = 1_000_000_000


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
        return blob.etag

    async def set_content_type(self, name: str, content_type: str, etag: str) -> str:
        raise BlobRefused("a folder keeps no content types: they follow from the names")

    async def close(self) -> None:
        """Nothing is held open."""

    async def _expect(self, name: str, etag: str) -> Blob:
        blob = await self._store.head(name)
        if blob.etag != etag and not blob.etag.startswith(f"{etag}-"):
            raise BlobConflict(f"{self._path / name} changed meanwhile")
        return blob

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
                etag = version.etag(line.md5 if line else b"").rstrip("-")
                blob = Blob(name, status.st_size, line.md5 if line else None, etag, line.metadata if line else {})
                details.append(Detail(blob, status.st_mtime_ns // _NS, "", content_type(name)))
        return DetailPage(details, "")
