"""What the destination holds before and after a load: its listing, and what an earlier load wrote there about itself.

The listing goes into the relation `blobs`, the earlier manifest into `known`. Nothing is decided and nothing changed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from laden.errors import BlobMissing, ContainerMissing, StoreError
from laden.manifest import LOAD, MANIFEST, Document, LoadPage, read_load_page, read_manifest
from laden.metadata import to_row
from laden.records import Blob
from laden.relations import Relations
from laden.store import Store, list_all

_PAGE_BYTES = 16 << 20
_PART_BYTES = 16 << 20


class Listing:
    """The container's listing, begun early so that a wrong address or credential is told before anything else."""

    def __init__(self, store: Store, relations: Relations) -> None:
        self._store = store
        self._relations = relations
        self._pages = list_all(store)
        self.absent = False
        """Whether there is no container yet."""

    async def begin(self) -> None:
        try:
            self._feed(await anext(self._pages))
        except ContainerMissing:
            self.absent = True

    async def finish(self) -> None:
        if not self.absent:
            async for blobs in self._pages:
                self._feed(blobs)

    async def repeat(self) -> None:
        self._relations.run("DELETE FROM blobs")
        async for blobs in list_all(self._store):
            self._feed(blobs)

    def _feed(self, blobs: list[Blob]) -> None:
        self._relations.feed("blobs", map(to_row, blobs))


async def read_page(store: Store, relations: Relations) -> LoadPage | None:
    """The page about an earlier load, or None. Raises `StoreError` where it cannot be read."""
    return read_load_page(await store.get(LOAD, 0, _PAGE_BYTES)) if is_listed(relations, LOAD) else None


async def read_documents(store: Store, relations: Relations) -> tuple[Document, ...]:
    """Documents of earlier loads, as the page about the last one says; a page that is none will be made anew."""
    if not is_listed(relations, LOAD):
        return ()
    try:
        data = await store.get(LOAD, 0, _PAGE_BYTES)
    except BlobMissing:
        return ()
    try:
        return read_load_page(data).documents
    except StoreError:
        return ()


async def read_known(store: Store, relations: Relations) -> bool:
    """Bring the manifest of an earlier load into the relation `known`; False if there is none."""
    if not is_listed(relations, MANIFEST):
        return False
    path = relations.folder / "known.parquet"
    with path.open("wb") as file:
        while part := await store.get(MANIFEST, file.tell(), _PART_BYTES):
            file.write(part)
            if len(part) < _PART_BYTES:
                break
    await _prove_manifest(store, relations, path)
    read_manifest(relations, path)
    return True


async def _prove_manifest(store: Store, relations: Relations, path: Path) -> None:
    """Hold what was read against the MD5 that the service keeps; another load may have replaced it since the listing.

    Raises:
        StoreError: the bytes are not what is stored.

    """
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
    (listed,) = relations.one("SELECT md5 FROM blobs WHERE name = ?", [MANIFEST])
    if listed not in (None, md5.hex()) and (await store.head(MANIFEST)).md5 != md5:
        raise StoreError(f"{MANIFEST} was read otherwise than it is stored: run the same command again")


def is_listed(relations: Relations, name: str) -> bool:
    """Whether the last listing shows a blob."""
    return bool(relations.one("SELECT count(*) FROM blobs WHERE name = ?", [name])[0])
