"""Holds the end of a SAS against how long the load will take, and warns: once before it starts, once while it runs.

It stands between the run and its observer and passes every event on. Before anything is sent only the plan is known,
so a rate is assumed and stated; while it runs, what was measured counts. It does not stop anything: a load that is
cut off is finished by the same command with a new SAS.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from laden.values.events import Event, Observer, PlanReady, Started, Warned
from laden.values.signs import Progress

ASSUMED_BYTES_PER_S = 12_500_000
"""100 Mbit/s: what most links of clinics and homes bear upwards; a faster one is noticed while sending."""

ASSUMED_BLOBS_PER_S = 500
"""Small blobs are bound by their number; with the connections that laden opens, most links bear this many."""

_MEASURED_AFTER_S = 20.0
"""A rate is believed after so long: connections are still being added before."""

_WHAT_TO_DO = (
    "make a longer one ('laden sas DEST --hours N'), or give --sas-command to renew it;"
    " if it ends first, the same command with a new SAS goes on"
)


def assumed_s(items: int, size_bytes: int) -> float:
    """How long so many blobs and bytes would take, as long as nothing is measured."""
    return max(size_bytes / ASSUMED_BYTES_PER_S, items / ASSUMED_BLOBS_PER_S)


class Deadline:
    """An observer that warns of a credential that ends too soon."""

    def __init__(self, observer: Observer, clock: Callable[[], float] = time.time) -> None:
        """Stand before an observer.

        Args:
            observer: gets every event, and the warnings between them.
            clock: Unix time, in seconds.
        """
        self._observer = observer
        self._clock = clock
        self.ends_s: Callable[[], float] = lambda: math.inf
        """Unix time of the end after which a person is needed; asked again and again, since it may be put off."""
        self._began: tuple[float, int] | None = None
        self._sending = False
        self._warned_of_s = math.inf

    def __call__(self, event: Event) -> None:
        """Pass an event on, and warn where it shows that the time will not do."""
        self._observer(event)
        match event:
            case PlanReady():
                self._before(event)
            case Started():
                self._sending, self._began = event.stage == "transfer", None
            case Progress():
                self._during(event)

    def _before(self, plan: PlanReady) -> None:
        ends_s = self.ends_s()
        if ends_s == math.inf or not plan.send + plan.replace + plan.compare:
            return
        needs_s = max(assumed_s(plan.send + plan.replace, plan.bytes_to_send), plan.limited_s)
        left_s = ends_s - self._clock()
        if left_s < needs_s:
            rate = f"at {ASSUMED_BYTES_PER_S / 1e6:.1f} MB/s (100 Mbit/s; assumed until it is measured)"
            if needs_s == plan.limited_s:
                rate = "within --limit"
            self._warn(ends_s, f"sending would take about {_span(needs_s)} {rate}")

    def _during(self, progress: Progress) -> None:
        if not self._sending:
            return
        now_s, ends_s = self._clock(), self.ends_s()
        if self._began is None:
            self._began = now_s, progress.bytes
            return
        sent_bytes, seconds = progress.bytes - self._began[1], now_s - self._began[0]
        if ends_s in (math.inf, self._warned_of_s) or seconds < _MEASURED_AFTER_S or not sent_bytes:
            return
        rate = sent_bytes / seconds
        needs_s = (progress.bytes_in_all - progress.bytes) / rate
        if ends_s - now_s < needs_s:
            self._warned_of_s = ends_s
            self._warn(ends_s, f"what is left would take {_span(needs_s)} more at the {rate / 1e6:.1f} MB/s measured")

    def _warn(self, ends_s: float, needed: str) -> None:
        left_s = max(0.0, ends_s - self._clock())
        end = datetime.fromtimestamp(ends_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
        self._observer(Warned(f"the SAS ends in {_span(left_s)}, at {end}, and {needed}: {_WHAT_TO_DO}"))


def _span(seconds: float) -> str:
    """A span of time as people say it."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{hours / 24:.1f} days"
