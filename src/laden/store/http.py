"""A lean HTTP/1.1 client: many requests with bodies to one host.

Order of a request: take an idle connection or open one (directly, or through the environment's proxy), write head
and body, read the answer within its bounds, give the connection back (`connection`). The body goes to the transport
as it is, without a copy. Which address of a host is used is for `dial`, which proxy for `proxies`.

It follows no redirect, keeps no cookie and decompresses nothing, and repeats nothing but what no host heard of, and
reading requests that met a connection that had been closed. How many requests run at once is decided by the caller;
each has a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

from laden.store.cap import Throttle
from laden.store.connection import MOST_HEAD_BYTES, Answer, Connection, Data, Sink
from laden.store.dial import Dialler
from laden.store.proxies import Proxy, find_proxy
from laden.store.silence import LOOK_S, Silence
from laden.store.trouble import AT_PROXY, HttpError, Trouble

__all__ = ["Answer", "HttpClient", "HttpError", "Trouble"]

_HANDSHAKE_S = 30.0
"""For TLS, or for the way through a proxy; where the line is full of our own bytes, a round trip takes seconds."""

_RESOLVES_NAMES = {"socks5": False, "socks5h": True}
"""Kinds of proxy that speak SOCKS5, and whether they are given names rather than addresses."""

_NOT_ALLOWED = 2
"""SOCKS5's reply "connection not allowed by ruleset" (RFC 1928, section 6)."""


