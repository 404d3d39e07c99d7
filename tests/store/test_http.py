"""The HTTP client against real servers on 127.0.0.1 that answer, misbehave, or stand in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from laden.run.loop import run
from laden.store.http import Answer, HttpClient, HttpError, Trouble

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Ms-Thing: a\r\n\r\nhi"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A server whose every connection is given to the handler."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0)
    return head, await reader.readexactly(length)


def ask(
    handler: Handler,
    method: str = "GET",
    body: bytes = b"",
    *,
    times: int = 1,
    most: int = 1000,
) -> list[Answer]:
    """The answers to the same request, made several times through one client."""

    async def asking() -> list[Answer]:
        async with serving(handler) as port:
            client = HttpClient(f"http://127.0.0.1:{port}")
            try:
                return [await client.request(method, "/x?y=1", {"A": "b"}, body, most_bytes=most) for _ in range(times)]
            finally:
                await client.close()

    return run(asking())


def trouble(handler: Handler, **options: object) -> Trouble:
    with pytest.raises(HttpError) as caught:
        ask(handler, **options)  # type: ignore[arg-type]
    return caught.value.trouble


def answering(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)

    return handler


def test_request_and_answer_are_whole() -> None:
    seen: list[tuple[str, bytes]] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    body = bytes(range(256)) * 5_000
    (answer,) = ask(handler, "PUT", body)
    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.headers == {"content-length": "2", "x-ms-thing": "a"}
    assert seen[0][0].startswith("PUT /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "A: b\r\n" in seen[0][0]
    assert seen[0][1] == body


def test_a_connection_is_used_again() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK)(reader, writer)

    assert len(ask(handler, times=20)) == 20
    assert connections == 1


def test_a_connection_that_says_close_is_not() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))(reader, writer)

    ask(handler, times=3)
    assert connections == 3


async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request, takes another, and hangs up."""
    await read_request(reader)
    writer.write(OK)
    await read_request(reader)


def test_an_idle_connection_closed_by_the_host_is_told_apart() -> None:
    assert trouble(once, times=2, method="PUT") is Trouble.STALE


def test_what_only_reads_is_asked_again_on_a_new_connection() -> None:
    assert len(ask(once, times=5)) == 5


