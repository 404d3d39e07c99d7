"""What requests showed, measured for the next decision of the pace: rounds, and what comes through between refusals.

A round is the requests that began after one decision; it ends when there are enough of them. The clock is the door's
(`limit`), which hands in each begin and end with its time; what to do about it is decided in `pace`.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from laden.store.pace import LEAST_ROUND, Pace, Phase, Seen

LONGEST_REST_S = 60.0
"""However long a service asks to be left alone."""

REQUEST_AMOUNT = 65_536
"""What a request counts for beside its bytes: about what fits on the wire while a small one is answered."""
_SHORTEST_ROUND_S, _SHORTEST_CLEAN_ROUND_S, _SHORTEST_KEPT_ROUND_S = 0.05, 0.03, 0.1
"""What is refused comes in bursts; a rate that is kept or probed is judged over as long as it is made up for."""
_CLEARLY_BAD, _CLEARLY_TOO_MANY = 2 * LEAST_ROUND, LEAST_ROUND // 2
"""After so many refusals a round may be shorter, and after so few where more than is known to be taken is probed."""
_TAKEN_OVER_S, _TAKEN_WITHIN_S, _MARK_EVERY_S, _MARKS = 0.5, 30.0, 0.1, 64
"""Between refusals that show what is taken: less would be chance, more would hide that it changed."""


class Round:
    """Measures the requests that began after one decision, for the next."""

    __slots__ = (
        "area_s",
        "asked_rest_s",
        "bad",
        "began_s",
        "done",
        "first_s",
        "fresh",
        "full",
        "lasted_s",
        "moved",
        "now_s",
        "paced",
        "passed",
        "taken",
    )

    def __init__(self, now_s: float) -> None:
        self.began_s = self.now_s = now_s
        self.first_s = 0.0
        """When the first of them ended."""
        self.fresh = self.done = self.bad = 0
        """In flight, ended well, ended badly."""
        self.moved = self.passed = 0.0
        self.lasted_s = 0.0
        """All that ended, added up."""
        self.area_s = 0.0
        """The integral of `fresh` since `first_s`."""
        self.asked_rest_s = self.taken = 0.0
        self.full = self.paced = False

    def begin(self, now_s: float, *, idle: bool = False) -> None:
        """One more begins; `idle` if nobody was in flight or waited until now, and no time of the round is spent."""
        if idle:
            self.first_s += now_s - self.now_s
        self.area_s += self.fresh * (now_s - self.now_s)
        self.now_s = now_s
        self.fresh += 1

    def end(self, now_s: float, begun: Begun, done: int, bad: int, rest_s: float) -> None:
        self.area_s += self.fresh * (now_s - self.now_s)
        self.now_s = now_s
        if not self.done + self.bad:
            self.first_s, self.area_s = now_s, 0.0
        self.fresh -= 1
        self.done += done
        self.bad += bad
        self.moved += done * (begun.size_bytes + REQUEST_AMOUNT)
        self.lasted_s += now_s - begun.at_s
        self.asked_rest_s = max(self.asked_rest_s, min(rest_s, LONGEST_REST_S))

    def enough(self, pace: Pace) -> bool:
        """Whether a decision can be made: after a round, or as soon as it is clear that nothing comes through."""
        if not self.done and self.bad >= pace.silence:
            return True
        crowd = self.bad >= max(_CLEARLY_BAD, (self.done + self.bad) / 3)
        early = crowd and pace.phase is Phase.GROWING and not pace.suspect
        if self.done + self.bad < pace.round and not early:
            return False
        kept = pace.rate > 0 and pace.phase in (Phase.STEADY, Phase.PROBE)
        shortest_s = _SHORTEST_ROUND_S if self.bad else _SHORTEST_CLEAN_ROUND_S
        clear = _CLEARLY_TOO_MANY if kept and pace.phase is Phase.PROBE else _CLEARLY_BAD
        lasted_s = self.now_s - self.began_s
        return lasted_s >= (_SHORTEST_KEPT_ROUND_S if kept else shortest_s) or self.bad >= clear or pace.rest_s > 0

    def seen(self) -> Seen:
        """What it showed.

        Speed is what a place moved per second, times the places there were, once the first had ended. Sums of what
        ended in a span of time would mislead: requests that begin together end together.
        """
        span_s = self.now_s - self.first_s
        places = self.area_s / span_s if span_s > 0 else self.fresh + 1.0
        speed = self.moved / self.lasted_s * places if self.lasted_s > 0 else 0.0
        round_s = self.now_s - self.began_s
        passed = self.passed / round_s if round_s > 0 else 0.0
        return Seen(self.done, self.bad, speed, self.full, self.paced, self.asked_rest_s, self.taken, passed)


class Taken:
    """What comes through per second from one refusal to another.

    A limit has nothing left when it refuses, so that what came through between two such moments is no more than what it
    gives in that time, and exactly that where it was used up. That is surer than what one round shows.
    """

    __slots__ = ("_marks", "_moved")

    def __init__(self) -> None:
        self._moved = 0.0
        self._marks: deque[tuple[float, float]] = deque(maxlen=_MARKS)
        """When something was refused, and what had come through by then."""

    def moved(self, amount: float) -> None:
        self._moved += amount

    def refused(self, now_s: float) -> float:
        """Note a refusal, and return the most that was taken since an earlier one; 0.0 where none is old enough."""
        marks = self._marks
        while marks and now_s - marks[0][0] > _TAKEN_WITHIN_S:
            marks.popleft()
        spans = [(self._moved - moved) / (now_s - at_s) for at_s, moved in marks if now_s - at_s >= _TAKEN_OVER_S]
        if not marks or now_s - marks[-1][0] >= _MARK_EVERY_S:
            marks.append((now_s, self._moved))
        return max(spans, default=0.0)


class Begun(NamedTuple):
    """What is remembered of a request in flight."""

    at_s: float
    size_bytes: int
    round: Round
    carried_bytes: int
    """What had been carried when it began."""
