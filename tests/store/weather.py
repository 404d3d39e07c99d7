"""Bad weather in virtual time: a service behind a link, as laden's own wrappers see it, and no second of real waiting.

`VirtualLoop` is an event loop whose clock jumps to the next timer. `Service` answers puts as its `Weather` says.
`play` sends items through `Retrying` around `Limited`, a thousand at a time as a transfer does, and tells what it took.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from laden.store import CREATE_ONLY, Properties, Retry, limit, retry
from laden.values.errors import StoreError, TransientStoreError

WINDOW_ITEMS = 1024
"""Small items in flight or waiting at once: the transfer's window, see `laden.stages.transfer`."""
PROPERTIES = Properties(bytes(16))


class _Jumping(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    """Waits for nothing: the time is moved instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("everybody waits and nobody will wake them")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. Nothing real can be awaited in it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


@contextmanager
def virtual_time() -> Iterator[asyncio.Runner]:
    """A runner in whose loop laden's wrappers live by the virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.MonkeyPatch.context() as patch:
        for module in (limit, retry):
            patch.setattr(module, "monotonic", runner.get_loop().time)
        yield runner


@dataclass(frozen=True)
class Weather:
    """What a service and the link to it do to a put. Shares are of all puts."""

    latency_s: Callable[[float], float] = lambda _: 0.005
    """By the time at which a put begins."""
    serve_s: float = 1e-4
    """What the service, or the machine that sends, spends on each, one after the other."""
    refused: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    slow_s: float = 30.0
    down: tuple[tuple[float, float], ...] = ()
    """Begin and end of spans in which every put is refused."""
    silent: bool = False
    """Whether connections break in such spans instead."""
    per_s: float = 0.0
    """Puts a second that are taken; what is above is refused at once. 0 for any number."""
    burst_s: float = 0.1
    """So long a rest is made up for: a bucket of so many seconds' puts, full at first."""
    link_bytes_per_s: float = 0.0
    """Shared fairly by all puts in flight. 0 for any."""
    retry_after_s: float | None = None


class Link:
    """A link that all transfers share equally."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._each_bytes = 0.0
        """What every transfer that was there all the time has got."""
        self._at_s = 0.0
        self._ends: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self.most_bytes = self.bytes = 0
        """In flight, at most and now."""

    async def carry(self, size_bytes: int) -> None:
        self._advance()
        self.bytes += size_bytes
        self.most_bytes = max(self.most_bytes, self.bytes)
        end = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._ends, (self._each_bytes + size_bytes, self._number, end))
        self._arrange()
        await end
        self.bytes -= size_bytes

    def _advance(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._ends:
            self._each_bytes += (now_s - self._at_s) * self._bytes_per_s / len(self._ends)
        self._at_s = now_s

    def _arrange(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ends:
            left_bytes = self._ends[0][0] - self._each_bytes
            wait_s = max(0.0, left_bytes * len(self._ends) / self._bytes_per_s)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._end)

    def _end(self) -> None:
        self._advance()
        while self._ends and self._ends[0][0] <= self._each_bytes + 1e-3:
            heapq.heappop(self._ends)[2].set_result(None)
        self._arrange()


class Service:
    """Takes puts in some weather, and counts them."""

    def __init__(self, weather: Weather, seed: int) -> None:
        self._weather = weather
        self._chance = random.Random(seed)
        self._free_s = 0.0
        self._tokens, self._token_s = weather.per_s * weather.burst_s, 0.0
        self.link = Link(weather.link_bytes_per_s) if weather.link_bytes_per_s else None
        self.asked = self.taken = self.refused = self.running = 0
        self.asked_at_s: list[float] = []

    async def put(self, _: str, data: bytes, __: Properties, ___: str | None) -> None:
        weather, loop = self._weather, asyncio.get_running_loop()
        begun_s = loop.time()
        self.asked += 1
        self.asked_at_s.append(begun_s)
        chance = self._chance.random()
        if self.link is not None:
            await self.link.carry(len(data))
        latency_s = weather.latency_s(begun_s)
        if chance < weather.cut:
            await asyncio.sleep(latency_s / 2)
            raise TransientStoreError("the connection broke")
        self._free_s = max(loop.time(), self._free_s) + weather.serve_s
        await asyncio.sleep(latency_s + self._free_s - loop.time())
        if chance > 1 - weather.slow:
            await asyncio.sleep(weather.slow_s)
        down = any(first_s <= loop.time() < last_s for first_s, last_s in weather.down)
        if down and weather.silent:
            raise TransientStoreError("the connection broke")
        if down or weather.cut <= chance < weather.cut + weather.refused or not self._admits():
            self.refused += 1
            raise TransientStoreError("busy", weather.retry_after_s, throttled=True)
        self.taken += 1

    def _admits(self) -> bool:
        weather = self._weather
        if not weather.per_s:
            return True
        now_s = asyncio.get_running_loop().time()
        self._tokens = min(weather.per_s * weather.burst_s, self._tokens + (now_s - self._token_s) * weather.per_s)
        self._token_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Played:
    """How a load through some weather went."""

    seconds: float
    failed: int
    service: Service
    store: limit.Limited
    retries: list[Retry] = field(default_factory=list)


def play(
    weather: Weather,
    puts: int,
    *,
    size_bytes: int = 20_000,
    seed: int = 1,
    connections: int | None = None,
    window_items: int = WINDOW_ITEMS,
) -> Played:
    """Send so many items of one size through the weather."""
    random.seed(seed)
    service = Service(weather, seed)
    with virtual_time() as runner:
        return runner.run(_sent(service, puts, bytes(size_bytes), connections, window_items))


async def _sent(service: Service, puts: int, data: bytes, connections: int | None, window_items: int) -> Played:
    store = limit.Limited(service, connections=connections)  # type: ignore[arg-type]
    played = Played(0.0, 0, service, store)
    retrying = retry.Retrying(store, on_retry=played.retries.append)
    names = iter(range(puts))

    async def send() -> None:
        for name in names:
            try:
                await retrying.put(str(name), data, PROPERTIES, CREATE_ONLY)
            except StoreError:
                played.failed += 1

    await asyncio.gather(*(send() for _ in range(min(window_items, puts))))
    played.seconds = asyncio.get_running_loop().time()
    return played