def test_a_connection_that_the_host_closed_while_idle_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so nobody need repeat anything: a new one is taken."""
    monkeypatch.setattr("laden.store.connection._ASK_AFTER_S", 0)
    closed: list[bool] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()
        closed.append(True)

    assert [answer.status for answer in ask(handler, "PUT", b"x", times=4)] == [200] * 4
    assert len(closed) == 4


@pytest.mark.parametrize("said", [b"timeout=1", b"max=0", b"timeout=1, max=5", b'max="0" , timeout=90'])
def test_a_host_that_lets_nobody_stay_is_heeded(said: bytes) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: " + said + b"\r\n\r\n"))(reader, writer)

    ask(handler, times=3)
    assert connections == 3


@pytest.mark.parametrize("said", [b"timeout=60, max=100", b"timeout=x", b"", b"whatever"])
def test_a_host_that_lets_people_stay_keeps_its_connection(said: bytes) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: " + said + b"\r\n\r\n"))(reader, writer)

    ask(handler, times=3)
    assert connections == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
    ],
)
def test_forms_of_an_answer(answer: bytes, expected: bytes) -> None:
    assert [part.body for part in ask(answering(answer), times=2)] == [expected, expected]


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_fields_of_an_answer_on_the_way_are_not_the_answer_s(method: str, status: int) -> None:
    interim = f"HTTP/1.1 {status} Wait\r\nX-Ms-Error-Code: Wrong\r\nContent-Length: 0\r\nETag: no\r\n\r\n".encode()
    body = b"" if method == "HEAD" else b"hi"
    final = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nETag: yes\r\n\r\n" + body
    for answer in ask(answering(interim + interim + final), method, times=2):
        assert (answer.status, answer.body) == (201, body)
        assert answer.headers == {"content-length": "2", "etag": "yes"}


def test_an_answer_without_length_ends_with_the_connection() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    assert ask(handler)[0].body == b"all of it"


def test_head_has_a_length_and_no_body() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
    assert [part.headers["content-length"] for part in ask(answering(answer), "HEAD", times=3)] == ["12345"] * 3


def test_bodies_beyond_the_bound_are_refused() -> None:
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    assert trouble(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 4)) is Trouble.TOO_LONG


def test_endless_headers_are_refused() -> None:
    assert trouble(answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000)) is Trouble.TOO_LONG


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"\x00\xff" * 20, b"HTTP/9.9 abc\r\n\r\n"])
def test_what_is_no_http_is_refused(answer: bytes) -> None:
    assert trouble(answering(answer)) is Trouble.GARBLED


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal"])
def test_a_connection_that_breaks(answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    assert trouble(handler) is Trouble.BROKEN


def test_silence_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.store.connection._STALL_S", 0.05)

    async def handler(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    assert trouble(handler) is Trouble.TIMEOUT


def test_words_nobody_asked_for_end_the_connection() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK + b"HTTP/1.1 500 Surprise\r\nContent-Length: 0\r\n\r\n")
        await reader.read(-1)

    assert [answer.status for answer in ask(handler, times=2)] == [200, 200]
    assert connections == 2


def test_an_early_refusal_of_a_large_body_does_not_spoil_the_next_request() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        await reader.read(-1)

    assert [answer.status for answer in ask(handler, "PUT", bytes(32 << 20), times=2)] == [503, 503]


def test_nobody_listens() -> None:
    async def asking() -> None:
        async with serving(answering(OK)) as port:
            pass
        await HttpClient(f"http://127.0.0.1:{port}").request("GET", "/", {}, most_bytes=1)

    with pytest.raises(HttpError) as caught:
        run(asking())
    assert caught.value.trouble is Trouble.REFUSED


def test_line_breaks_never_reach_the_wire() -> None:
    async def asking(target: str, headers: dict[str, str]) -> None:
        await HttpClient("http://127.0.0.1:9").request("GET", target, headers, most_bytes=1)

    for target, headers in [("/\r\nX: y", {}), ("/", {"A": "b\r\nX: y"}), ("/", {"A\r\nX": "b"}), ("/", {"A": "b\ny"})]:
        with pytest.raises(ValueError, match="line break"):
            run(asking(target, headers))


def test_a_proxy_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async def asking() -> None:
        async with serving(proxy) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:se%20cret@127.0.0.1:{port}")
            await HttpClient("https://account.example.org").request("GET", "/", {}, most_bytes=1)

    with pytest.raises(HttpError) as caught:
        run(asking())
    assert caught.value.trouble is Trouble.PROXY
    assert asked[0].startswith("CONNECT account.example.org:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6c2UgY3JldA==\r\n" in asked[0]


def test_this_machine_is_never_asked_for_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert ask(answering(OK))[0].status == 200


LONG = bytes(range(256)) * 4_000
"""More than comes in one go."""


def fill(handler: Handler, room: memoryview, times: int = 1) -> list[Answer]:
    async def asking() -> list[Answer]:
        async with serving(handler) as port:
            client = HttpClient(f"http://127.0.0.1:{port}")
            try:
                return [
                    await client.request("GET", "/x", {}, most_bytes=1000, only=200, into=room) for _ in range(times)
                ]
            finally:
                await client.close()

    return run(asking())


@pytest.mark.parametrize("count", [0, 1, 30_000, 70_000, len(LONG)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_fills_the_room_that_was_made_for_it(count: int, chunked: bool) -> None:
    data = LONG[:count]
    pieces = [data[at : at + 50_000] for at in range(0, count, 50_000)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"
    whole = b"Transfer-Encoding: chunked\r\n\r\n" + coded if chunked else b"Content-Length: %d\r\n\r\n" % count + data
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(head + whole)(reader, writer)

    room = memoryview(bytearray(b"x" * (len(LONG) + 9)))
    answers = fill(handler, room[: len(LONG)], times=3)
    assert [(one.status, one.body, one.filled_bytes) for one in answers] == [(200, b"", count)] * 3
    assert room[:count] == data
    assert set(room[count:]) == {ord("x")}
    assert connections == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LONG) + LONG[:-1], Trouble.BROKEN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(LONG) + 1) + LONG + b"y", Trouble.TOO_LONG),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfa001\r\n" + LONG + b"y\r\n", Trouble.TOO_LONG),
        (b"HTTP/1.1 200 OK\r\n\r\n" + LONG + b"y", Trouble.TOO_LONG),
    ],
    ids=["cut", "longer", "longer-chunked", "longer-without-length"],
)
def test_a_body_that_is_not_as_long_as_it_says_is_no_answer(answer: bytes, expected: Trouble) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    room = memoryview(bytearray(b"x" * (len(LONG) + 9)))
    with pytest.raises(HttpError) as caught:
        fill(handler, room[: len(LONG)])
    assert caught.value.trouble is expected
    assert set(room[len(LONG) :]) == {ord("x")}


def test_what_follows_a_body_that_filled_its_room_is_no_next_answer() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LONG) + LONG + OK)(reader, writer)

    room = memoryview(bytearray(len(LONG)))
    answers = fill(handler, room, times=2)
    assert [one.filled_bytes for one in answers] == [len(LONG)] * 2
    assert room == LONG


def test_a_refusal_does_not_go_where_the_body_was_to_go() -> None:
    room = memoryview(bytearray(b"xxxx"))
    answer = b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone"
    assert [(one.body, one.filled_bytes) for one in fill(answering(answer), room)] == [(b"gone", 0)]
    assert bytes(room) == b"xxxx"
