"""What is given up and what is not, on lines that are slow, stuck or dripping: real sockets, times of a hundredth."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from laden.run.loop import run
from laden.store import connection, sockets
from laden.store.http import Answer, HttpClient, HttpError, Trouble

STALL_S = 1.0
"""On a busy machine a process is kept waiting: what a host still has to take from the buffers is to fit in it."""
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_STALL_S", STALL_S)


@pytest.fixture(params=["acknowledged bytes", "bytes handed over"])
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the system tells of a line: Linux what was acknowledged, others nothing."""
    if request.param == "bytes handed over":
        monkeypatch.setattr(sockets, "_TELLS", False)
        monkeypatch.setattr(sockets, "_SMALL_BUFFER_BYTES", 32 << 10)
        monkeypatch.setattr(connection, "_PIECE_BYTES", 16 << 10)
    return str(request.param)


class Line:
    """A host that takes so many bytes at a time, with pauses between, through a small buffer; then it answers."""

    def __init__(self, take_bytes: int, pause_s: float, most_bytes: int, answer: bytes = ANSWER) -> None:
        self._take_bytes, self._pause_s, self._most_bytes, self._answer = take_bytes, pause_s, most_bytes, answer
        self.taken_bytes = 0
        self.end = ""
        self.moving = asyncio.Event()
        self.ended = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 10)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)
            serving = loop.create_task(self._serve(listener))
            try:
                yield listener.getsockname()[1]
            finally:
                serving.cancel()
                await asyncio.wait([serving])

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        sock, _ = await loop.sock_accept(listener)
        with sock:
            try:
                while self.taken_bytes < self._most_bytes:
                    data = await loop.sock_recv(sock, self._take_bytes)
                    self.taken_bytes += len(data)
                    if self.taken_bytes > 100_000:
                        self.moving.set()
                    if not data:
                        self.end = "end"
                        break
                    await asyncio.sleep(self._pause_s)
                else:
                    await loop.sock_sendall(sock, self._answer)
                    await asyncio.sleep(3600)
            except ConnectionResetError:
                self.end = "reset"
            self.ended.set()


async def put(port: int, size_bytes: int) -> Answer:
    client = HttpClient(f"http://127.0.0.1:{port}")
    try:
        return await client.request("PUT", "/", {}, bytes(size_bytes), most_bytes=1000)
    finally:
        await client.close()


def sent_over(line: Callable[[], Line], size_bytes: int) -> Answer:
    async def work() -> Answer:
        made = line()
        async with made.open() as port:
            return await put(port, size_bytes)

    return run(work())


@pytest.mark.usefixtures("known")
def test_what_moves_slowly_arrives_however_long_it_takes() -> None:
    assert sent_over(lambda: Line(16 << 10, 0.01, 2_500_000), 2_500_000).status == 201


def test_what_lies_in_the_system_s_buffer_is_seen_to_move() -> None:
    """All of it does, from the start: only what is acknowledged tells."""
    assert sent_over(lambda: Line(16 << 10, 0.05, 200_000), 200_000).status == 201


@pytest.mark.usefixtures("known")
def test_a_line_that_is_stuck_is_given_up() -> None:
    with pytest.raises(HttpError) as caught:
        sent_over(lambda: Line(16 << 10, 3600, 1 << 30), 8 << 20)
    assert caught.value.trouble is Trouble.TIMEOUT


def test_an_answer_may_be_long_in_coming_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> bytes:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20480\r\n\r\n")
            for _ in range(20):
                await asyncio.sleep(STALL_S / 8)
                writer.write(b"x" * 1024)
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            return (await client.request("GET", "/", {}, most_bytes=1 << 20)).body
        finally:
            await client.close()
            server.close()

    assert len(run(work())) == 20480


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_a_host_that_drips_is_given_up(answer: bytes) -> None:
    """A byte now and then, of head or body, is no progress."""

    async def work() -> None:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            for byte in b"HTTP/1.1 200 Something or other, for a very long time" * 1000:
                if writer.transport.is_closing():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(STALL_S / 20)
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        try:
            await put(server.sockets[0].getsockname()[1], 10)
        finally:
            server.close()

    with pytest.raises(HttpError) as caught:
        run(work())
    assert caught.value.trouble is Trouble.TIMEOUT


def test_what_is_given_up_is_not_sent_on_by_the_system() -> None:
    async def work() -> Line:
        line = Line(4 << 10, 0.001, 1 << 30)
        async with line.open() as port:
            putting = asyncio.create_task(put(port, 2_000_000))
            await line.moving.wait()
            putting.cancel()
            await asyncio.wait([putting])
            before = line.taken_bytes
            await asyncio.wait_for(line.ended.wait(), 30)
            assert line.taken_bytes - before < 500_000
        return line

    assert run(work()).end == "reset"
