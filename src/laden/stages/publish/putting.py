"""Puts documents into a store: only what is not there with these bytes, and nothing over what laden did not put there.

A document of laden's is replaced only in the version that the last listing showed: what another run landed since then
is not known here, and raises `Overtaken`. Whoever catches it looks again (`renew`) and puts anew.

What to put, and what to remove, is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from io import BufferedIOBase
from typing import NamedTuple

from laden.relations import Relations
from laden.stages.loadpage import LOAD, Document
from laden.stages.manifest import MANIFEST
from laden.stages.metadata import is_document, of_document
from laden.store import CREATE_ONLY, Properties, Store, block_id, content_type, digest
from laden.values.errors import AccessDenied, BlobConflict, BlobMissing, BlobProtected, Overtaken
from laden.values.records import Blob, Finding, Severity

_BLOCK_BYTES = 32 << 20
_SINGLE_PUT_BYTES = 256 << 20

STATE = (LOAD, MANIFEST)
"""Documents from which a run knows what earlier ones landed."""


class _Listed(NamedTuple):
    md5: str
    """Hexadecimal; empty where the service has none."""
    etag: str
    """Empty of what was put since."""


_NOTHING = _Listed("", "")


class Putting:
    """Documents of one destination, as the last listing shows them."""

    def __init__(
        self,
        store: Store,
        relations: Relations,
        *,
        replace_other: bool,
        earlier: Sequence[Document] = (),
        absent: Sequence[Document] = (),
    ) -> None:
        """Know what is there.

        Args:
            store: where documents go.
            relations: with the last listing.
            replace_other: whether a document that laden did not write is replaced.
            earlier: what earlier loads landed.
            absent: what a load that is copied here lost: it is named on, so that it is told here too.
        """
        self._store = store
        self._relations = relations
        self._replace_other = replace_other
        self.changed = False
        """Whether anything was stored or removed."""
        self._own: dict[str, bytes] = {}
        """MD5s of what was put here."""
        self._absent = absent
        self.renew(earlier, {name: etag for name, (_, etag) in self._listed(*STATE).items()})

    def renew(self, earlier: Sequence[Document], etags: Mapping[str, str]) -> None:
        """Know what is there by now.

        Args:
            earlier: what the page names.
            etags: of page and manifest when they were read; empty where there is none.
        """
        self._earlier = {document.name: document for document in (*self._absent, *earlier)}
        self._read_etags = dict(etags)

    @property
    def overtaken(self) -> bool:
        """Whether the last listing shows a page or manifest that is neither what was read nor what was put here."""
        listed = self._listed(*STATE)
        return any(
            listed.get(name, _NOTHING).etag != self._read_etags.get(name, "")
            and (name not in self._own or listed.get(name, _NOTHING).md5 != self._own[name].hex())
            for name in STATE
        )

    async def put(self, name: str, file: BufferedIOBase, *, anew: bool = False) -> Document:
        """Store a document unless the same bytes are there.

        Args:
            name: of the blob.
            file: with its content.
            anew: whether it is stored although the same bytes are there, so that its version is another one.

        Raises:
            BlobConflict: somebody else's blob is there.
            Overtaken: another version of laden's is there than the last listing shows.
        """
        md5 = md5_of(file)
        size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        listed = self._listed(name).get(name)
        document = Document(name, size_bytes, md5.hex())
        if not anew and listed is not None and listed.md5 == md5.hex() and await self._holds(name, md5):
            return document
        may_replace = listed is not None and (
            self._replace_other or name.startswith("_laden/") or await self.is_ours(name)
        )
        self.changed = True
        properties = Properties(md5, content_type(name), of_document(md5))
        try:
            etag = listed.etag if listed is not None and may_replace else CREATE_ONLY
            await self._send(name, file, size_bytes, properties, etag)
        except BlobConflict as error:
            # Our own put whose answer was lost, or another load that was sooner: equal bytes are as good as ours.
            there = await self._there(name)
            if not await self._is_same(there, md5):
                if isinstance(error, BlobProtected) or not is_document(there):
                    raise
                if listed is not None and listed.etag:
                    raise Overtaken(name) from None
                await self._send_over(there, file, size_bytes, properties)
        self._own[name] = md5
        self._relations.run("UPDATE blobs SET md5 = ?, etag = '' WHERE name = ?", [md5.hex(), name])
        return document

    async def _send_over(self, there: Blob, file: BufferedIOBase, size_bytes: int, properties: Properties) -> None:
        """Replace our own version, put since the last listing; raises `Overtaken` for another run's."""
        if there.md5 is None or there.md5 != self._own.get(there.name):
            raise Overtaken(there.name)
        file.seek(0)
        try:
            await self._send(there.name, file, size_bytes, properties, there.etag)
        except BlobConflict:
            if (await self._there(there.name)).md5 != properties.md5:
                raise Overtaken(there.name) from None

    async def _there(self, name: str) -> Blob:
        try:
            return await self._store.head(name)
        except BlobMissing:
            raise Overtaken(name) from None

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
        listed = self._listed(name).get(name)
        return None if listed is None else listed.md5

    def _listed(self, *names: str) -> dict[str, _Listed]:
        """What the last listing shows of blobs; nothing of those that it does not."""
        wanted = ", ".join("?" * len(names))
        query = f"SELECT name, coalesce(md5, ''), coalesce(etag, '') FROM blobs WHERE name IN ({wanted})"  # noqa: S608
        return {name: _Listed(*rest) for name, *rest in self._relations.stream(query, names)}

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