class HttpClient:
    """Connections to one host. Use it within one event loop, and close it there."""

    def __init__(
        self, base_url: str, throttle: Throttle | None = None, on_silence: Callable[[float], None] | None = None
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            base_url: scheme, host and port are used.
            throttle: says when connections may write; None for no cap.
            on_silence: told once a second, while nothing moves, for how many seconds that has been so.

        Raises:
            UsageError: the environment names a proxy that cannot be used.
        """
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._host_line = f"Host: {parts.netloc.rpartition('@')[2]}\r\n"
        self._throttle = throttle
        self._proxy = find_proxy(parts.scheme, self._host)
        self._tls = ssl.create_default_context() if self._secure else None
        self._dialler = Dialler(self._proxy.host, self._proxy.port) if self._proxy else Dialler(self._host, self._port)
        self._on_silence = on_silence
        self._silence: Silence | None = None
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()

    @property
    def proxy_setting(self) -> str:
        """Where the proxy is named, for a sentence; empty where there is none."""
        return self._proxy.setting if self._proxy else ""

    async def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: Data = b"",
        *,
        most_bytes: int,
        only: int | None = None,
        sink: Sink | None = None,
        into: memoryview | None = None,
    ) -> Answer:
        """One round trip, however long it takes, as long as something moves.

        Args:
            method: of the request.
            target: path and query, percent-encoded.
            headers: names and values, ASCII; `Host` and `Content-Length` are added.
            body: sent as it is; must not change meanwhile.
            most_bytes: the answer's body at most.
            only: the status whose body may be so long; of any other answer 64 KiB are read. None for any status.
            sink: takes that body as it comes; it is not in the answer then.
            into: takes that body, which may be no longer; must not be used meanwhile.

        Raises:
            HttpError: there is no usable answer.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if "\n" in target or lines.count("\n") != len(headers):
            raise ValueError("a header or target holds a line break")
        text = f"{method} {target} HTTP/1.1\r\n{self._host_line}{lines}Content-Length: {len(body)}\r\n\r\n"
        head = text.encode("ascii")
        while True:
            connection = self._take() or await self._connect()
            if self._on_silence is not None and self._silence is None:
                self._silence = Silence()
                asyncio.get_running_loop().call_later(LOOK_S, self._listen)
            try:
                answer = await connection.exchange(method, head, body, most_bytes, only=only, sink=sink, into=into)
            except BaseException as error:
                connection.abort()
                # Only what was idle is stale, so this ends with a fresh connection at the latest.
                if isinstance(error, HttpError) and error.trouble is Trouble.STALE and method in ("GET", "HEAD"):
                    continue
                raise
            if connection.usable:
                self._idle.append(connection)
            else:
                connection.abort()
            return answer

    def _listen(self) -> None:
        """Look whether anything moves, as long as something is asked."""
        assert self._silence is not None
        assert self._on_silence is not None
        silent_s = self._silence.look(self._open)
        if silent_s is None:
            self._silence = None
            return
        if silent_s:
            self._on_silence(silent_s)
        asyncio.get_running_loop().call_later(LOOK_S, self._listen)

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    def _take(self) -> Connection | None:
        """The idle connection that was used last: the others may grow cold and be let go."""
        while self._idle:
            connection = self._idle.pop()
            if connection.still_usable():
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        if self._proxy is None:
            return await self._open_on(await self._dialler.connect(), self._tls, self._host)
        try:
            sock = await self._dialler.connect()
        except HttpError as error:
            raise _at_proxy(error) from None
        if self._proxy.kind in _RESOLVES_NAMES:
            await self._through_socks(self._proxy, sock)
            return await self._open_on(sock, self._tls, self._host)
        return await self._through_tunnel(self._proxy, sock)

    async def _open_on(self, sock: socket.socket, tls: ssl.SSLContext | None, name: str) -> Connection:
        """A connection on a connected socket, over TLS where it is wanted."""
        loop = asyncio.get_running_loop()
        secured: dict[str, Any] = {"ssl": tls, "server_hostname": name} if tls else {}
        try:
            with _told_of_tls():
                async with asyncio.timeout(_HANDSHAKE_S):
                    _, connection = await loop.create_connection(
                        lambda: Connection(self._open, self._throttle), sock=sock, **secured
                    )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _through_tunnel(self, proxy: Proxy, sock: socket.socket) -> Connection:
        """Open a tunnel through a proxy (RFC 9110, section 9.3.6), then speak as if directly."""
        try:
            tls = ssl.create_default_context() if proxy.kind == "https" else None
            connection = await self._open_on(sock, tls, proxy.host)
        except HttpError as error:
            raise _at_proxy(error) from None
        place = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{proxy.authorization}\r\n"
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await _ask_for_way(connection, head.encode("latin-1"))
                if self._tls is not None:
                    with _told_of_tls():
                        await connection.secure(self._tls, self._host)
        except TimeoutError:
            connection.abort()
            raise HttpError(Trouble.PROXY_UNREACHED) from None
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _through_socks(self, proxy: Proxy, sock: socket.socket) -> None:
        """Ask a SOCKS5 proxy (RFC 1928, RFC 1929) on a connected socket for the way to the host."""
        from python_socks import ProxyError, ProxyType
        from python_socks.async_.asyncio import Proxy as Socks

        way = Socks(
            ProxyType.SOCKS5,
            proxy.host,
            proxy.port,
            proxy.user or None,
            proxy.password or None,
            rdns=_RESOLVES_NAMES[proxy.kind],
            forward=cast("Any", _Dialled(sock)),
        )
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await way.connect(self._host, self._port)
        except ProxyError as error:
            sock.close()
            raise _socks_denial(error.error_code, str(error)) from None
        except TimeoutError:
            sock.close()
            raise HttpError(Trouble.PROXY_UNREACHED) from None
        except OSError:
            # The name, where it is resolved here, or the connection to the proxy.
            sock.close()
            raise HttpError(Trouble.PROXY_BUSY, "no answer") from None
        except BaseException:
            sock.close()
            raise


class _Dialled:
    """A way to a proxy that was gone already, for the library that speaks SOCKS."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_: object) -> socket.socket:
        return self._sock


@contextlib.contextmanager
def _told_of_tls() -> Iterator[None]:
    """Turns what a handshake raises into `HttpError`."""
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise HttpError(Trouble.CERTIFICATE) from None
    except (OSError, TimeoutError):
        raise HttpError(Trouble.TLS) from None


def _at_proxy(error: HttpError) -> HttpError:
    """The same trouble, of a proxy."""
    return HttpError(AT_PROXY[error.trouble])


async def _ask_for_way(connection: Connection, head: bytes) -> None:
    try:
        answer = await connection.exchange("CONNECT", head, b"", MOST_HEAD_BYTES)
    except HttpError as error:
        raise _at_proxy(error) from None
    _let_through(answer)


def _let_through(answer: Answer) -> None:
    """What a proxy answers to CONNECT: the way is open, or its refusal is weather, about a login, or its rules."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status == 407:
        raise HttpError(Trouble.PROXY_LOGIN)
    if status >= 500 or status in (408, 429):
        raise HttpError(Trouble.PROXY_BUSY, str(status), throttled=status in (429, 503))
    raise HttpError(Trouble.PROXY, str(status))


def _socks_denial(code: int | None, told: str) -> HttpError:
    """The same of SOCKS5; without a code, the library's own words tell a login from a connection that broke."""
    if code == _NOT_ALLOWED:
        return HttpError(Trouble.PROXY, "its rules")
    if code is not None:
        return HttpError(Trouble.PROXY_BUSY, f"SOCKS reply {code}")
    if "authentication" in told.lower():
        return HttpError(Trouble.PROXY_LOGIN)
    if "closed" in told:
        return HttpError(Trouble.PROXY_BUSY, "a closed connection")
    return HttpError(Trouble.PROXY, "what is not SOCKS5")
