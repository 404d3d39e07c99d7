"""The way to the hosts that sources lie on, for threads: one event loop beside them, and what is asked of each host.

A `Wire` has a thread with an event loop, in which everything that waits for a network runs; readers in other threads
`begin` work there and wait for it. A `Host` has the connections to one origin, one door that says how many requests
are in flight (a few to begin with, more as long as they pay), and repeats what may succeed later. A host that wants to
be left alone is left alone by all requests. `close` ends what is under way, so that nobody waits for a dead link.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from time import monotonic
from typing import Any, Self, TypeVar

from laden._version import VERSION
from laden.remote.answers import CutOff, weather
from laden.remote.link import Link
from laden.run.loop import loop_factory
from laden.store import Retry
from laden.store.connection import Sink
from laden.store.http import Answer, HttpClient, HttpError, Trouble
from laden.store.limit import Door
from laden.store.pace import Pace, fixed
from laden.store.retry import FIRST_PAUSE_S, PATIENCE_S, Repeating
from laden.store.trouble import LASTING, SENTENCES
from laden.store.trust import is_azure
from laden.values.errors import Interrupted, StoreError, TransientStoreError

T = TypeVar("T")

_FEW, _MOST_FEW = 4, 16
"""Requests in flight to begin with, and at most: publishers' servers are shared, and block whom they find rude."""
_MANY, _MOST_MANY = 16, 64
"""The same of the clouds' own hosts, which are made for it."""
_ROUND = 8
"""Requests after which it is seen whether more at once pay: most are for megabytes."""
_CLOUDS = (".amazonaws.com", ".googleapis.com", ".cloudfront.net")
_LOOK_S = 0.5
_END_WITHIN_S = 10.0
_MOST_ERROR_BYTES = 64 << 10


AGENT = f"laden/{VERSION} (loads imaging datasets; ranged, throttled, resumable)"
"""Hosts throttle those who do not say who they are."""


