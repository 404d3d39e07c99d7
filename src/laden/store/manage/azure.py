"""The second port of Azure Blob Storage: one request per method, as the REST reference defines them.

Unless the caller has a way of its own to ask, reads are tried a few times where the service is busy or a connection
breaks, and what changes something is not. A condition goes along wherever the service takes one: "Set Blob Tier" and
"Set Blob Tags" take none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlsplit

from laden.store.answers import refusal
from laden.store.blob import BlobStore
from laden.store.credentials import Credential
from laden.store.destination import Destination
from laden.store.http import Answer
from laden.store.listing import Progress
from laden.store.manage import TIERS, Asking, Detail, DetailPage, Undo
from laden.store.manage.answers import details_from_xml, kept_days, tags_from_xml, tags_to_xml
from laden.store.manage.batch import CONTENT_TYPE, Part, batch_body, batch_parts
from laden.store.pages import quoted_etag
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobConflict,
    BlobMissing,
    BlobRefused,
    StoreError,
    TransientStoreError,
)
from laden.values.records import Blob

_ALL = "metadata,snapshots,versions,deleted"
_PAUSES_S = (0.5, 2.0, 5.0)
_KEPT_PROPERTIES = ("content-md5", "content-encoding", "content-language", "cache-control", "content-disposition")
"""What "Set Blob Properties" clears unless it is sent along."""
_LOOKED_AT = 10
"""Names of a page where one blob is looked for."""
_COPY_LOOKS_S = 0.5
_COPY_PATIENCE_S = 600

T = TypeVar("T")


class NotBatched(StoreError):  # noqa: N818 - named for what happened
    """The service does not do batches here."""


class AzureManage:
    """A container, or a prefix in it; see `laden.store.manage.Manage` for the contract."""

    def __init__(self, destination: Destination, credential: Credential, ask: Asking | None = None) -> None:
        self._destination = destination
        self._credential = credential
        self._store = BlobStore(destination, credential)
        self._batches = True
        self._ask: Asking = ask or _at_once
        self._read: Asking = ask or _again

    async def list_details(self, marker: str = "", *, earlier: bool = False, tags: bool = False) -> DetailPage:
        include = (_ALL if earlier else "metadata") + (",tags" if tags else "")
        return await self._read(lambda: self._listed(include, self._prefix, marker))

    async def history(self, name: str) -> list[Detail]:
        found: list[Detail] = []
        marker, progress = "", Progress()
        while True:
            page = await self._read(partial(self._listed, _ALL, self._below(name), marker))
            # A prefix is all that can be asked for: `a.png` is also the beginning of `a.png.txt`.
            found += [detail for detail in page.details if detail.blob.name == name]
            marker = page.marker
            # One name may fill pages: only the markers tell.
            progress.see(marker, None)
            if not marker or any(detail.blob.name > name for detail in page.details):
                return sorted(found, key=_age, reverse=True)

    async def read(self, state: Detail, offset: int, length: int) -> bytes:
        query = f"versionid={quote(state.version, safe='')}" if state.version and not state.current else ""
        query = f"snapshot={quote(state.snapshot, safe='')}" if state.snapshot else query
        headers = {"x-ms-range": f"bytes={offset}-{offset + max(length, 1) - 1}"}
        answer = await self._read(
            lambda: self._store.request(
                "GET", state.blob.name, (206, 416), "read", query, headers, most_bytes=max(length, 1)
            )
        )
        return b"" if answer.status == 416 else answer.body[:length]

    async def head(self, name: str) -> Blob:
        return await self._read(lambda: self._store.head(name))

    async def properties(self, name: str) -> dict[str, str]:
        answer = await self._read(lambda: self._store.request("HEAD", name, (200,), "read"))
        return {key.decode("latin-1"): value.decode("latin-1") for key, value in answer.fields}

    async def tags(self, name: str) -> dict[str, str]:
        answer = await self._read(
            lambda: self._store.request("GET", name, (200,), "read the tags of blobs", "comp=tags")
        )
        return tags_from_xml(answer.body)

    async def undo(self) -> Undo:
        days: int | None = None
        service = BlobStore(Destination(self._destination.account, self._destination.endpoint, ""), self._credential)
        try:
            answer = await service.request("GET", "", (200,), "read", "restype=service&comp=properties")
            days = kept_days(answer.body)
        except AccessEnded:
            raise
        except StoreError:
            # A container's own credential may not ask the account: then nobody is promised anything.
            pass
        finally:
            await service.close()
        return Undo(days, await self._keeps_versions())

    async def delete(self, name: str, etag: str) -> None:
        headers = {"If-Match": etag, "x-ms-delete-snapshots": "include"}
        await self._write("DELETE", name, (202,), "delete", headers=headers)

    async def undelete(self, name: str) -> None:
        history = await self.history(name)
        if any(detail.current for detail in history):
            raise BlobConflict(f"{self._destination}/{name} is there: nothing was deleted")
        earlier = [detail for detail in history if not detail.snapshot]
        if not earlier:
            raise BlobMissing(f"there is no deleted blob {self._destination}/{name}")
        if not earlier[0].version:
            await self._write("PUT", name, (200,), "write", "comp=undelete")
            return
        # Where versions are kept, the last one is copied over what is gone ("Blob versioning", Microsoft Learn).
        await self._copied(name, name, f"versionid={quote(earlier[0].version, safe='')}", {})

    async def copy(self, name: str, target: str, etag: str) -> None:
        await self._copied(name, target, "", {"x-ms-source-if-match": etag})

    async def set_tier(self, name: str, tier: str) -> None:
        if tier not in TIERS:
            raise BlobRefused(f"'{tier}' is no tier: choose one of {', '.join(TIERS)}")
        await self._write("PUT", name, (200, 202), "write", "comp=tier", {"x-ms-access-tier": tier})

    async def set_tiers(self, names: Sequence[str], tier: str) -> dict[str, StoreError]:
        if tier not in TIERS:
            raise BlobRefused(f"'{tier}' is no tier: choose one of {', '.join(TIERS)}")
        if self._batches and len(names) > 1:
            try:
                return await self._ask(lambda: self._batch(names, tier))
            except (BlobRefused, NotBatched):
                # An older service, or one that has no batches for this kind of account.
                self._batches = False
        refused: dict[str, StoreError] = {}
        for name in names:
            try:
                await self.set_tier(name, tier)
            except (BlobConflict, BlobMissing, BlobRefused) as error:
                refused[name] = error
        return refused

    async def _batch(self, names: Sequence[str], tier: str) -> dict[str, StoreError]:
        grant = await self._credential.grant()
        query = "&".join(part for part in ("comp=tier", grant.query) if part)
        targets = [f"{urlsplit(self._destination.url(name)).path}?{query}" for name in names]
        headers = {"x-ms-access-tier": tier} | ({"Authorization": grant.header} if grant.header else {})
        answer = await self._store.request(
            "POST",
            "",
            (200, 202, 500, 501),
            "write",
            "restype=container&comp=batch",
            {"Content-Type": CONTENT_TYPE},
            batch_body(targets, headers),
        )
        if answer.status >= 500:
            # Azurite does not know what an account's SAS permits here, and breaks.
            raise NotBatched("the service does not do this batch")
        try:
            parts = batch_parts(answer.headers.get("content-type", ""), answer.body)
        except (ValueError, UnicodeError):
            raise TransientStoreError("the service answered a batch with something that is not whole") from None
        return self._of_parts(names, parts, grant.query)

    def _of_parts(self, names: Sequence[str], parts: list[Part], query: str) -> dict[str, StoreError]:
        refused: dict[str, StoreError] = {}
        if sorted(part.number for part in parts) != list(range(len(names))):
            raise NotBatched("the service does not answer each request of a batch")
        for part in parts:
            if part.status not in (200, 202):
                name, kind = names[part.number], self._credential.kind
                error = refusal(part.status, part.headers, part.body, self._destination, name, "write", kind, query)
                if isinstance(error, AccessDenied | TransientStoreError):
                    # What was done is done again without harm.
                    raise error
                refused[name] = error
        return refused

    async def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        headers = {"Content-Type": "application/xml; charset=UTF-8"}
        await self._write("PUT", name, (204,), "tag", "comp=tags", headers, tags_to_xml(tags))

    async def set_metadata(self, name: str, metadata: Mapping[str, str], etag: str) -> str:
        headers = {"If-Match": etag, **{f"x-ms-meta-{key}": value for key, value in metadata.items()}}
        return _etag(await self._write("PUT", name, (200,), "write", "comp=metadata", headers))

    async def set_content_type(self, name: str, content_type: str, etag: str) -> str:
        there = {key.lower(): value for key, value in (await self.properties(name)).items()}
        kept = {f"x-ms-blob-{key}": there[key] for key in _KEPT_PROPERTIES if key in there}
        headers = {"If-Match": etag, "x-ms-blob-content-type": content_type, **kept}
        return _etag(await self._write("PUT", name, (200,), "write", "comp=properties", headers))

    async def close(self) -> None:
        await self._store.close()

    async def _write(
        self,
        method: str,
        name: str,
        expected: tuple[int, ...],
        permission: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        data: bytes = b"",
    ) -> Answer:
        """A request that changes something; arguments as `BlobStore.request`."""
        return await self._ask(lambda: self._store.request(method, name, expected, permission, query, headers, data))

    @property
    def _prefix(self) -> str:
        return f"{self._destination.prefix}/" if self._destination.prefix else ""

    def _below(self, name: str) -> str:
        return self._prefix + name

    async def _listed(self, include: str, prefix: str, marker: str, *, most: int | None = None) -> DetailPage:
        query = f"restype=container&comp=list&include={quote(include, safe='')}"
        query += f"&prefix={quote(prefix, safe='')}" if prefix else ""
        query += f"&marker={quote(marker, safe='')}" if marker else ""
        query += f"&maxresults={most}" if most else ""
        answer = await self._store.request("GET", "", (200,), "list", query)
        return details_from_xml(answer.body, len(self._prefix))

    async def _keeps_versions(self) -> bool | None:
        """Whether a blob that is there has a version's id; None where there is none to look at."""
        marker, progress = "", Progress()
        while True:
            # What comes first may be no blob: one that only says that there is the prefix, or folders.
            page = await self._read(partial(self._listed, "metadata", self._prefix, marker, most=_LOOKED_AT))
            if page.details:
                return "x-ms-version-id" in {key.lower() for key in await self.properties(page.details[0].blob.name)}
            marker = page.marker
            progress.see(marker, None)
            if not marker:
                return None

    async def _copied(self, name: str, target: str, query: str, headers: dict[str, str]) -> None:
        """Have the service copy ("Copy Blob"), and wait until it has: of large blobs it says when it begins."""
        grant = await self._credential.grant()
        address = self._destination.url(name) + "?" + "&".join(part for part in (query, grant.query) if part)
        headers = {"x-ms-copy-source": address.rstrip("?"), "If-None-Match": "*", **headers}
        answer = await self._write("PUT", target, (202,), "write", headers=headers)
        status = answer.headers.get("x-ms-copy-status", "success")
        looks = 0
        while status == "pending" and looks * _COPY_LOOKS_S < _COPY_PATIENCE_S:
            await asyncio.sleep(_COPY_LOOKS_S)
            looks += 1
            status = {key.lower(): value for key, value in (await self.properties(target)).items()}["x-ms-copy-status"]
        if status != "success":
            raise StoreError(f"the copy to {self._destination}/{target} ended as {status}: look at it, and copy again")


def _etag(answer: Answer) -> str:
    return quoted_etag(answer.headers.get("etag", ""))


def _age(detail: Detail) -> tuple[bool, str, int]:
    return detail.current, detail.version or detail.snapshot, detail.modified_s


async def _at_once(request: Callable[[], Awaitable[T]]) -> T:
    return await request()


async def _again(request: Callable[[], Awaitable[T]]) -> T:
    """A read, tried a few times."""
    for pause_s in _PAUSES_S:
        try:
            return await request()
        except TransientStoreError as error:
            await asyncio.sleep(error.retry_after_s or pause_s)
    return await request()
