"""Azure Blob Storage over HTTP: one request per method of the port, as the REST reference defines them.

Order of a request: the grant of the moment, headers, one round trip, the answer mapped to a value or to an error
(`answers`). Requests that change something are never repeated here, but for those that a credential which had ended
kept out; redirects are never followed. No account key is
ever sent, and no container is ever created public. Proxies are taken from the environment, passwords from `.netrc`
are not.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from urllib.parse import quote, urlencode, urlsplit

from laden.store import CREATE_ONLY, Data, Page, Properties
from laden.store.answers import blob_from_headers, page_from_xml, refusal, uncommitted_from_xml
from laden.store.cap import Throttle
from laden.store.credentials import Credential, Grant
from laden.store.denial import service_time
from laden.store.destination import Destination, quoted
from laden.store.http import Answer, HttpClient, HttpError, Trouble
from laden.store.listing import StartFrom
from laden.store.trouble import LASTING, SENTENCES
from laden.values.errors import AccessDenied, AccessEnded, BlobConflict, StoreError, TransientStoreError
from laden.values.records import Blob

API_VERSION = "2023-11-03"
"""`x-ms-version`; old enough for every cloud and emulator, new enough for Put Blob of 5,000 MiB (2019-12-12)."""

_START_FROM_VERSION = "2026-02-06"
"""The first that knows `startFrom` in "List Blobs"."""

_MOST_ANSWER_BYTES = 64 << 20
"""A listing page of 5,000 names of 1,024 characters with metadata stays below a quarter of this."""

_MOST_GRANTS = 3
"""Credentials that one request is tried with, where the service does not accept them."""


class BlobStore:
    """A container, or a prefix in it. Needs a running event loop; see `laden.store.Store` for the contract."""

    def __init__(
        self,
        destination: Destination,
        credential: Credential,
        throttle: Throttle | None = None,
        on_silence: Callable[[float], None] | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            destination: where it is.
            credential: what requests are sent with.
            throttle: says when connections may write; None for no cap.
            on_silence: as `HttpClient`.

        Raises:
            UsageError: the environment names a proxy that cannot be used.
        """
        self._destination = destination
        self._credential = credential
        self._client = HttpClient(destination.endpoint, throttle, on_silence)
        self._blob_path = urlsplit(destination.url()).path + "/"
        self._container_path = f"{urlsplit(destination.endpoint).path}/{destination.container}"

    async def create(self) -> bool:
        try:
            await self.request("PUT", "", (201,), "create", "restype=container")
        except BlobConflict:
            return False
        return True

    async def list_page(self, marker: str = "") -> Page:
        prefix = self._destination.prefix
        query = "restype=container&comp=list&include=metadata"
        if prefix:
            query += f"&prefix={quote(prefix + '/', safe='')}"
        if marker:
            query += f"&marker={quote(marker, safe='')}"
        headers = {}
        if isinstance(marker, StartFrom):
            start = f"{prefix}/{marker.name}" if prefix else marker.name
            query += f"&startFrom={quote(start, safe='')}"
            headers["x-ms-version"] = _START_FROM_VERSION
        answer = await self.request("GET", "", (200,), "list", query, headers)
        page = page_from_xml(answer.body, prefix=f"{prefix}/" if prefix else "")
        return Page(page.blobs, StartFrom(marker.name, page.marker)) if isinstance(marker, StartFrom) else page

    async def head(self, name: str) -> Blob:
        answer = await self.request("HEAD", name, (200,), "read")
        return blob_from_headers(name, answer.headers)

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        headers = {"x-ms-range": f"bytes={offset}-{offset + max(length, 1) - 1}", **_condition(etag)}
        answer = await self.request("GET", name, (206, 416), "read", headers=headers, most_bytes=length)
        return b"" if answer.status == 416 else answer.body[:length]

    async def read_into(self, name: str, offset: int, room: memoryview, etag: str | None = None) -> int:
        headers = {"x-ms-range": f"bytes={offset}-{offset + max(len(room), 1) - 1}", **_condition(etag)}
        answer = await self.request("GET", name, (206, 416), "read", headers=headers, into=room)
        return 0 if answer.status == 416 else answer.filled_bytes

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "Content-MD5": _base64(properties.md5),
            "x-ms-blob-content-type": properties.content_type,
            **beside(properties),
            **_condition(etag),
        }
        await self.request("PUT", name, (201,), "write", headers=headers, data=data)

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        query = f"comp=block&blockid={quote(_base64(block_id.encode()), safe='')}"
        await self.request("PUT", name, (201,), "write", query, {"Content-MD5": _base64(md5)}, data)

    async def staged(self, name: str) -> dict[str, int]:
        try:
            answer = await self.request("GET", name, (200, 404), "read", "comp=blocklist&blocklisttype=uncommitted")
        except AccessEnded:
            raise
        except AccessDenied:
            # A credential that may write and not read can do without: it stages everything anew.
            return {}
        return uncommitted_from_xml(answer.body) if answer.status == 200 else {}

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        latest = "".join(f"<Latest>{_base64(block_id.encode())}</Latest>" for block_id in block_ids)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{latest}</BlockList>'.encode()
        headers = {
            "Content-MD5": _base64(hashlib.md5(body, usedforsecurity=False).digest()),
            "x-ms-blob-content-md5": _base64(properties.md5),
            "x-ms-blob-content-type": properties.content_type,
            **beside(properties),
            **_condition(etag),
        }
        await self.request("PUT", name, (201,), "write", "comp=blocklist", headers, body)

    async def delete(self, name: str) -> None:
        await self.request("DELETE", name, (202,), "delete")

    async def close(self) -> None:
        await self._client.close()

    async def request(
        self,
        method: str,
        name: str,
        expected: tuple[int, ...],
        permission: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        data: Data = b"",
        *,
        most_bytes: int | None = None,
        into: memoryview | None = None,
    ) -> Answer:
        """One round trip, also for what the port does not offer; again where a credential ended and there is another.

        Args:
            method: of the request.
            name: of the blob; empty for the container.
            expected: statuses that are no refusal.
            permission: what the service must grant, for the error that says so.
            query: further parameters, percent-encoded.
            headers: further headers.
            data: the body.
            most_bytes: the answer's body at most; None for a listing's.
            into: takes the body of the first of the expected answers.

        Raises:
            StoreError: any other status, or no answer.
        """
        path = self._blob_path + quoted(name) if name else self._container_path
        bound_bytes = _MOST_ANSWER_BYTES if most_bytes is None else max(most_bytes, 1 << 16)
        for attempt in range(1, _MOST_GRANTS + 1):
            grant = await self._credential.grant()
            sent = {"x-ms-version": API_VERSION, **(headers or {})}
            if grant.header:
                sent["Authorization"] = grant.header
            target = f"{path}?" + "&".join(part for part in (query, grant.query) if part)
            try:
                only = expected[0] if into is not None else None
                answer = await self._client.request(
                    method, target, sent, data, most_bytes=bound_bytes, only=only, into=into
                )
            except HttpError as trouble:
                raise self._unreachable(trouble) from None
            if answer.status in expected:
                self._credential.accepted(grant)
                return answer
            error = self._refusal(answer, name, permission, grant)
            if not isinstance(error, AccessEnded):
                raise error
            date = service_time(answer.headers)
            await self._credential.replace(
                grant, error, again=attempt < _MOST_GRANTS, service_s=date.timestamp() if date else None
            )
        raise AssertionError("the last refusal raises")

    def _refusal(self, answer: Answer, name: str, permission: str, grant: Grant) -> StoreError:
        return refusal(
            answer.status,
            answer.headers,
            answer.body,
            self._destination,
            name,
            permission,
            self._credential.kind,
            grant.query,
        )

    def _unreachable(self, error: HttpError) -> StoreError:
        """A sentence for a failure below HTTP."""
        sentence = SENTENCES[error.trouble].format(
            host=urlsplit(self._destination.endpoint).netloc,
            proxy=self._client.proxy_setting,
            detail=error.detail,
        )
        if error.trouble in LASTING:
            return StoreError(sentence)
        retry_after_s = 0.0 if error.trouble is Trouble.STALE else None
        return TransientStoreError(sentence, retry_after_s, throttled=error.throttled)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def beside(properties: Properties) -> dict[str, str]:
    """What is stored beside content and type."""
    headers = {f"x-ms-meta-{name}": value for name, value in properties.metadata.items()}
    if properties.tier:
        headers["x-ms-access-tier"] = properties.tier
    if properties.tags:
        headers["x-ms-tags"] = urlencode(properties.tags)
    return headers


def _condition(etag: str | None) -> dict[str, str]:
    if etag is None:
        return {}
    return {"If-None-Match": "*"} if etag == CREATE_ONLY else {"If-Match": etag}
