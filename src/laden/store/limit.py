"""Bounds what is asked of a store at once: a store around a store.

Each request waits at the door until fewer are in flight than the pace allows, less than the link carries in some
seconds, and its time has come if there is a rate. Those who wait keep their order; they are let in when a request ends,
when the pace changes, or when a rest or the wait for their time is over, and are sent home when the run is to stop.
Behind the door nothing waits. What becomes of requests is measured in rounds and handed to `pace.adapt`. It sits below
the retries, so that a request that pauses before another attempt holds no place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple, TypeVar

from laden.store import Data, Page, Properties, Store
from laden.store.pace import FIRST_BYTES, Pace, Phase, adapt, fixed, most_bytes
from laden.store.rounds import REQUEST_AMOUNT, Begun, Round, Taken
from laden.values.errors import Interrupted, TransientStoreError
from laden.values.records import Blob

T = TypeVar("T")

STOP_WITHIN_S = 10.0
"""What requests in flight get to end, once the run is to stop."""
_STRAGGLERS = 10
"""One in so many may take much longer than the others, and holds up no trial."""
_LOOK_S = 0.2
_TICK_S = 0.001
"""Timers are no finer."""
_SLACK_S = 0.1
"""A rate is kept over so long a time: what timers and the machine hold up is made up for."""
_STOPPED = "stopped before it was sent"


class _Waiter(NamedTuple):
    turn: asyncio.Future[Begun]
    size_bytes: int
    write: bool


class Door:
    """Bounds requests of any kind to one host."""

    def __init__(self, pace: Pace, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Begin with a pace.

        Args:
            pace: how many requests to begin with, and how many at most.
            stopping: once true, writes that still wait for their turn raise `Interrupted`, and so does what is in
                flight and does not end within `STOP_WITHIN_S`.
        """
        self._stopping = stopping
        self.pace = pace
        self._waiting: deque[_Waiter] = deque()
        self._running: set[asyncio.Task[object]] = set()
        self._given_up: set[asyncio.Task[object]] = set()
        self._stop_at_s: float | None = None
        self._in_use = 0
        self._bytes = 0
        self._most_bytes = float(FIRST_BYTES)
        self._carried_bytes = 0
        self._resting_until_s = 0.0
        self._next_s = 0.0
        """When the rate lets the next one begin."""
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False
        self._round = Round(monotonic())
        self._taken = Taken()
        self._aside: Round | None = None
        """Of what begins while a trial waits for what began before it to end, and for how many of these."""
        self._older = 0

    async def bounded(self, request: Callable[[], Awaitable[T]], size_bytes: int, *, write: bool = False) -> T:
        """Wait for a place, and make the request there.

        Args:
            request: makes it.
            size_bytes: that it moves.
            write: whether it ends when the run is to stop; others end by themselves.

        Raises:
            Interrupted: the run is to stop.
        """
        if write and self._stopping():
            raise Interrupted(_STOPPED)
        begun = await self._enter(size_bytes, write)
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        done = bad = 0
        rest_s, throttled = 0.0, False
        try:
            result = await request()
            done = 1
        except TransientStoreError as error:
            bad, rest_s, throttled = 1, error.retry_after_s or 0.0, error.throttled
            error.lasted_s = monotonic() - begun.at_s
            raise
        except asyncio.CancelledError:
            if task in self._given_up and not task.uncancel():
                raise Interrupted("stopped while it was being sent") from None
            raise
        else:
            return result
        finally:
            self._running.discard(task)
            self._given_up.discard(task)
            self._leave(begun, done, bad, rest_s, throttled=throttled)

    async def _enter(self, size_bytes: int, write: bool) -> Begun:
        """Wait for a place, and take it."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_LOOK_S, self._look)
        if not self._waiting and self._room():
            return self._begin(size_bytes, idle=not self._in_use)
        self._round.full |= self._in_use >= int(self.pace.flight)
        turn: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(turn, size_bytes, write))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # Let in and cancelled in one moment: the place is the next one's.
                self._leave(turn.result(), 0, 0, 0.0)
            raise

    def _room(self) -> bool:
        return (
            self._in_use < int(self.pace.flight)
            and (self._bytes < self._most_bytes or not self._in_use)
            and not (self.pace.rest_s and monotonic() < self._resting_until_s)
            and not (self.pace.rate and self._early())
        )

    def _early(self) -> bool:
        """Whether the next one's time has not come; it will be let in then."""
        wait_s = self._next_s - monotonic()
        if wait_s <= 0:
            return False
        self._round.full = self._round.paced = True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, _TICK_S), self._due)
        return True

    def _due(self) -> None:
        self._timer = None
        self._wake()

    def _begin(self, size_bytes: int, *, idle: bool = False) -> Begun:
        now_s = monotonic()
        round_ = self._aside or self._round
        round_.begin(now_s, idle=idle)
        self._in_use += 1
        self._bytes += size_bytes
        if self.pace.rate:
            late_s = max(self._next_s, now_s - _SLACK_S)
            self._next_s = late_s + (size_bytes + REQUEST_AMOUNT) / self.pace.rate
        return Begun(now_s, size_bytes, round_, self._carried_bytes)

    def _wake(self) -> None:
        """Let in as many as there is room for, the first ones first."""
        while self._waiting and (self._waiting[0].turn.done() or self._room()):
            waiter = self._waiting.popleft()
            if waiter.turn.done():
                continue
            if waiter.write and self._stopping():
                waiter.turn.set_exception(Interrupted(_STOPPED))
            else:
                waiter.turn.set_result(self._begin(waiter.size_bytes))

    def _look(self) -> None:
        """See whether the run is to stop; it comes from a signal, which nothing here can await."""
        self._looking = bool(self._in_use or self._waiting)
        if not self._looking:
            return
        if self._stopping():
            self._send_home()
        else:
            self._stop_at_s = None
        self._wake()
        asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _send_home(self) -> None:
        """Writes that wait, at once; what is in flight, when its time is over."""
        staying: deque[_Waiter] = deque()
        for waiter in self._waiting:
            if not waiter.write:
                staying.append(waiter)
            elif not waiter.turn.done():
                waiter.turn.set_exception(Interrupted(_STOPPED))
        self._waiting = staying
        if self._stop_at_s is None:
            self._stop_at_s = monotonic() + STOP_WITHIN_S
        elif monotonic() >= self._stop_at_s:
            for task in self._running - self._given_up:
                self._given_up.add(task)
                task.cancel()

    def _leave(self, begun: Begun, done: int, bad: int, rest_s: float, *, throttled: bool = False) -> None:
        now_s = monotonic()
        self._in_use -= 1
        self._bytes -= begun.size_bytes
        amount = done * (begun.size_bytes + REQUEST_AMOUNT)
        self._taken.moved(amount)
        self._round.passed += amount
        if throttled:
            begun.round.taken = max(begun.round.taken, self._taken.refused(now_s))
        if done and begun.size_bytes and now_s > begun.at_s:
            self._carried_bytes += begun.size_bytes
            bytes_per_s = (self._carried_bytes - begun.carried_bytes) / (now_s - begun.at_s)
            self._most_bytes = most_bytes(self._most_bytes, bytes_per_s)
        if self._aside is not None and begun.round is not self._aside:
            self._older -= 1
            if self._older <= 0:
                self._aside, self._round = None, Round(now_s)
        elif begun.round is self._round:
            self._round.end(now_s, begun, done, bad, rest_s)
            if self._round.enough(self.pace):
                self._decide(now_s)
        if self._waiting:
            self._wake()

    def _decide(self, now_s: float) -> None:
        before, self.pace = self.pace, adapt(self.pace, self._round.seen())
        if self.pace.rate != before.rate:
            self._next_s = now_s
        self._round = Round(now_s)
        if self.pace.phase is Phase.TRIAL:
            # What is in flight still crowds the service, or waits on this machine, when the first fewer ones arrive.
            self._older = self._in_use - self._in_use // _STRAGGLERS
            self._aside = Round(now_s) if self._older else None
        if self.pace.rest_s:
            self._resting_until_s = now_s + self.pace.rest_s
            asyncio.get_running_loop().call_later(self.pace.rest_s, self._wake)


