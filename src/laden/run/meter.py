"""How far a run is: told a few times a second, from the first byte on, with the speed of the last half minute.

It moves forward only, and knows nothing of what the bytes are. Waiting at a question and planning are not in it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from laden.run.weather import Weather
from laden.store import Retry
from laden.values.events import Observer
from laden.values.signs import Progress

_LAPSE_S = 30.0
"""An attempt that is under way for longer has most likely got through."""
_TELL_S = 0.2
_WINDOW_S = 30.0
"""What is faster or slower than half a minute ago shows; what stutters does not."""

_THROTTLED_S = 5.0
"""For so long the service is what limits, after it asked for less."""


class Meter:
    """Counts what is settled, and tells an observer."""

    def __init__(self, observer: Observer, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell `observer`; `clock` gives seconds."""
        self._observer = observer
        self._clock = clock
        self._in_all = (0, 0)
        self._items = 0
        self._bytes = 0
        self._way = (0, 0)
        self._shown = (0, 0)
        self._waiting = ""
        self._waiting_until_s = 0.0
        self._told_s = -_TELL_S
        self._later: asyncio.TimerHandle | None = None
        self._began_s: float | None = None
        self._window: deque[tuple[float, int]] = deque()
        self._limit = ""
        self._throttled_s: float | None = None
        self._weather = Weather(observer, clock)
        self._moving_since_s = 0.0
        self.moving_s = 0.0
        """For how long images were sent or read, in all: what a speed is of."""
        self.retries = 0
        """Failed attempts that were repeated."""

    def begin(self, items: int, size_bytes: int) -> None:
        """So much is to be settled; the time counts from the first step."""
        self._in_all = items, size_bytes
        self._items = self._bytes = 0
        self._way = self._shown = (0, 0)
        self._began_s = None
        self._limit, self._throttled_s = "", None
        self._window.clear()

    def start(self) -> None:
        """Images are sent or read from now on."""
        self._moving_since_s = self._clock()

    def stop(self) -> None:
        """No more of them; what limited that is no news of what comes."""
        self.moving_s += self._clock() - self._moving_since_s
        self.tell(last=True)
        self._limit = ""

    def step(self, size_bytes: int) -> None:
        """One item more is settled, and so many of the bytes that were to be."""
        self._items += 1
        self._bytes += size_bytes
        self._waiting = ""
        self._weather.went()
        self.tell()

    def on_way(self, items: int, size_bytes: int) -> None:
        """So much more is settled elsewhere, of which nothing but that is known yet; it counts until it is stepped."""
        if (items, size_bytes) != self._way:
            self._way = items, size_bytes
            self._waiting = ""
            self.tell()

    def retried(self, retry: Retry) -> None:
        """Count a failed attempt that will be repeated, or tell of a silence without one."""
        self.retries += retry.failed
        self._waiting = retry.reason
        self._waiting_until_s = self._clock() + retry.wait_s + _LAPSE_S
        if retry.throttled:
            self._throttled_s = self._clock()
        self._weather.failed(retry)
        self.tell()

    def lapse(self) -> None:
        """Where nothing is settled that would show it: what was waited for is over, as no attempt fails any more."""
        if self._waiting and self._clock() > self._waiting_until_s:
            self._waiting = ""
            self.tell()

    def limited(self, by: str) -> None:
        """What keeps it from being faster; that the service asked for less is known here."""
        self._limit = by

    def reading(self, items: int, items_in_all: int, size_bytes: int, bytes_in_all: int) -> None:
        """Tell how far the reading of whole files is."""
        self._in_all = items_in_all, bytes_in_all
        self._items, self._bytes = self._shown = items, size_bytes
        self.tell(last=True)

    def rest(self) -> None:
        """Tell nothing any more by itself."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def tell(self, *, last: bool = False) -> None:
        """Tell how far it is: if something was told just now, a little later; the `last` at once."""
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s
            self._window.append((now_s, 0))
        if not last and now_s - self._told_s < _TELL_S:
            self._tell_later()
            return
        self.rest()
        self._told_s = now_s
        if last:
            self._weather.flush()
        items, size_bytes = self._in_all
        done_items, done_bytes = self._done()
        self._observer(
            Progress(
                done_items,
                items,
                done_bytes,
                size_bytes,
                now_s - self._began_s,
                self.retries,
                self._waiting,
                self._speed_bytes_per_s(now_s),
                self._limited(now_s),
            )
        )

    def _tell_later(self) -> None:
        """What comes next may take minutes; where no loop runs, nothing waits."""
        if self._later is None:
            with suppress(RuntimeError):
                self._later = asyncio.get_running_loop().call_later(_TELL_S, self._tell_due)

    def _tell_due(self) -> None:
        self._later = None
        self.tell()

    def _done(self) -> tuple[int, int]:
        """What is settled here and elsewhere; never less than was told, also where a worker that told of it died."""
        items, size_bytes = self._items + self._way[0], self._bytes + self._way[1]
        if self._way != (0, 0):
            items, size_bytes = min(items, self._in_all[0]), min(size_bytes, self._in_all[1])
        self._shown = max(items, self._shown[0]), max(size_bytes, self._shown[1])
        return self._shown

    def _limited(self, now_s: float) -> str:
        lately = self._throttled_s is not None and now_s - self._throttled_s < _THROTTLED_S
        return "service" if lately else self._limit

    def _speed_bytes_per_s(self, now_s: float) -> float:
        done_bytes = self._shown[1]
        self._window.append((now_s, done_bytes))
        while len(self._window) > 2 and self._window[1][0] <= now_s - _WINDOW_S:
            self._window.popleft()
        began_s, before_bytes = self._window[0]
        return (done_bytes - before_bytes) / (now_s - began_s) if now_s > began_s else 0.0
