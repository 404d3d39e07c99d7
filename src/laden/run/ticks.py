"""A sign of life of what only counts: rows read, members and blobs listed; a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from laden.values.events import Observer
from laden.values.signs import Counted

_TELL_S = 0.5


class Ticks:
    """Counts, and tells an observer."""

    def __init__(self, observer: Observer, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell `observer` of `what`, a noun in the plural; `clock` gives seconds."""
        self._observer = observer
        self._what = what
        self._clock = clock
        self._count = 0
        self._told_s = clock()

    def begin(self) -> None:
        """Count anew."""
        self._count = 0

    def add(self, count: int) -> None:
        """So many more; quick things are over before anything is told."""
        self._count += count
        now_s = self._clock()
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            self._observer(Counted(self._count, self._what))
