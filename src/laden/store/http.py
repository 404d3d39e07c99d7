"""A lean HTTP/1.1 client: many requests with bodies to one host.

Order of a request: take an idle connection or open one (directly, or through the environment's proxy), write head
and body, read the answer within its bounds, give the connection back. The body goes to the transport as it is,
without a copy. Answers are parsed by httptools (llhttp, the parser of Node.js).

It follows no redirect, repeats nothing, keeps no cookie and decompresses nothing. How many requests run at once is
decided by the caller; each has a connection of its own.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import urllib.request
from enum import StrEnum
from typing import NamedTuple, cast
from urllib.parse import unquote, urlsplit

import httptools

_CONNECT_S = 7
_STALL_S = 30
"""A request of which nothing moves for so long, or twice as long at most, is given up."""

_MOST_HEAD_BYTES = 64 << 10
_IDLE_S = 30
"""An idle connection is not used again after this; services and firewalls drop them after a minute or more."""

Data = bytes | bytearray | memoryview


class Trouble(StrEnum):
    """Why there is no usable answer."""

    NAME = "the host's name cannot be resolved"
    REFUSED = "the host does not accept connections"
    CERTIFICATE = "the host's certificate is not trusted"
    TLS = "the TLS handshake failed"
    PROXY_REFUSED = "the proxy does not accept connections"
    PROXY = "the proxy did not let the connection through"
    TIMEOUT = "there was no answer in time"
    BROKEN = "the connection broke"
    STALE = "an idle connection had been closed by the host"
    GARBLED = "the answer is not HTTP"
    TOO_LONG = "the answer is longer than it may be"


class HttpError(Exception):
    """There is no usable answer; nothing in it repeats the address or the headers."""

    def __init__(self, trouble: Trouble, status: int = 0) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.status = status
        """What a proxy answered, where it did."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    """Names and values of the headers, as they came."""
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case; of most answers nobody asks for them."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.fields}


class HttpClient:
    """Connections to one host. Use it within one event loop, and close it there."""

    def __init__(self, base_url: str) -> None:
        """Prepare; nothing is opened yet.

        Args:
            base_url: scheme, host and port are used.
        """
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._host_line = f"Host: {parts.netloc.rpartition('@')[2]}\r\n"
        self._proxy = _proxy(parts.scheme, self._host)
        self._tls = ssl.create_default_context() if self._secure else None
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()

    async def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: Data = b"",
        *,
        timeout_s: float,
        most_bytes: int,
    ) -> Answer:
        """One round trip.

        Args:
            method: of the request.
            target: path and query, percent-encoded.
            headers: names and values, ASCII; `Host` and `Content-Length` are added.
            body: sent as it is; must not change meanwhile.
            timeout_s: for the whole round trip.
            most_bytes: the answer's body at most.

        Raises:
            HttpError: there is no usable answer.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if "\n" in target or lines.count("\n") != len(headers):
            raise ValueError("a header or target holds a line break")
        head = f"{method} {target} HTTP/1.1\r\n{self._host_line}{lines}Content-Length: {len(body)}\r\n\r\n"
        connection = self._take() or await self._connect()
        try:
            answer = await connection.exchange(method, head.encode("ascii"), body, timeout_s, most_bytes)
        except BaseException:
            connection.abort()
            raise
        if connection.usable:
            self._idle.append(connection)
        else:
            connection.abort()
        return answer

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    def _take(self) -> _Connection | None:
        """The idle connection that was used last: the others may grow cold and be let go."""
        now_s = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now_s - connection.used_s < _IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await (self._connect_through(*self._proxy) if self._proxy else self._connect_directly())
        except HttpError:
            raise
        except socket.gaierror:
            raise HttpError(Trouble.PROXY_REFUSED if self._proxy else Trouble.NAME) from None
        except ssl.SSLCertVerificationError:
            raise HttpError(Trouble.CERTIFICATE) from None
        except ssl.SSLError:
            raise HttpError(Trouble.TLS) from None
        except OSError:
            raise HttpError(Trouble.PROXY_REFUSED if self._proxy else Trouble.REFUSED) from None

    async def _connect_directly(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(self._open), self._host, self._port, ssl=self._tls
        )
        return connection

    async def _connect_through(self, host: str, port: int, authorization: str) -> _Connection:
        """Open a tunnel through a proxy (RFC 9110, section 9.3.6), then speak as if directly."""
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(lambda: _Connection(self._open), host, port)
        place = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{authorization}\r\n"
        answer = await connection.exchange("CONNECT", head.encode("ascii"), b"", _CONNECT_S, _MOST_HEAD_BYTES)
        if answer.status != 200:
            connection.abort()
            raise HttpError(Trouble.PROXY, answer.status)
        if self._tls is not None:
            secured = await loop.start_tls(transport, connection, self._tls, server_hostname=self._host)
            assert secured is not None
            connection.connection_made(secured)
        return connection


