"""The far end of an engine: what a worker of somebody else's does with a batch that it is given.

In order: a batch of another version of laden is sent back unread; the place of its work is opened, or found open (one
for each work in a process, with a thread and an event loop of its own); the batch is done there; what became of each
thing goes back, with the attempts that were repeated and the sentence that ended it, if any. Nothing is raised, so that
no worker logs what it was given. A place that nothing came to for a minute is closed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from laden._version import VERSION
from laden.run.loop import loop_factory
from laden.stages.engine.works import Doing, Hooks, Work
from laden.store import Retry
from laden.values.errors import AccessDenied, LadenError
from laden.values.secrets import note_environment

Tell = Callable[[int, int], None]
"""Told now and then how many things of a batch are done, and how many bytes of them."""

_TELL_S = 1.0
_IDLE_S = 60.0
_MOST_RETRIES = 200
"""Told of a batch."""


@cache
def own_version() -> str:
    """Of laden, in this process: its number, and a mark of its source files.

    What travels is understood by the very same code alone, and two states of one repository have one number.
    """
    root = Path(__file__).parents[2]
    mark = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        # Line ends are those of a checkout, not of the code.
        code = path.read_bytes().replace(b"\r\n", b"\n")
        mark.update(f"{path.relative_to(root).as_posix()} {len(code)}\n".encode() + code)
    return f"{VERSION} ({mark.hexdigest()[:8]})"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch."""

    results: list[Any]
    retries: list[Retry] = field(default_factory=list)
    limit: str = ""
    """What kept it from being faster."""
    error: LadenError | None = None
    """Why it was not done to its end."""


def carry(version: str, work: bytes, things: bytes, tell: Tell = lambda *_: None) -> tuple[str, bytes]:
    """Do a batch, and return this laden's version and an `Answer`, pickled; nothing, where the version is another.

    Args:
        version: of whoever gave the batch.
        work: a run's token and its `Work`, pickled; equal bytes share a place.
        things: the batch, pickled.
        tell: told about once a second how far it is; from another thread.
    """
    if version != own_version():
        return own_version(), b""
    place = _taken(work)
    try:
        answer = place.do(pickle.loads(things), tell)  # noqa: S301 - of this run's coordinator
    finally:
        place.leave()
    return version, pickle.dumps(answer)


class _Place:
    """A work that was opened in this process, and the thread that it lives in."""

    def __init__(self, work: Work[Any, Any]) -> None:
        self.users = 1
        self.pid = os.getpid()
        self._work = work
        self._retries: list[Retry] = []
        self._limit = ""
        self._doing: Doing[Any, Any] | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._last_s = 0.0
        self._closing: asyncio.Task[None] | None = None
        self._loop = (loop_factory() or asyncio.new_event_loop)()
        self._thread = threading.Thread(target=self._live, name="laden-place", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def do(self, things: Sequence[Any], tell: Tell) -> Answer:
        """Do a batch there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(self._do(things, tell), self._loop).result()

    async def _do(self, things: Sequence[Any], tell: Tell) -> Answer:
        results: list[Any] = []
        error: LadenError | None = None
        told_s, done_bytes, sizes = time.monotonic(), 0, self._work.size_bytes
        in_all_bytes = sum(map(sizes, things))
        try:
            doing = await self._opened()
            async for one in doing(things):
                results.append(one)
                if time.monotonic() - told_s >= _TELL_S:
                    told_s = time.monotonic()
                    done_bytes = in_all_bytes * len(results) // len(things)
                    tell(len(results), done_bytes)
        except AccessDenied as denied:
            # Which of many machines it is, whose credential is not enough, nobody would know.
            error = type(denied)(f"on the worker {socket.gethostname()}: {denied}", denied.code)
        except LadenError as sentence:
            error = sentence
        except Exception as bug:  # noqa: BLE001 - a worker's log must not have it, whose calls hold what it was given
            error = LadenError(f"a worker failed at a batch ({type(bug).__name__}: {bug})")
        retries, self._retries = self._retries, []
        return Answer(results, retries[-_MOST_RETRIES:], self._limit, error)

    async def _opened(self) -> Doing[Any, Any]:
        async with self._opening:
            if self._doing is None:
                hooks = Hooks(on_retry=self._retries_append, on_limit=self._limited)
                self._doing = await self._stack.enter_async_context(self._work.place(hooks))
            return self._doing

    def _retries_append(self, retry: Retry) -> None:
        self._retries.append(retry)

    def _limited(self, by: str) -> None:
        self._limit = by

    def leave(self) -> None:
        """One batch less is here."""
        with _LOCK:
            self.users -= 1
            self._last_s = time.monotonic()
        self._loop.call_soon_threadsafe(self._loop.call_later, _IDLE_S, self._close_idle)

    def _close_idle(self) -> None:
        with _LOCK:
            idle = not self.users and time.monotonic() - self._last_s >= _IDLE_S
            names = [name for name, place in _PLACES.items() if place is self and idle]
            for name in names:
                del _PLACES[name]
        if names:
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        await self._stack.aclose()
        self._loop.stop()

    def close(self) -> None:
        """Let go of all that was opened, and wait for it."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        self._thread.join()


_LOCK = threading.Lock()
_PLACES: dict[bytes, _Place] = {}


def _taken(work: bytes) -> _Place:
    """The place of that work in this process, opened if need be; a forked process has its own."""
    with _LOCK:
        place = _PLACES.get(work)
        if place is not None and place.pid == os.getpid():
            place.users += 1
            return place
        note_environment()
        _, what = pickle.loads(work)  # noqa: S301 - of this run's coordinator
        _PLACES[work] = place = _Place(what)
        return place


def leave(work: bytes) -> None:
    """Close the place of a work in this process, where there is one and nobody is in it."""
    with _LOCK:
        place = _PLACES.get(work)
        if place is None or place.users or place.pid != os.getpid():
            return
        del _PLACES[work]
    place.close()
