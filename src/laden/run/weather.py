"""What the way to the destination is like: attempts that are repeated, told once a second, and outages.

An outage is when the destination did nothing useful for anybody for some seconds, as its retries say, which hear of
silence before an attempt fails; it is over as soon as something gets through. Nothing is decided here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from laden.store import Retry
from laden.store.retry import OUTAGE_S
from laden.values.events import Observer
from laden.values.signs import Outage, Retried

_TELL_S = 1.0


class Weather:
    """Sums up what the retries say, and tells an observer."""

    def __init__(self, observer: Observer, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell `observer`; `clock` gives seconds."""
        self._observer = observer
        self._clock = clock
        self._attempts = self._throttled = 0
        self._reason = ""
        self._told_s = -_TELL_S
        self._out_since_s: float | None = None

    def failed(self, retry: Retry) -> None:
        """An attempt failed, and will be repeated; or there is news of a silence."""
        now_s = self._clock()
        if retry.failed:
            self._attempts += 1
            self._throttled += retry.throttled
            self._reason = retry.reason
        if retry.silent_s < OUTAGE_S:
            self.went()
        elif self._out_since_s is None:
            self._out_since_s = now_s - retry.silent_s
            self._observer(Outage(round(retry.silent_s, 1), over=False, reason=retry.reason))
        if now_s - self._told_s >= _TELL_S:
            self.flush()

    def went(self) -> None:
        """Something got through."""
        if self._out_since_s is not None:
            seconds, self._out_since_s = self._clock() - self._out_since_s, None
            self._observer(Outage(round(seconds, 1), over=True))

    def flush(self) -> None:
        """Tell what was not told yet."""
        if self._attempts:
            self._told_s = self._clock()
            self._observer(Retried(self._attempts, self._throttled, self._reason))
            self._attempts = self._throttled = 0
