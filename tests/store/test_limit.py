"""The bound on requests: how many run at once, in what pace, and what becomes of those that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laden.run.loop import run
from laden.store import CREATE_ONLY, Properties
from laden.store import limit as module
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
        self.error: Callable[[], Exception] | None = None
        """Makes it: with some libraries, copies of an exception share what is noted on it."""

    async def put(self, name: str, data: Any, properties: Properties, etag: str | None) -> None:
        self.running += 1
        self.begun += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
            if self.error:
                raise self.error()
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


def test_those_who_wait_keep_their_order(tmp_path: Path) -> None:
    async def work() -> list[str]:
        begun: list[str] = []

        class Noting(Gauge):
            async def put(self, name: str, data: Any, properties: Properties, etag: str | None) -> None:
                begun.append(name)
                await super().put(name, data, properties, etag)

        gauge = Noting(tmp_path)
        store = Limited(gauge, connections=2)
        tasks = [asyncio.create_task(store.put(str(number), b"", PROPERTIES, CREATE_ONLY)) for number in range(10)]
        await settle()
        gauge.go.set()
        # Who comes in the moment in which a place gets free waits behind those who were there.
        await tasks[0]
        late = asyncio.create_task(store.put("late", b"", PROPERTIES, CREATE_ONLY))
        await asyncio.gather(*tasks, late)
        return begun

    assert run(work()) == [*map(str, range(10)), "late"]


def test_a_stop_reaches_a_queue_that_nothing_moves(tmp_path: Path) -> None:
    async def work() -> None:
        stop = False
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=1, stopping=lambda: stop)
        running, waiting = put(store), put(store)
        await settle()
        stop = True
        async with asyncio.timeout(5):
            with pytest.raises(Interrupted):
                await waiting
        assert not running.done()
        gauge.go.set()
        await running

    run(work())


def test_what_is_in_flight_is_given_up_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "STOP_WITHIN_S", 0.0)

    async def work() -> None:
        stop = False
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=4, stopping=lambda: stop)
        tasks = [put(store) for _ in range(4)]
        await settle()
        stop = True
        async with asyncio.timeout(5):
            done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Interrupted) for result in done)
        assert gauge.running == 0
        # It is these requests that were given up, not the store: what a run writes at its end goes through.
        stop = False
        gauge.go.set()
        await put(store)

    run(work())


def test_a_cancelled_request_stays_cancelled_while_the_run_stops(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "STOP_WITHIN_S", 60.0)

    async def work() -> None:
        gauge = Gauge(tmp_path)
        task = put(Limited(gauge, connections=4, stopping=lambda: gauge.running > 0))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())


def test_reads_go_on_while_the_run_stops(tmp_path: Path) -> None:
    async def work() -> None:
        store = Limited(FolderStore(tmp_path), connections=1, stopping=lambda: True)
        assert (await store.list_page()).blobs == []

    run(work())


def test_a_rest_holds_nobody_longer_than_it_lasts(tmp_path: Path) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        gauge.go.set()
        gauge.error = lambda: TransientStoreError("busy", throttled=True)
        store = Limited(gauge, connections=22)
        refused = await asyncio.gather(*[put(store) for _ in range(23)], return_exceptions=True)
        assert all(isinstance(result, TransientStoreError) for result in refused)
        assert store.pace.rest_s > 0
        gauge.error = None
        async with asyncio.timeout(10):
            await asyncio.gather(*[put(store) for _ in range(40)])
        assert store.pace.rest_s == 0

    run(work())


def test_a_failed_request_tells_how_long_it_took_without_waiting(tmp_path: Path) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        store = Limited(gauge, connections=1)
        first, second = put(store), put(store)
        await settle()
        await asyncio.sleep(0.05)
        gauge.error = lambda: TransientStoreError("broke")
        gauge.go.set()
        errors = await asyncio.gather(first, second, return_exceptions=True)
        lasted_s = [error.lasted_s for error in errors if isinstance(error, TransientStoreError)]
        assert lasted_s[0] >= 0.04
        assert lasted_s[1] < lasted_s[0]

    run(work())


def test_a_link_that_bears_more_is_given_more(tmp_path: Path) -> None:
    async def work() -> float:
        class Slow(Gauge):
            async def put(self, name: str, data: Any, properties: Properties, etag: str | None) -> None:
                await asyncio.sleep(0.01)

        store = Limited(Slow(tmp_path), connections=None)
        first = store.pace.flight
        await asyncio.gather(*[put(store) for _ in range(600)])
        return store.pace.flight - first

    assert run(work()) > 0


@pytest.mark.parametrize("connections", [1, 7])
def test_a_fixed_number_stays(tmp_path: Path, connections: int) -> None:
    async def work() -> None:
        gauge = Gauge(tmp_path)
        gauge.go.set()
        store = Limited(gauge, connections=connections)
        await asyncio.gather(*[put(store) for _ in range(500)])
        assert store.pace.flight == connections

    run(work())
