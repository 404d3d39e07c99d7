"""What a host, honest or not, may send back: real servers on loopback, no emulator."""

import asyncio
import contextlib
import socket
import ssl
import traceback
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from laden.store import CREATE_ONLY, parse_destination
from laden.store.blob import BlobStore
from laden.store.credentials import Credential, Grant, find_credential
from laden.values.errors import (
    BlobRefused,
    StoreError,
    TransientStoreError,
)
from tests.contracts.store import md5, properties
from tests.demo.test_emulator import self_signed
from tests.store.test_answers import ONE_BLOB

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"
SAS = f"sv=2023-11-03&sp=rcwl&se=2999-01-01&sig={SECRET}%3D"


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


class Host:
    """A server that answers each request with the next of its answers, the last one for ever; it keeps the heads.

    An answer that is a list never ends: its last part comes again and again. No answer at all: it listens only.
    """

    def __init__(self, *answers: bytes | list[bytes], tls: ssl.SSLContext | None = None) -> None:
        self._answers = list(answers)
        self._tls = tls
        self._serving: set[asyncio.Task[None] | None] = set()
        self.heads: list[str] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Host"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for serving in self._serving:
                serving.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it; whether the connection stays."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ":0")
        await reader.readexactly(int(length.partition(":")[2]))
        self.heads.append(head)
        if not self._answers:
            await asyncio.Event().wait()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        while isinstance(answer, list):
            writer.write(b"".join(answer))
            await writer.drain()
            answer = answer[-1:]
        writer.write(answer)
        await writer.drain()
        return answer.startswith(b"HTTP/1.1") and b"Content-Length" in answer and not answer.endswith(b"<cut>")


REQUESTS = {
    "list": lambda store: store.list_page(),
    "head": lambda store: store.head("a"),
    "get": lambda store: store.get("a", 0, 10),
    "put": lambda store: store.put("a", b"x" * 3_000_000, properties(b"x" * 3_000_000), CREATE_ONLY),
    "put empty": lambda store: store.put("a", b"", properties(b""), CREATE_ONLY),
    "block": lambda store: store.put_block("a", "0000", b"x", md5(b"x")),
    "commit": lambda store: store.commit("a", ["0000"], properties(b"x"), CREATE_ONLY),
    "delete": lambda store: store.delete("a"),
    "create": lambda store: store.create(),
}
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def in_loop(request):
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


async def ask(place: str, *requests: str) -> object:
    """Make the requests one after the other; the result of the last one."""
    destination = parse_destination(f"{place}?{SAS}")
    store = BlobStore(destination, find_credential(destination))
    try:
        results = [await asyncio.wait_for(REQUESTS[request](store), 30) for request in requests]
        return results[-1]
    finally:
        await store.close()


async def told(host: Host, *requests: str, scheme: str = "http") -> StoreError:
    """The error of the last request, which must hold no signature."""
    async with host.running():
        with pytest.raises(StoreError) as raised:
            await ask(f"{scheme}://127.0.0.1:{host.port}/acct/cont", *requests)
    silent(raised.value)
    return raised.value


def silent(error: BaseException) -> None:
    shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
    assert SECRET not in shown


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_closed_connection_is_transient_and_no_change_is_sent_twice(in_loop, request_):
    host = Host(b"")
    error = in_loop(told(host, request_))
    assert type(error) is TransientStoreError
    assert "broke" in str(error)
    assert len(host.heads) == 1 or request_ in ("list", "head", "get")


@pytest.mark.parametrize("request_", ["put", "put empty", "block", "commit", "create", "delete"])
def test_a_connection_closed_after_a_while_is_left_to_the_one_who_repeats(in_loop, request_):
    host = Host(http("206 Partial Content", b"x"), b"")
    error = in_loop(told(host, "get", request_))
    assert type(error) is TransientStoreError
    assert len(host.heads) == 2


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x16\x03\x01garbage" * 100,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ],
    ids=["bytes", "ssh", "status", "version", "length", "colon"],
)
def test_garbage_is_transient(request_, answer):
    assert type(asyncio.run(told(Host(answer), request_))) is TransientStoreError


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    "answer",
    [
        [b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 100],
        [b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 10_000],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 100],
        [b"HTTP/1.1 102 Processing\r\n\r\n" * 100],
    ],
    ids=["headers", "header", "continue", "processing"],
)
def test_heads_without_end_are_given_up(in_loop, request_, answer):
    assert in_loop(told(Host(answer), request_))


