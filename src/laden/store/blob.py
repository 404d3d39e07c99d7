"""Azure Blob Storage over HTTP: one request per method of the port, as the REST reference defines them.

Order of a request: the grant of the moment, headers, one round trip, the answer mapped to a value or to an error
(`answers`). Requests are never repeated here and redirects never followed. No account key is ever sent, and no
container is ever created public.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from laden.errors import BlobConflict, StoreError, TransientStoreError
from laden.records import Blob
from laden.store import CREATE_ONLY, Data, Page, Properties
from laden.store.answers import blob_from_headers, page_from_xml, refusal
from laden.store.credentials import Credential
from laden.store.destination import Destination

API_VERSION = "2023-11-03"
"""`x-ms-version`; old enough for every cloud and emulator, new enough for Put Blob of 5,000 MiB (2019-12-12)."""

_WRITE_BYTES = 1 << 20
_MAX_ANSWER_BYTES = 64 << 20
"""A listing page of 5,000 names of 1,024 characters with metadata stays below a quarter of this."""

_CONNECT_S = 10
_READ_S = 60
_SLOWEST_BYTES_PER_S = 100_000
"""A request that moves less than this is given up and repeated on a fresh connection."""


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Body(aiohttp.Payload):
    """A buffer written in slices, without copying it and without blocking the loop."""

    def __init__(self, data: Data) -> None:
        super().__init__(data, content_type="application/octet-stream")
        self._size = len(data)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        view = memoryview(self._value)
        for start in range(0, len(view), _WRITE_BYTES):
            await writer.write(view[start : start + _WRITE_BYTES])


class BlobStore:
    """A container, or a prefix in it. Needs a running event loop; see `laden.store.Store` for the contract."""

    def __init__(self, destination: Destination, credential: Credential, *, connections: int) -> None:
        self._destination = destination
        self._credential = credential
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=300, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
            trust_env=not destination.is_local,
        )

    async def create(self) -> bool:
        try:
            await self._request("PUT", "", (201,), "create", "restype=container")
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
        answer = await self._request("GET", "", (200,), "list", query)
        return page_from_xml(answer.body, strip=len(prefix) + 1 if prefix else 0)

    async def head(self, name: str) -> Blob:
        answer = await self._request("HEAD", name, (200,), "read")
        return blob_from_headers(name, answer.headers)

    async def get(self, name: str, offset: int, length: int) -> bytes:
        headers = {"x-ms-range": f"bytes={offset}-{offset + length - 1}"}
        answer = await self._request("GET", name, (200, 206, 416), "read", headers=headers, most_bytes=length)
        return b"" if answer.status == 416 else answer.body

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "Content-MD5": _base64(properties.md5),
            "x-ms-blob-content-type": properties.content_type,
            **_metadata(properties.metadata),
            **_condition(etag),
        }
        await self._request("PUT", name, (201,), "write", headers=headers, data=data)

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        query = f"comp=block&blockid={quote(_base64(block_id.encode()), safe='')}"
        await self._request("PUT", name, (201,), "write", query, {"Content-MD5": _base64(md5)}, data)

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        latest = "".join(f"<Latest>{_base64(block_id.encode())}</Latest>" for block_id in block_ids)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{latest}</BlockList>'.encode()
        headers = {
            "x-ms-blob-content-md5": _base64(properties.md5),
            "x-ms-blob-content-type": properties.content_type,
            **_metadata(properties.metadata),
            **_condition(etag),
        }
        await self._request("PUT", name, (201,), "write", "comp=blocklist", headers, body)

    async def delete(self, name: str) -> None:
        await self._request("DELETE", name, (202,), "delete")

    async def close(self) -> None:
        await self._session.close()

    async def _request(
        self,
        method: str,
        name: str,
        expected: tuple[int, ...],
        permission: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        data: Data = b"",
        *,
        most_bytes: int = _MAX_ANSWER_BYTES,
    ) -> _Answer:
        """One round trip. `permission` names what the service must grant, for the error that says so."""
        grant = await self._credential.grant()
        sent = {"x-ms-version": API_VERSION, **(headers or {})}
        if grant.header:
            sent["Authorization"] = grant.header
        url = self._destination.url(name) if name else self._container_url()
        url += "?" + "&".join(part for part in (query, grant.query) if part)
        timeout = aiohttp.ClientTimeout(
            total=_READ_S + (len(data) + most_bytes * (method == "GET")) / _SLOWEST_BYTES_PER_S,
            sock_connect=_CONNECT_S,
            sock_read=_READ_S,
        )
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=sent,
                data=_Body(data) if len(data) else None,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await _read(response, most_bytes)
                answer = _Answer(response.status, response.headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(error) from None
        if answer.status not in expected:
            raise refusal(
                answer.status,
                answer.headers,
                answer.body,
                self._destination,
                name,
                permission,
                self._credential.kind,
            )
        return answer

    def _container_url(self) -> str:
        return f"{self._destination.endpoint}/{self._destination.container}"

    def _unreachable(self, error: Exception) -> StoreError:
        """A sentence for a failure below HTTP; never the exception's own text, which may hold the URL."""
        host = URL(self._destination.endpoint).authority
        match error:
            case aiohttp.ClientConnectorDNSError():
                return TransientStoreError(
                    f"the name {host} cannot be resolved: check the account's name and the network"
                )
            case aiohttp.ClientConnectorCertificateError() | ssl.SSLError():
                return StoreError(f"{host} shows a certificate that is not trusted here: a proxy may be in between")
            case aiohttp.ClientSSLError():
                return TransientStoreError(f"{host} does not complete the TLS handshake")
            case aiohttp.ClientConnectorError():
                return TransientStoreError(f"{host} does not accept connections: check the address and the firewall")
            case TimeoutError():
                return TransientStoreError(f"{host} did not answer in time")
            case _:
                return TransientStoreError(f"the connection to {host} broke ({type(error).__name__})")


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """The answer's body, refused beyond a bound: a stranger's server must not fill the memory."""
    if response.method == "HEAD":
        return b""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > max(most_bytes, 1 << 16):
            raise StoreError(f"the service answered with more than {most_bytes:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


def _condition(etag: str | None) -> dict[str, str]:
    if etag is None:
        return {}
    return {"If-None-Match": "*"} if etag == CREATE_ONLY else {"If-Match": etag}