class Limited(Door):
    """A store whose requests are bounded; see `laden.store.Store` for the contract."""

    def __init__(self, inner: Store, *, connections: int | None, stopping: Callable[[], bool] = lambda: False) -> None:
        """Wrap a store.

        Args:
            inner: the store.
            connections: requests in flight at most, as fixed by the user; None to find out.
            stopping: as `Door`.
        """
        super().__init__(Pace() if connections is None else fixed(connections), stopping=stopping)
        self._inner = inner

    async def create(self) -> bool:
        return await self.bounded(self._inner.create, 0)

    async def list_page(self, marker: str = "") -> Page:
        return await self.bounded(lambda: self._inner.list_page(marker), 0)

    async def head(self, name: str) -> Blob:
        return await self.bounded(lambda: self._inner.head(name), 0)

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        return await self.bounded(lambda: self._inner.get(name, offset, length, etag), length)

    async def read_into(self, name: str, offset: int, room: memoryview, etag: str | None = None) -> int:
        return await self.bounded(lambda: self._inner.read_into(name, offset, room, etag), len(room))

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        await self.bounded(lambda: self._inner.put(name, data, properties, etag), len(data), write=True)

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        await self.bounded(lambda: self._inner.put_block(name, block_id, data, md5), len(data), write=True)

    async def staged(self, name: str) -> dict[str, int]:
        return await self.bounded(lambda: self._inner.staged(name), 0)

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        await self.bounded(lambda: self._inner.commit(name, block_ids, properties, etag), 0, write=True)

    async def delete(self, name: str) -> None:
        await self.bounded(lambda: self._inner.delete(name), 0)

    async def close(self) -> None:
        await self._inner.close()

    async def through(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make another request than the port's, when its turn has come; it may write."""
        return await self.bounded(request, 0, write=True)