@pytest.mark.parametrize("request_", ["list", "get"])
def test_a_body_cut_short_is_transient(in_loop, request_):
    status = "200 OK" if request_ == "list" else "206 Partial Content"
    error = in_loop(told(Host(f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n<cut>".encode()), request_))
    assert type(error) is TransientStoreError


def test_a_truncated_listing_is_transient():
    error = asyncio.run(told(Host(http("200 OK", ONE_BLOB[:-30])), "list"))
    assert type(error) is TransientStoreError
    assert "not whole" in str(error)


@pytest.mark.parametrize("request_", ["get", "put", "delete", "create"])
@pytest.mark.parametrize("framing", ["chunked", "until the end", "by length"])
def test_more_than_was_asked_for_is_given_up(in_loop, request_, framing):
    megabyte = b"x" * (1 << 20)
    status = b"HTTP/1.1 206 Partial Content\r\n" if request_ == "get" else b"HTTP/1.1 201 Created\r\n"
    answer = {
        "chunked": [status + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + megabyte + b"\r\n"],
        "until the end": [status + b"Connection: close\r\n\r\n", megabyte],
        "by length": [status + b"Content-Length: 99999999999\r\n\r\n", megabyte],
    }[framing]
    error = in_loop(told(Host(answer), request_))
    assert type(error) is StoreError
    assert "more than" in str(error)


def test_an_answer_that_is_compressed_without_being_asked_is_not_unpacked():
    bomb = zlib.compress(bytes(100_000_000))
    assert (
        type(asyncio.run(told(Host(http("200 OK", bomb, Content_Encoding="deflate")), "list"))) is TransientStoreError
    )


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(request_, status):
    async def work() -> None:
        elsewhere = Host(http("200 OK", ONE_BLOB))
        async with elsewhere.running():
            location = f"http://localhost:{elsewhere.port}/acct/cont"
            error = await told(Host(http(status, Location=location)), request_)
        assert type(error) is StoreError
        assert "redirect" in str(error)
        assert elsewhere.heads == []

    asyncio.run(work())


def test_a_part_without_its_range_is_not_taken():
    error = asyncio.run(told(Host(http("200 OK", b"the whole blob")), "get"))
    assert isinstance(error, BlobRefused)


def test_a_busy_service_is_told_with_its_wish():
    error = asyncio.run(told(Host(http("503 Busy", Retry_After="7", x_ms_error_code="ServerBusy")), "put"))
    assert isinstance(error, TransientStoreError)
    assert (error.retry_after_s, error.throttled) == (7, True)


def test_requests_carry_what_the_service_must_check():
    host = Host(http("201 Created"))

    async def work() -> None:
        async with host.running():
            await ask(f"http://127.0.0.1:{host.port}/acct/cont/a b", "put", "block", "commit")

    asyncio.run(work())
    put, block, commit = ([line.lower() for line in head.split("\r\n")] for head in host.heads)
    assert put[0].startswith(f"put /acct/cont/a%20b/a?{SAS} http/1.1".lower())
    for head in (put, commit):
        assert {"if-none-match: *", "x-ms-version: 2023-11-03"} < set(head)
    assert any(line.startswith("content-md5: ") for line in put)
    assert any(line.startswith("content-md5: ") for line in block)
    assert any(line.startswith("x-ms-blob-content-md5: ") for line in commit)
    assert not any(line.startswith(("cookie:", "authorization:", "accept-encoding:")) for line in put + block + commit)


def test_a_silent_host_is_given_up(monkeypatch):
    monkeypatch.setattr("laden.store.connection._STALL_S", 0.05)

    error = asyncio.run(told(Host(), "list"))
    assert type(error) is TransientStoreError
    assert "did not answer in time" in str(error)


@pytest.fixture
def closed_port():
    with socket.socket() as bound:  # bound, never listening: every connection is refused
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_closed_port_is_transient(in_loop, closed_port):
    with pytest.raises(TransientStoreError, match="does not accept connections") as raised:
        in_loop(ask(f"http://127.0.0.1:{closed_port}/acct/cont", "list"))
    silent(raised.value)


def test_a_name_nobody_has_is_told(in_loop, no_proxies):
    with pytest.raises(TransientStoreError, match=r"laden-nobody\.invalid cannot be resolved") as raised:
        in_loop(ask("https://laden-nobody.invalid/cont", "list"))
    silent(raised.value)


def server_tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(folder))
    return context


def test_a_certificate_nobody_signed_is_told_and_not_repeated(in_loop, tmp_path):
    host = Host(http("200 OK", ONE_BLOB), tls=server_tls(tmp_path))
    error = in_loop(told(host, "list", scheme="https"))
    assert type(error) is StoreError
    assert "certificate" in str(error)
    assert host.heads == []


def test_a_host_that_speaks_no_tls_is_not_blamed_for_its_certificate(in_loop):
    async def work() -> StoreError:
        async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(http("400 Bad Request"))
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        with pytest.raises(StoreError) as raised:
            await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/acct/cont", "list")
        server.close()
        return raised.value

    error = in_loop(work())
    assert type(error) is TransientStoreError
    assert "certificate" not in str(error)
    assert "TLS handshake" in str(error)
    silent(error)


@pytest.fixture
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_proxy_that_is_not_there_is_told(in_loop, no_proxies, monkeypatch, closed_port):
    monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:{closed_port}")
    with pytest.raises(TransientStoreError, match="the proxy") as raised:
        in_loop(ask("https://acct.blob.example.invalid/cont", "list"))
    silent(raised.value)


def test_a_proxy_that_refuses_is_told(in_loop, no_proxies, monkeypatch):
    async def work() -> tuple[StoreError, list[str]]:
        proxy = Host(http("407 Proxy Authentication Required"))
        async with proxy.running():
            monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
            with pytest.raises(StoreError) as raised:
                await ask("https://acct.blob.example.invalid/cont", "list")
        return raised.value, proxy.heads

    error, heads = in_loop(work())
    assert "proxy" in str(error)
    assert "407" in str(error)
    assert heads[0].startswith("CONNECT acct.blob.example.invalid:443 HTTP/1.1\r\n")
    assert "sig=" not in heads[0]
    silent(error)


def test_this_machine_is_reached_without_the_proxy(no_proxies, monkeypatch, closed_port):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    host = Host(http("200 OK", ONE_BLOB))

    async def work() -> object:
        async with host.running():
            return await ask(f"http://127.0.0.1:{host.port}/acct/cont", "list")

    assert [blob.name for blob in asyncio.run(work()).blobs] == ["a"]


def test_passwords_of_netrc_are_left_alone(no_proxies, monkeypatch, tmp_path, closed_port):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port}")

    async def work() -> None:
        destination = parse_destination("https://acct.blob.example.invalid/cont")
        bearer = Credential("sign-in", lambda _: Grant("", "Bearer token", float("inf")))
        store = BlobStore(destination, bearer)
        try:
            await store.list_page()
        finally:
            await store.close()

    with pytest.raises(TransientStoreError, match="the proxy"):
        asyncio.run(work())
