"""Tasks at once: never more than asked, none left when the stream ends, and the gravest of their errors."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from laden.run.tasks import gravest, in_own_thread, received, several, unless_stopped
from laden.values.errors import Interrupted, SourceError, StoreError, TransientStoreError


def test_so_many_are_under_way_and_the_next_begins_when_one_ends() -> None:
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    async def run() -> list[int]:
        return [found async for found in several((work(number) for number in range(20)), 3)]

    assert sorted(asyncio.run(run())) == list(range(20))
    assert most == 3


def test_who_closes_the_stream_ends_what_is_under_way_and_begins_no_more() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        try:
            if number:
                await asyncio.Event().wait()
            return number
        finally:
            ended.append(number)

    def works() -> Iterator[Coroutine[Any, Any, int]]:
        return (work(number) for number in range(9))

    async def run() -> int:
        async with aclosing(several(works(), 4)) as stream:
            return await anext(stream)

    assert asyncio.run(run()) == 0
    assert sorted(begun) == sorted(ended) == [0, 1, 2, 3]


def test_what_a_pump_puts_comes_before_its_error() -> None:
    async def pump(came: "asyncio.Queue[int | None]") -> None:
        came.put_nowait(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(SourceError("an archive")))
            group.create_task(fail(TransientStoreError("the service")))

    async def fail(error: Exception) -> None:
        raise error

    found: list[int] = []

    async def run() -> None:
        came: asyncio.Queue[int | None] = asyncio.Queue()
        async for one in received(came, pump(came)):
            found.append(one)

    with pytest.raises(TransientStoreError, match="the service"):
        asyncio.run(run())
    assert found == [1]


def test_a_stream_that_is_closed_ends_its_pump() -> None:
    ended = False

    async def pump(came: "asyncio.Queue[int | None]") -> None:
        nonlocal ended
        came.put_nowait(1)
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    async def run() -> None:
        came: asyncio.Queue[int | None] = asyncio.Queue()
        async with aclosing(received(came, pump(came))) as stream:
            assert await anext(stream) == 1

    asyncio.run(run())
    assert ended


def test_the_gravest_is_one_of_the_store_however_deep() -> None:
    store, source = TransientStoreError("a"), SourceError("b")
    assert gravest(ExceptionGroup("", [ValueError(), ExceptionGroup("", [source, store])])) is store
    assert gravest(ExceptionGroup("", [ValueError(), source])) is source
    assert gravest(source) is source


def test_what_changes_nothing_is_given_up_wherever_it_is() -> None:
    closed: list[bool] = []

    async def reads() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    with pytest.raises(Interrupted, match="stopped as you asked"):
        asyncio.run(unless_stopped(reads(), lambda: True))
    assert closed == [True]


def test_what_ends_by_itself_is_what_it_is() -> None:
    async def value() -> int:
        return 7

    async def error() -> int:
        raise StoreError("why")

    assert asyncio.run(unless_stopped(value(), lambda: True)) == 7
    with pytest.raises(StoreError, match="why"):
        asyncio.run(unless_stopped(error(), lambda: False))


def test_a_thread_of_its_own_gives_what_it_returns_and_raises() -> None:
    def fails() -> None:
        raise StoreError("why")

    assert asyncio.run(in_own_thread(lambda: 7)) == 7
    with pytest.raises(StoreError, match="why"):
        asyncio.run(in_own_thread(fails))
