"""Puts documents into a store: only what is not there with these bytes, and nothing over what laden did not put there.

What to put, and what to remove, is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from io import BufferedIOBase

from laden.relations import Relations
from laden.stages.loadpage import Document
from laden.stages.metadata import is_document, of_document
from laden.store import CREATE_ONLY, Properties, Store, block_id, content_type, digest
from laden.values.errors import AccessDenied, BlobConflict, BlobMissing
from laden.values.records import Blob, Finding, Severity

_BLOCK_BYTES = 32 << 20
_SINGLE_PUT_BYTES = 256 << 20


class Putting:
    """Documents of one destination, as the last listing shows them."""

    def __init__(
        self, store: Store, relations: Relations, *, replace_other: bool, earlier: Sequence[Document] = ()
    ) -> None:
        """Know what is there.

        Args:
            store: where documents go.
            relations: with the last listing.
            replace_other: whether a document that laden did not write is replaced.
            earlier: what earlier loads landed.
        """
        self._store = store
        self._relations = relations
        self._replace_other = replace_other
        self._earlier = {document.name: document for document in earlier}
        self.changed = False
        """Whether anything was stored or removed."""

    async def put(self, name: str, file: BufferedIOBase) -> Document:
        """Store a document unless the same bytes are there. Raises `BlobConflict` for somebody else's blob."""
        md5 = md5_of(file)
        size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        listed = self.listed_md5(name)
        document = Document(name, size_bytes, md5.hex())
        if listed == md5.hex() and await self._holds(name, md5):
            return document
        may_replace = listed is not None and (
            self._replace_other or name.startswith("_laden/") or await self.is_ours(name)
        )
        etag = None if may_replace else CREATE_ONLY
        self.changed = True
        properties = Properties(md5, content_type(name), of_document(md5))
        try:
            await self._send(name, file, size_bytes, properties, etag)
        except BlobConflict:
            # Our own put whose answer was lost, or another load that was sooner: equal bytes are as good as ours.
            there = await self._store.head(name)
            if not await self._is_same(there, md5):
                if not is_document(there):
                    raise
                file.seek(0)
                await self._send(name, file, size_bytes, properties, there.etag)
        self._relations.run("UPDATE blobs SET md5 = ? WHERE name = ?", [md5.hex(), name])
        return document

    async def _holds(self, name: str, md5: bytes) -> bool:
        """Whether a blob that is listed with this MD5 has it: what laden did not put there is read back."""
        earlier = self._earlier.get(name)
        if name.startswith("_laden/") or (earlier is not None and earlier.md5 == md5.hex()):
            return True
        try:
            return await self._is_same(await self._store.head(name), md5)
        except BlobMissing:
            return False

    async def _is_same(self, there: Blob, md5: bytes) -> bool:
        if there.md5 != md5:
            return False
        return is_document(there) or (await digest(self._store, there.name, there.size_bytes))[1] == md5

    async def _send(
        self, name: str, file: BufferedIOBase, size_bytes: int, properties: Properties, etag: str | None
    ) -> None:
        if size_bytes <= _SINGLE_PUT_BYTES:
            await self._store.put(name, file.read(), properties, etag)
            return
        block_ids: list[str] = []
        while block := file.read(_BLOCK_BYTES):
            md5 = hashlib.md5(block, usedforsecurity=False).digest()
            block_ids.append(block_id(len(block_ids), md5))
            await self._store.put_block(name, block_ids[-1], block, md5)
        await self._store.commit(name, block_ids, properties, etag)

    def listed_md5(self, name: str) -> str | None:
        """MD5 of a blob in the last listing, empty where it has none; None if it is not listed."""
        listed = list(self._relations.stream("SELECT coalesce(md5, '') FROM blobs WHERE name = ?", [name]))
        return listed[0][0] if listed else None

    async def is_ours(self, name: str) -> bool:
        """Whether laden put it there as a document."""
        try:
            return is_document(await self._store.head(name))
        except BlobMissing:
            return False

    async def remove(self, name: str) -> list[Finding]:
        """Remove the table that does not apply any more, if it is laden's."""
        if self.listed_md5(name) is None or not await self.is_ours(name):
            return []
        self.changed = True
        try:
            await self._store.delete(name)
        except BlobMissing:
            return []
        except AccessDenied:
            reason = "an earlier load's table is still there, and the credential may not delete it: remove it by hand"
            return [Finding("table-stale", Severity.WARNING, reason, blob=name)]
        return []


def md5_of(file: BufferedIOBase) -> bytes:
    """Of all of a file, which is at its start before and after."""
    md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
    file.seek(0)
    return md5
