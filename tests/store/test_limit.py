"""The bound on requests: how many run at once, in what pace, and what becomes of those that wait."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laden.run.loop import run
from laden.store import CREATE_ONLY, Properties
from laden.store.folder import FolderStore
from laden.store.limit import Limited
from laden.values.errors import Interrupted, TransientStoreError

PROPERTIES = Properties(bytes(16))


class Gauge(FolderStore):
    """A store that counts the puts that run at once, and holds each until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.running = self.most = self.begun = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def put(self, name: str, data: Any, properties: Properties, etag: str | None) -> None:
        self.running += 1
        self.begun += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
            if self.error:
                raise self.error
        finally:
            self.running -= 1


def put(store: Limited) -> asyncio.Task[None]:
    return asyncio.create_task(store.put("a", b"", PROPERTIES, CREATE_ONLY))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_no_more_than_the_number_given_run_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=3)
        tasks = [put(store) for _ in range(20)]
        await settle()
        assert (gauge.running, gauge.begun) == (3, 3)
        gauge.go.set()
        await asyncio.gather(*tasks)
        assert (gauge.most, gauge.begun) == (3, 20)

    run(work())


def test_those_that_are_cancelled_give_their_place_to_the_next(tmp_path: Path) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=2)
        tasks = [put(store) for _ in range(8)]
        await settle()
        for task in tasks[:5]:
            task.cancel()
        await settle()
        assert gauge.running == 2
        gauge.go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result is None for result in done] == [False] * 5 + [True] * 3

    run(work())


def test_one_cancelled_in_the_moment_it_is_woken_wakes_the_next(tmp_path: Path) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=1)
        tasks = [put(store) for _ in range(3)]
        await settle()
        gauge.go.set()
        await tasks[0]
        tasks[1].cancel()
        async with asyncio.timeout(5):
            await tasks[2]

    run(work())


def test_a_stop_reaches_those_that_wait_and_spares_those_that_run(tmp_path: Path) -> None:
    async def work() -> None:
        stop = False
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=2, stopping=lambda: stop)
        tasks = [put(store) for _ in range(6)]
        await settle()
        stop = True
        gauge.go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert done[:2] == [None, None]
        assert all(isinstance(result, Interrupted) for result in done[2:])
        assert gauge.begun == 2
        assert (await store.list_page()).blobs == []

    run(work())


def test_a_rate_spaces_the_starts(tmp_path: Path) -> None:
    async def work() -> float:
        gauge = Gauge(tmp_path)
        gauge.go.set()
        store = Limited(gauge, connections=50)
        store.pace = replace(store.pace, per_s=1_000.0)
        began_s = time.monotonic()
        await asyncio.gather(*[put(store) for _ in range(200)])
        return time.monotonic() - began_s

    # At least: how much longer it takes depends on the machine.
    assert run(work()) >= 0.19


def test_throttling_sets_a_rate_even_where_the_user_fixed_the_connections(tmp_path: Path) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        gauge.go.set()
        store = Limited(gauge, connections=4)
        for number in range(100_000):
            gauge.error = TransientStoreError("busy", throttled=True) if number % 10 == 9 else None
            with contextlib.suppress(TransientStoreError):
                await put(store)
            if store.pace.per_s < math.inf:
                break
        assert 1 <= store.pace.per_s < math.inf
        assert store.pace.connections == 4

    run(work())


def test_a_link_that_bears_more_is_given_more(tmp_path: Path) -> None:
    async def work() -> int:
        class Slow(Gauge):
            async def put(self, name: str, data: Any, properties: Properties, etag: str | None) -> None:
                await asyncio.sleep(0.01)

        store = Limited(Slow(tmp_path), connections=None)
        first = store.pace.connections
        await asyncio.gather(*[put(store) for _ in range(600)])
        return store.pace.connections - first

    assert run(work()) > 0


@pytest.mark.parametrize("connections", [1, 7])
def test_a_fixed_number_stays(tmp_path: Path, connections: int) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        gauge.go.set()
        store = Limited(gauge, connections=connections)
        await asyncio.gather(*[put(store) for _ in range(500)])
        assert store.pace.connections == connections

    run(work())