class Host:
    """One origin. Used within the wire's loop."""

    def __init__(
        self,
        origin: str,
        name: str,
        *,
        connections: int | None,
        on_retry: Callable[[Retry], None],
        stopping: Callable[[], bool],
        machines: int = 1,
    ) -> None:
        self.name = name
        self._client = HttpClient(origin)
        self._stopping = stopping
        first, most = (_MANY, _MOST_MANY) if is_azure(name) or name.endswith(_CLOUDS) else (_FEW, _MOST_FEW)
        first, most = max(first // machines, 1), max(most // machines, 1)
        pace = fixed(connections) if connections else Pace(first, most=most, before=first, least_round=_ROUND)
        self._door = Door(pace, stopping=stopping)
        self._repeating = Repeating(
            on_retry=on_retry, stopping=stopping, first_pause_s=FIRST_PAUSE_S, longest_wish_s=PATIENCE_S
        )
        self._rests_until_s = 0.0
        self.requests = 0
        """Sent so far."""

    async def repeat(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make an attempt, again while that may help."""
        return await self._repeating.repeat(attempt)

    async def once(
        self,
        method: str,
        link: Link,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        most_bytes: int,
        only: int,
        sink: Sink | None = None,
    ) -> Answer:
        """One request: its answer, whatever it says, but for weather.

        Args:
            method: `GET` or `PROPFIND`.
            link: on this host.
            headers: beside those that all requests have.
            body: of the request.
            most_bytes: of the body that is hoped for.
            only: the status of the answer that is hoped for; of others, 64 KiB are read.
            sink: takes that body as it comes.

        Raises:
            TransientStoreError: it may succeed later; `CutOff` with what had come.
            StoreError: it cannot.
            Interrupted: the run is to stop.
        """
        await self._rested()
        every = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        size_bytes = 0 if sink else most_bytes

        async def ask() -> Answer:
            self.requests += 1
            try:
                answer = await self._client.request(
                    method, link.target, every, body, most_bytes=most_bytes, only=only, sink=sink
                )
            except HttpError as error:
                answer = self._whole_enough(error, only, sink)
            if (busy := weather(self.name, answer)) is not None:
                if busy.throttled and busy.retry_after_s:
                    wish_s = min(busy.retry_after_s, PATIENCE_S)
                    self._rests_until_s = max(self._rests_until_s, monotonic() + wish_s)
                raise busy
            return answer

        return await self.let_in(ask, size_bytes)

    async def let_in(self, request: Callable[[], Awaitable[T]], size_bytes: int) -> T:
        """Make a request once there is a place for it."""
        return await self._door.bounded(request, size_bytes, write=True)

    def _whole_enough(self, error: HttpError, only: int, sink: Sink | None) -> Answer:
        """What had come of an answer that is not the one hoped for: its head and its beginning say enough."""
        too_long = error.trouble is Trouble.TOO_LONG and sink is None
        if error.partial is not None and (too_long or error.partial.status != only):
            return error.partial
        sentence = _SENTENCES[error.trouble].format(
            host=self.name, proxy=self._client.proxy_setting, detail=error.detail
        )
        if error.partial is not None and error.trouble is not Trouble.TOO_LONG:
            raise CutOff(sentence, error.partial) from None
        if error.trouble in LASTING:
            raise StoreError(sentence) from None
        retry_after_s = 0.0 if error.trouble is Trouble.STALE else None
        raise TransientStoreError(sentence, retry_after_s, throttled=error.throttled) from None

    async def _rested(self) -> None:
        while (left_s := self._rests_until_s - monotonic()) > 0:
            if self._stopping():
                raise Interrupted("stopped while a host wanted to be left alone")
            await asyncio.sleep(min(left_s, _LOOK_S))

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


_SENTENCES = {**SENTENCES, Trouble.NAME: "the name {host} cannot be resolved: check the link and the network"}


class Wire:
    """Everything that sources on other machines are read through. Close it; what is under way ends then."""

    def __init__(
        self,
        *,
        connections: int | None = None,
        on_retry: Callable[[Retry], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare; no thread runs yet.

        Args:
            connections: requests in flight to each host at most, as a person says; None to find out.
            on_retry: told of attempts that will be repeated, in the wire's own thread.
            stopping: once true, nothing more is begun, and what is under way gets ten seconds.
        """
        self._connections = connections
        self._on_retry = on_retry
        self._stopping = stopping
        self.machines = 1
        """That ask the same hosts at once: each has its part of the requests that one may have in flight."""
        self._hosts: dict[str, Host] = {}
        self.kept: dict[str, Any] = {}
        """What others keep for as long as this lives, by origin; used within the loop."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending: asyncio.Event | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._meanwhile: tuple[int, Callable[[], None]] | None = None

    def host(self, link: Link) -> Host:
        """The host of a link; called in the wire's loop."""
        host = self._hosts.get(link.origin)
        if host is None:
            host = Host(
                link.origin,
                link.host,
                connections=self._connections,
                on_retry=self._on_retry,
                stopping=lambda: self._closed or self._stopping(),
                machines=self.machines,
            )
            self._hosts[link.origin] = host
        return host

    @property
    def requests(self) -> int:
        """Sent so far, to all hosts."""
        return sum(host.requests for host in list(self._hosts.values()))

    def while_waiting(self, call: Callable[[], None]) -> None:
        """Have something done now and then while this very thread waits, as nobody else tells why it does."""
        self._meanwhile = threading.get_ident(), call

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin work in the loop, from any thread."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._running())
        except BaseException:
            work.close()
            raise

    def wait(self, future: Future[T]) -> T:
        """The result of what was begun, for a thread other than the loop's.

        Raises:
            Interrupted: the wire was closed meanwhile.
        """
        while True:
            try:
                return future.result(timeout=_LOOK_S)
            except CancelledError:
                raise Interrupted("stopped while a source on another machine was read") from None
            except TimeoutError:
                if future.done():
                    raise
                if self._meanwhile is not None and self._meanwhile[0] == threading.get_ident():
                    self._meanwhile[1]()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work in the loop, and wait for it."""
        return self.wait(self.begin(work))

    def soon(self, call: Callable[[], object]) -> None:
        """Have something done in the loop, where it still runs."""
        with suppress(RuntimeError):
            self._running().call_soon_threadsafe(call)

    def close(self) -> None:
        """End what is under way, and the thread."""
        with self._lock:
            self._closed = True
            thread, loop, ending = self._thread, self._loop, self._ending
        if thread is not None and loop is not None and ending is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(ending.set)
            thread.join(_END_WITHIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise Interrupted("the source on another machine was closed")
            if self._loop is None:
                ready = threading.Event()
                self._thread = threading.Thread(target=self._serve, args=(ready,), name="laden-wire", daemon=True)
                self._thread.start()
                ready.wait()
            assert self._loop is not None
            return self._loop

    def _serve(self, ready: threading.Event) -> None:
        async def live() -> None:
            self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
            ready.set()
            await self._ending.wait()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for host in self._hosts.values():
                await host.close()

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(live())
