"""Tasks that run at once, seen as one stream of what comes of them; whoever ends the stream ends them.

`several` keeps so many of a sequence going; `received` hands on what a pump with tasks of its own puts into a queue. Of
what went wrong in a group of tasks, the error is told that a person can act on (`gravest`). `unless_stopped` gives up
what changes nothing; `in_own_thread` does what blocks for as long as it likes, and keeps nobody from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from laden.values.errors import Interrupted, LadenError, StoreError

T = TypeVar("T")

_LOOK_S = 0.2


async def several(works: Iterable[Coroutine[Any, Any, T]], at_once: int) -> AsyncGenerator[T, None]:
    """Yield what comes of each, as it comes; the next is taken, and begun, when one of so many has ended."""
    pending = iter(works)
    running: set[asyncio.Task[T]] = set()
    try:
        while True:
            running.update(asyncio.create_task(work) for work in islice(pending, at_once - len(running)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def unless_stopped(work: Coroutine[Any, Any, T], stopping: Callable[[], bool]) -> T:
    """Do what changes nothing, and give it up wherever it is, once it is to stop; raises `Interrupted` then."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=_LOOK_S))[0]:
            if stopping():
                raise Interrupted("stopped as you asked: nothing was changed")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_own_thread(work: Callable[[], T]) -> T:
    """What `work` returns, or raises; whoever is cancelled waits no more, and the thread keeps no process alive.

    Threads of the loop's own pool are waited for at its end, however long they take.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def tell(set_result: Callable[[Any], None], result: Any) -> None:
        if not ended.done():
            set_result(result)

    def working() -> None:
        try:
            told = partial(tell, ended.set_result, work())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            told = partial(tell, ended.set_exception, error)
        # Nobody may wait any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(told)

    threading.Thread(target=working, name="laden-verb", daemon=True).start()
    return await ended


async def received(came: asyncio.Queue[T | None], pump: Coroutine[Any, Any, None]) -> AsyncGenerator[T, None]:
    """Yield what a pump puts into its queue, until it ends; raises its gravest error. Close it to end the pump."""
    pumping = asyncio.create_task(pump)
    pumping.add_done_callback(lambda _: came.put_nowait(None))
    try:
        while (one := await came.get()) is not None:
            yield one
        await pumping
    except BaseExceptionGroup as group:
        raise gravest(group) from None
    finally:
        pumping.cancel()
        await asyncio.wait([pumping])


def gravest(error: BaseException) -> BaseException:
    """The error that ended a group of tasks, or itself: of several, one of the store, else one that has a sentence."""
    leaves = list(_leaves(error))
    for kind in (StoreError, LadenError):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
