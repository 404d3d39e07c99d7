"""Proxies: which is found for a host, every kind of them for real, and what their refusals mean."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.run.loop import run
from laden.store import parse_destination
from laden.store.blob import BlobStore
from laden.store.credentials import find_credential
from laden.store.http import Answer, HttpClient
from laden.store.proxies import find_proxy, parse_proxy
from laden.values.errors import LadenError, StoreError, TransientStoreError, UsageError
from tests.demo.test_emulator import self_signed

PASSWORD = "s3cret-pass"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("settings", "scheme", "expected"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https", ("http", "p", 1, "HTTPS_PROXY")),
        ({"https_proxy": "p:1"}, "https", ("http", "p", 1, "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "http://p"}, "https", ("http", "p", 8080, "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "http://p:1"}, "http", None),
        ({"HTTP_PROXY": "http://p:1"}, "https", None),
        ({"ALL_PROXY": "socks5h://p"}, "https", ("socks5h", "p", 1080, "ALL_PROXY")),
        ({"ALL_PROXY": "socks5://p:2", "HTTPS_PROXY": "https://q"}, "https", ("https", "q", 443, "HTTPS_PROXY")),
        ({"ALL_PROXY": "socks5://p:2", "HTTPS_PROXY": "https://q"}, "http", ("socks5", "p", 2, "ALL_PROXY")),
        ({"HTTPS_PROXY": "HTTP://[::1]:3128/"}, "https", ("http", "::1", 3128, "HTTPS_PROXY")),
    ],
)
def test_which_is_found(monkeypatch, settings, scheme, expected):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(scheme, "account.blob.core.windows.net")
    assert (found and (found.kind, found.host, found.port, found.setting)) == expected


@pytest.mark.parametrize(
    ("exceptions", "host", "direct"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.5/8", "10.1.2.3", True),
        ("a.org, 10.0.0.0/8 fd00::/8", "fd00::17", True),
        ("[fd00::1]", "fd00::1", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("1.2.3", "10.1.2.3", False),
        ("10.0.0.0/8", "10.example.org", False),
        ("core.windows.net", "account.blob.core.windows.net", True),
        (".core.windows.net", "account.blob.core.windows.net", True),
        ("*.core.windows.net", "account.blob.core.windows.net", True),
        ("BLOB.core.windows.net", "account.blob.core.windows.net", True),
        ("dows.net", "account.blob.core.windows.net", False),
        ("*", "account.blob.core.windows.net", True),
        ("*", "10.1.2.3", True),
        (",  ,", "account.blob.core.windows.net", False),
        ("no/such/24, x.org", "10.1.2.3", False),
        ("", "localhost", True),
        ("", "127.9.9.9", True),
        ("", "::1", True),
    ],
)
def test_who_is_reached_directly(monkeypatch, exceptions, host, direct):
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (find_proxy("https", host) is None) is direct


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{PASSWORD}@[proxy:3128",
        f"http://me:{PASSWORD}@proxy:port",
        f"http://me:{PASSWORD}@proxy:99999",
        f"http://me:{PASSWORD}@",
        f"http://me:{PASSWORD} @proxy:1",
        f"http://me:{PASSWORD}#@proxy:1",
        f"me:{PASSWORD}@:3128",
        f"socks4://me:{PASSWORD}@proxy:1",
        f"{PASSWORD}://proxy:1",
        f"ftp://me:{PASSWORD}@proxy",
    ],
)
def test_an_address_that_is_none_is_told_without_what_it_says(monkeypatch, address):
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(UsageError, match="HTTPS_PROXY") as raised:
        BlobStore(*_destination("https://account.blob.example.org/cont"))
    _silent(raised.value)
    assert str(raised.value).count("\n") == 0


@given(st.text(max_size=40))
def test_whatever_it_says_is_an_address_or_refused(text):
    with contextlib.suppress(UsageError):
        proxy = parse_proxy(text, "HTTPS_PROXY")
        assert proxy.host
        assert 0 < proxy.port < 65536


def test_a_login_is_not_shown():
    proxy = parse_proxy(f"http://me:{PASSWORD}@proxy", "HTTPS_PROXY")
    assert PASSWORD not in f"{proxy} {proxy!r}"


class Host:
    """A web server, and a proxy of each kind before it, on 127.0.0.1; `seen` is what the proxy was asked."""

    def __init__(self, *answers: bytes, login: tuple[bytes, bytes] | None = None, reply: int = 0) -> None:
        self._answers, self._login, self._reply = list(answers), login, reply
        self.seen: list[bytes] = []
        self.port = self.target_port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def kept(self, handler: Handler) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        """The handler as a task that ends with the host, its connection with it."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await handler(reader, writer)
            finally:
                writer.transport.abort()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tasks.add(asyncio.get_running_loop().create_task(handle(reader, writer)))

        return begin

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None, *, socks: bool) -> AsyncIterator[Host]:
        target = await asyncio.start_server(self.kept(self.serve), "127.0.0.1", 0, ssl=tls)
        way = self._socks if socks else self._tunnel
        proxy = await asyncio.start_server(self.kept(way), "127.0.0.1", 0, ssl=tls if self.over_tls else None)
        self.target_port = target.sockets[0].getsockname()[1]
        self.port = proxy.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            proxy.close()
            target.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks)
            await asyncio.sleep(0)

    over_tls = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(await reader.readuntil(b"\r\n\r\n"))
        answer = self._answers.pop(0) if self._answers else b"HTTP/1.1 200 Connection established\r\n\r\n"
        writer.write(answer)
        await writer.drain()
        if answer.startswith(b"HTTP/1.1 2"):
            await self._pass(reader, writer)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 1928 and RFC 1929, as far as a client sees them."""
        _, methods = await reader.readexactly(2)
        offered = await reader.readexactly(methods)
        writer.write(b"\x05\x00" if self._login is None else b"\x05\x02" if 2 in offered else b"\x05\xff")
        if self._login is not None:
            await reader.readexactly(1)
            given = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
            writer.write(b"\x01\x00" if tuple(given) == self._login else b"\x01\x01")
        head = await reader.readexactly(4)
        size = {1: 4, 4: 16}.get(head[3]) or (await reader.readexactly(1))[0]
        self.seen.append(bytes([head[3]]) + await reader.readexactly(size))
        await reader.readexactly(2)
        writer.write(bytes([5, self._reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        await writer.drain()
        if not self._reply:
            await self._pass(reader, writer)
        await reader.read()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)

        async def one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.transport.abort()

        try:
            await asyncio.gather(one_way(reader, back), one_way(there, writer))
        finally:
            back.transport.abort()


def _destination(url: str):
    destination = parse_destination(url + "?sv=2023-11-03&sp=rcwl&se=2999-01-01&sig=c2ln")
    return destination, find_credential(destination)


def _silent(error: LadenError) -> None:
    shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
    assert PASSWORD not in shown


async def get(url: str, times: int) -> list[Answer]:
    client = HttpClient(url)
    try:
        return [await client.request("GET", "/", {}, most_bytes=100) for _ in range(times)]
    finally:
        await client.close()


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
def test_every_kind_lets_requests_through(monkeypatch, tmp_path, kind, secure):
    certificate, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr("laden.store.proxies._is_here", lambda _: False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    host = Host(login=(b"me", b"se cret") if kind.startswith("socks") else None)
    host.over_tls = kind == "https"

    async def work() -> list[Answer]:
        async with host.running(context, socks=kind.startswith("socks")):
            if not secure:
                plain = await asyncio.start_server(host.kept(host.serve), "127.0.0.1", 0)
                host.target_port = plain.sockets[0].getsockname()[1]
            name = "127.0.0.1" if kind == "https" or secure else "localhost"
            monkeypatch.setenv("ALL_PROXY", f"{kind}://me:se%20cret@127.0.0.1:{host.port}")
            answers = await get(f"{'https' if secure else 'http'}://{name}:{host.target_port}", 3)
            if not secure:
                plain.close()
            return answers

    assert [answer.body for answer in run(work())] == [b"hi"] * 3
    [asked] = host.seen
    if kind in ("http", "https"):
        assert asked.startswith(b"CONNECT ")
        assert b"Proxy-Authorization: Basic bWU6c2UgY3JldA==\r\n" in asked
    elif not secure:
        assert asked == (b"\x03localhost" if kind == "socks5h" else asked)
        assert (asked[0] == 3) is (kind == "socks5h"), "who resolves the name"


def refused(monkeypatch: pytest.MonkeyPatch, host: Host, kind: str) -> StoreError:
    async def work() -> None:
        async with host.running(None, socks=kind.startswith("socks")):
            monkeypatch.setenv("HTTPS_PROXY", f"{kind}://me:{PASSWORD}@127.0.0.1:{host.port}")
            store = BlobStore(*_destination("https://account.blob.example.invalid/cont"))
            try:
                await store.list_page()
            finally:
                await store.close()

    with pytest.raises(StoreError) as raised:
        run(work())
    _silent(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("status", "lasting", "throttled"),
    [(403, True, False), (404, True, False), (407, True, False)]
    + [(status, False, status in (429, 503)) for status in (408, 429, 500, 502, 503, 504)],
)
def test_what_a_proxy_answers_is_weather_or_not(monkeypatch, status, lasting, throttled):
    error = refused(monkeypatch, Host(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()), "http")
    assert isinstance(error, TransientStoreError) is not lasting
    assert getattr(error, "throttled", False) is throttled
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\x00\xff\x13SSH-2.0-OpenSSH garbage\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.0 200 OK\r\n" + b"X-A: %s\r\n" % (b"a" * 1000) * 100, "is not HTTP"),
        (b"", "closes the connection"),
        (b"HTTP/1.1 5", "closes the connection"),
    ],
    ids=["garbage", "more than a head", "nothing", "half a head"],
)
def test_a_proxy_that_answers_what_is_no_answer_is_named(monkeypatch, answer, told):
    error = refused(monkeypatch, Host(answer), "http")
    assert isinstance(error, TransientStoreError)
    assert str(error).startswith("the proxy to account.blob.example.invalid ")
    assert told in str(error)
    assert "HTTPS_PROXY" in str(error)


@pytest.mark.parametrize(
    ("host", "lasting", "told"),
    [
        (Host(login=(b"me", b"another")), True, "login"),
        (Host(reply=2), True, "rules"),
        (Host(reply=1), False, "SOCKS reply 1"),
        (Host(reply=4), False, "SOCKS reply 4"),
        (Host(reply=5), False, "SOCKS reply 5"),
    ],
    ids=lambda value: "" if isinstance(value, Host) else str(value),
)
def test_what_socks_replies_is_weather_or_not(monkeypatch, host, lasting, told):
    error = refused(monkeypatch, host, "socks5h")
    assert isinstance(error, TransientStoreError) is not lasting
    assert told in str(error)


def test_what_does_not_speak_socks_is_told(monkeypatch):
    async def work() -> None:
        async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()

        server = await asyncio.start_server(Host().kept(web), "127.0.0.1", 0)
        monkeypatch.setenv("HTTPS_PROXY", f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        store = BlobStore(*_destination("https://account.blob.example.invalid/cont"))
        try:
            await store.list_page()
        finally:
            await store.close()
            server.close()

    with pytest.raises(StoreError, match="SOCKS5"):
        run(work())


def test_no_byte_goes_to_a_proxy_of_an_unknown_kind(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"socks4://me:{PASSWORD}@127.0.0.1:9")
    with pytest.raises(UsageError, match=r"socks4.*http, https, socks5, socks5h"):
        HttpClient("https://account.blob.example.org")
