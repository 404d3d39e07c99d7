"""Which address of a host is used: real sockets on 127.0.0.x, one of which takes connections from nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from laden.store import dial
from laden.store.dial import Dialler
from laden.store.trouble import HttpError, Trouble

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def in_loop(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


class Addresses:
    """Listeners on one port, as the addresses of a name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._port = 0
        self.found: list[tuple[Any, ...]] = []
        self.tried: list[str] = []
        real = dial._socket

        def counted(info: Any) -> socket.socket:
            self.tried.append(info[4][0])
            return real(info)

        async def resolved(_: Dialler) -> list[Any]:
            return list(self.found)

        monkeypatch.setattr(dial, "_socket", counted)
        monkeypatch.setattr(Dialler, "_resolved", resolved)

    def _add(self, address: str) -> socket.socket:
        sock = self._stack.enter_context(socket.socket())
        sock.bind((address, self._port))
        self._port = sock.getsockname()[1]
        self.found.append((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, self._port)))
        return sock

    def dead(self, address: str) -> None:
        """It swallows what knocks: its queue is full, and nobody serves it."""
        listener = self._add(address)
        listener.listen(0)
        for _ in range(3):
            waiting = self._stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())

    def closed(self, address: str) -> None:
        self._add(address)

    def alive(self, address: str) -> None:
        self._add(address).listen()

    def dialler(self) -> Dialler:
        return Dialler("account.example.org", self._port)


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    with contextlib.ExitStack() as stack:
        yield Addresses(monkeypatch, stack)


async def reached(dialler: Dialler) -> str:
    with await dialler.connect() as sock:
        address: str = sock.getpeername()[0]
        return address


def test_a_dead_address_is_passed_over_and_not_tried_again(in_loop, addresses, monkeypatch):
    monkeypatch.setattr(dial, "_NEXT_ADDRESS_S", 0.02)
    addresses.dead("127.0.0.2")
    addresses.alive("127.0.0.1")
    dialler = addresses.dialler()
    assert in_loop(reached(dialler)) == "127.0.0.1"
    assert addresses.tried == ["127.0.0.2", "127.0.0.1"]
    monkeypatch.setattr(dial, "_NEXT_ADDRESS_S", 3600)
    assert in_loop(reached(dialler)) == "127.0.0.1"
    assert addresses.tried == ["127.0.0.2", "127.0.0.1", "127.0.0.1"]


def test_what_refuses_is_passed_over_at_once(in_loop, addresses, monkeypatch):
    monkeypatch.setattr(dial, "_NEXT_ADDRESS_S", 3600)
    addresses.closed("127.0.0.2")
    addresses.alive("127.0.0.1")
    assert in_loop(reached(addresses.dialler())) == "127.0.0.1"


def test_an_address_that_worked_and_dies_is_passed_over_too(in_loop, addresses, monkeypatch):
    monkeypatch.setattr(dial, "_NEXT_ADDRESS_S", 0.02)
    addresses.dead("127.0.0.2")
    addresses.alive("127.0.0.1")
    dialler = addresses.dialler()
    dialler._worked = addresses.found[0][4]
    assert in_loop(reached(dialler)) == "127.0.0.1"


@pytest.mark.parametrize(
    ("kinds", "trouble"),
    [
        (("dead",), Trouble.UNREACHED),
        (("dead", "dead"), Trouble.UNREACHED),
        (("closed", "dead"), Trouble.UNREACHED),
        (("closed",), Trouble.REFUSED),
    ],
)
def test_silence_is_not_told_as_a_refusal(in_loop, addresses, monkeypatch, kinds, trouble):
    monkeypatch.setattr(dial, "_ADDRESS_S", 0.1 if trouble is Trouble.UNREACHED else 3600)
    monkeypatch.setattr(dial, "_NEXT_ADDRESS_S", 0.01)
    for number, kind in enumerate(kinds):
        getattr(addresses, kind)(f"127.0.0.{number + 1}")
    with pytest.raises(HttpError) as raised:
        in_loop(reached(addresses.dialler()))
    assert raised.value.trouble is trouble


def test_a_resolver_that_is_silent_is_given_up(in_loop, monkeypatch):
    monkeypatch.setattr(dial, "_RESOLVE_S", 0.01)

    async def work() -> None:
        async def nothing(*_: object, **__: object) -> None:
            await asyncio.sleep(3600)

        monkeypatch.setattr(dial.asyncio, "get_running_loop", lambda: type("Loop", (), {"getaddrinfo": nothing}))
        await Dialler("account.example.org", 443).connect()

    with pytest.raises(HttpError) as raised:
        in_loop(work())
    assert raised.value.trouble is Trouble.NAME
