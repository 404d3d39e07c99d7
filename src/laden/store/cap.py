"""A cap on what is sent, in bytes a second, which may depend on the time of day (`--limit`).

`parse_cap` reads what a person gave; a `Throttle` tells connections when they may write their next piece, so that all
of them together keep to it. Waiting is theirs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from datetime import time as time_of_day

from laden.values.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_LEAST_BYTES_PER_S = 1000

_PIECE_S = 0.05
"""A piece is what the cap lets through in this time."""
_LEAST_PIECE_BYTES = 1400
"""About what one packet carries."""
_MOST_PIECE_BYTES = 256 << 10

_CREDIT_S = 0.25
"""Time unused that may be made up for, as an event loop is late at times."""

_DAY_MINUTES = 24 * 60

_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([kmg]?)b?(?:/s)?")
_SPAN = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)=(.*)")


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a day, on this machine's clock, and its cap."""

    begin: time_of_day
    end: time_of_day
    """Not in it; at or before `begin` where midnight is."""
    bytes_per_s: float

    def holds(self, moment: time_of_day) -> bool:
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


@dataclass(frozen=True, slots=True)
class Cap:
    """Bytes a second at most; the first span that holds decides, then the rest of the day's cap."""

    bytes_per_s: float | None
    """For times outside of all spans; None where nothing is capped then."""
    spans: tuple[Span, ...] = ()

    def at(self, moment: time_of_day) -> float | None:
        """The cap at a time of day, in bytes a second."""
        return next((span.bytes_per_s for span in self.spans if span.holds(moment)), self.bytes_per_s)

    def seconds(self, size_bytes: int, begin: time_of_day) -> float:
        """How long so many bytes take at least, from a time of day on."""
        rates = [self.at(time_of_day(*divmod(minute, 60))) for minute in range(_DAY_MINUTES)]
        in_a_day = sum(60 * rate for rate in rates if rate is not None)
        # Once nothing is capped, nothing takes any time.
        days, left = (0, float(size_bytes)) if None in rates else divmod(size_bytes, in_a_day)
        minute, passed_s = 60 * begin.hour + begin.minute, 86_400.0 * days
        while left > 0 and (rate := rates[minute % _DAY_MINUTES]) is not None:
            part_s = min(60.0, left / rate)
            left, passed_s, minute = left - part_s * rate, passed_s + part_s, minute + 1
        return passed_s

    def shared(self, processes: int) -> Cap:
        """What each of so many may send."""
        whole = self.bytes_per_s
        spans = tuple(replace(span, bytes_per_s=span.bytes_per_s / processes) for span in self.spans)
        return Cap(None if whole is None else whole / processes, spans)


def parse_cap(text: str) -> Cap:
    """A cap as a person writes it: `20M`, or `08:00-18:00=5M,20M` by time of day.

    Units are decimal: k, M and G for 10^3, 10^6 and 10^9 bytes a second.

    Raises:
        UsageError: it is none.
    """
    spans: list[Span] = []
    rest: list[float] = []
    for part in text.replace(" ", "").split(","):
        if found := _SPAN.fullmatch(part):
            try:
                begin, end = (time_of_day(int(found[at]), int(found[at + 1])) for at in (1, 3))
            except ValueError:
                raise _refused(text, f"{part} holds no times from 00:00 to 23:59") from None
            spans.append(Span(begin, end, _rate(found[5], text)))
        else:
            rest.append(_rate(part, text))
    if len(rest) > 1:
        raise _refused(text, "it gives the rest of the day twice")
    return Cap(rest[0] if rest else None, tuple(spans))


def _rate(text: str, whole: str) -> float:
    found = _RATE.fullmatch(text.lower())
    if found is None:
        raise _refused(whole, f"'{text}' is no number of bytes a second")
    bytes_per_s = float(found[1]) * _UNITS[found[2]]
    if bytes_per_s < _LEAST_BYTES_PER_S:
        raise _refused(whole, f"{text} is less than 1k a second")
    return bytes_per_s


def _refused(text: str, why: str) -> UsageError:
    return UsageError(f"--limit {text} cannot be used, {why}: write 20M, or 08:00-18:00=5M,20M for times of day")


class Throttle:
    """Hands out turns to write, so that all connections of a process together keep to a cap."""

    def __init__(
        self,
        cap: Cap,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Prepare; nothing has been sent.

        Args:
            cap: what to keep to.
            clock: seconds since any moment.
            now: the time of day here.
        """
        self._cap = cap
        self._clock = clock
        self._now = now
        self._next_s = clock()
        self._looked_s = -1.0
        self._bytes_per_s: float | None = None

    @property
    def holds(self) -> bool:
        """Whether what would be sent now had to wait for its turn."""
        return self._rate() is not None and self._next_s > self._clock()

    def piece_bytes(self) -> int:
        """How much to write at once, so that all connections get their turns."""
        rate = self._rate()
        return (
            _MOST_PIECE_BYTES if rate is None else int(min(max(rate * _PIECE_S, _LEAST_PIECE_BYTES), _MOST_PIECE_BYTES))
        )

    def wait_s(self, size_bytes: int) -> float:
        """Take the next turn, for so many bytes, and tell how long to wait for it: turns follow each other."""
        rate = self._rate()
        if rate is None:
            return 0.0
        now_s = self._clock()
        turn_s = max(self._next_s, now_s - _CREDIT_S)
        self._next_s = turn_s + size_bytes / rate
        return max(turn_s - now_s, 0.0)

    def _rate(self) -> float | None:
        now_s = self._clock()
        if self._looked_s < 0 or now_s - self._looked_s >= 1:
            self._looked_s = now_s
            self._bytes_per_s = self._cap.at(self._now().time())
        return self._bytes_per_s