def _proxy(scheme: str, host: str) -> tuple[str, int, str] | None:
    """Host, port and authorization header of the proxy that the environment names for a host."""
    address = urllib.request.getproxies().get(scheme, "")
    if not address or host in ("localhost", "::1") or host.startswith("127.") or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(address if "//" in address else f"//{address}")
    authorization = ""
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
    return parts.hostname or "", parts.port or 8080, authorization


class _Connection(asyncio.Protocol):
    """One connection, one request at a time. Its methods named `on_...` are called by the parser."""

    def __init__(self, opened: set[_Connection]) -> None:
        self.usable = False
        """Whether another request may follow."""
        self.used_s = 0.0
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._fresh = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._opened.discard(self)
        self._fail(Trouble.BROKEN if self._fresh or self._head_bytes else Trouble.STALE)

    async def exchange(self, method: str, head: bytes, body: Data, timeout_s: float, most_bytes: int) -> Answer:
        """Write a request, and read its answer. Raises `HttpError`."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._method = method
        self._most_bytes = most_bytes
        self._status = self._head_bytes = self._body_bytes = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._sized = False
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = loop.create_future()
        self.usable = False
        if self._transport.is_closing():
            raise HttpError(Trouble.STALE)
        self._received = False
        self._timer = loop.call_later(min(_STALL_S, timeout_s), self._look, loop.time() + timeout_s, -1)
        try:
            self._transport.write(head)
            if len(body):
                self._transport.write(body)
            return await self._waiter
        finally:
            self._timer.cancel()
            self._waiter = None
            self._fresh = False
            self.used_s = loop.time()

    def _look(self, until_s: float, unsent_bytes: int) -> None:
        """Give up when the time is over, or when nothing has moved since the last look."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        left_s = until_s - loop.time()
        now_unsent_bytes = self._transport.get_write_buffer_size()
        stalled = not self._received and now_unsent_bytes == unsent_bytes
        if left_s <= 0 or stalled:
            self._fail(Trouble.TIMEOUT)
            return
        self._received = False
        self._timer = loop.call_later(min(_STALL_S, left_s), self._look, until_s, now_unsent_bytes)

    def abort(self) -> None:
        """Close without waiting for what is still being written."""
        self.usable = False
        self._opened.discard(self)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            # A word nobody asked for: whatever it means, it belongs to no request of ours.
            self.abort()
            return
        self._received = True
        if not self._status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not (self._waiter.done() and self._method in ("HEAD", "CONNECT")):
                self._fail(Trouble.GARBLED)
        if self._head_bytes > _MOST_HEAD_BYTES and not self._status:
            self._fail(Trouble.TOO_LONG)

    def eof_received(self) -> bool | None:
        """An answer without length ends with the connection (RFC 9112, section 6.3)."""
        if self._status and not self._sized:
            self._finish(usable=False)
        return None

    def on_message_begin(self) -> None:
        # A second answer to one request: the two must not be taken for each other.
        if self._waiter is not None and self._waiter.done():
            self.usable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))
        self._sized |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._method in ("HEAD", "CONNECT"):
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._most_bytes:
            self._fail(Trouble.TOO_LONG)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._status == 100:
            self._status = 0
            return
        assert self._transport is not None
        # An answer that came before the whole body was written leaves the rest of the body in the way.
        unsent = self._transport.get_write_buffer_size() > 0
        self._finish(usable=self._parser.should_keep_alive() and not unsent)

    def _finish(self, *, usable: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self.usable = usable
            self._waiter.set_result(Answer(self._status, tuple(self._fields), b"".join(self._parts)))

    def _fail(self, trouble: Trouble) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(HttpError(trouble))
