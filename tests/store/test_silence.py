"""Silence is told from slowness, and as an outage long before a silent request is given up."""

from __future__ import annotations

import asyncio

import pytest

from laden.run.loop import run
from laden.store import Properties, Retry, open_store, parse_destination
from laden.store.retry import OUTAGE_S, Retrying
from laden.store.silence import LOOK_S, Silence


class Line:
    """A connection of which a test says what it does."""

    def __init__(self) -> None:
        self.is_asking = True
        self.is_held = False
        self.bytes = 0

    def moved_bytes(self) -> int:
        return self.bytes


def looked(silence: Silence, lines: list[Line], times: int) -> float | None:
    return [silence.look(lines) for _ in range(times)][-1]


def test_nothing_that_moves_for_ten_looks_is_ten_seconds_of_silence() -> None:
    silence, lines = Silence(), [Line(), Line()]
    assert silence.look(lines) == 0, "nothing is known at the first look"
    assert looked(silence, lines, 10) == 10 * LOOK_S >= OUTAGE_S
    lines[1].bytes += 1
    assert silence.look(lines) == 0
    assert silence.look(lines) == LOOK_S


@pytest.mark.parametrize("what", ["a body moves", "the cap", "others come and go"])
def test_what_is_slow_is_not_silent(what: str) -> None:
    silence, lines = Silence(), [Line(), Line()]
    for _ in range(30):
        if what == "a body moves":
            lines[0].bytes += 1
        elif what == "the cap":
            lines[0].is_held = True
        else:
            lines[0].is_asking = not lines[0].is_asking
        assert silence.look(lines) == 0


def test_where_nothing_is_asked_nobody_is_silent() -> None:
    silence, line = Silence(), Line()
    looked(silence, [line], 20)
    line.is_asking = False
    assert silence.look([line]) is None
    assert silence.look([]) is None


def test_a_service_that_says_nothing_is_an_outage_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's address: a host that takes a blob's bytes and answers once it was told to be silent."""
    monkeypatch.setattr("laden.store.http.LOOK_S", 0.005)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    told: list[Retry] = []

    async def work() -> None:
        silent = asyncio.Event()

        def on_retry(retry: Retry) -> None:
            told.append(retry)
            silent.set()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await silent.wait()
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        store = open_store(
            parse_destination(f"http://127.0.0.1:{port}/devstoreaccount1/cont"), connections=1, on_retry=on_retry
        )
        await store.put("a.png", b"x", Properties(bytes(16)), None)
        await store.close()
        server.close()

    run(work())
    assert told == [
        Retry("the service is silent", 0.0, False, OUTAGE_S, failed=False),
        Retry("", 0.0, False, failed=False),
    ]


def test_a_silence_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Retry] = []
    there = Retrying(None, on_retry=told.append)  # type: ignore[arg-type]
    for seconds in range(60):
        there.silent(float(seconds))
    assert [retry.silent_s for retry in told] == [OUTAGE_S]
