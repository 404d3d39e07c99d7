"""How many requests at once, and how many a second: a pure function from what a round showed to what to do next.

Requests in flight are bounded always. How many a second that makes, the answers decide, until a service refuses for
their number: then what may be begun per second is bounded too, by what it was seen to take, as with a short latency one
request at a time may be too many. A decision is made after a round: enough requests that began after the last decision,
so that nothing is judged by what was asked before.

1. Growing: from a few in flight, twice as many while that brings more through; then a small probe now and then, of
   whatever they wait for, places or their time.
2. More refused or broken than is known to be usual, two rounds after each other: fewer a second, as a trial, a little
   below what came through. If the refusals go, nearly all that came through is kept as the rate. If they stay, they
   have another cause, and going slowly would help nobody: the old rate, or none, comes back, and that share of refusals
   is remembered as usual. A large one is doubted now and then.
   A probe of a rate that is refused leads back to before the first of its series, or to what was taken from refusal to
   refusal, which is also what a rate that goes on being refused a little is trimmed to.
3. Nothing at all comes through: one request at a time, with rests between, until one does; then back, doubling.

What a service takes is measured in the second round, because one that rested takes more at first than it goes on to.
Apart from that, no more bytes are under way than the link carries in `LINK_S`. There is no clock and no randomness in
here: `Limited` measures, `adapt` decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

FIRST = 16
MOST = 512
LEAST_ROUND = 20
"""Requests that a decision needs at least."""
_SURE_ROUND = 60
"""The same where there is no hurry, and chance would be mistaken for a change."""

LINK_S = 30.0
FIRST_BYTES = 4 << 20
"""In flight until something is known of the link; one request may always go, whatever its size."""
_LEAST_BYTES = 64 << 10
_BYTES_FADE = 0.9

_WORTH_MORE, _CLEARLY_MORE = 1.1, 1.4
"""Throughput must grow by this factor to keep a doubling, and by that one to keep it in spite of refusals."""
_PROBE_FACTOR, _BOLDEST_PROBE = 1.15, 1.3
_PROBE_WORTH = 0.4
"""Of what a probe added, that throughput must have grown by."""
_PROBE_FIRST, _PROBE_LAST, _PROBE_LAST_PACED = 6, 24, 120
"""Quiet rounds before a probe: few at first, more with each that brought nothing or refusals. Those of a rate
that bring nothing are refused something."""
_PROBE_SOON = 2
"""Rounds before the first probe of a rate, which is a guess until then."""
_SLUMP = 0.7
"""Of the usual throughput: below it the link is another one than it was, and the search begins anew."""

_HARMLESS = 0.02
_ABOVE_USUAL = 1.3
"""A share of refusals above both is looked into."""
_DOUBTFUL = 0.05
"""What is called usual and is more than this is tried again now and then."""
_CUT_BELOW, _KEPT = 0.95, 0.98
"""Of what came through, that a trial begins per second, and that is kept where it was right."""
_TRIM, _MOST_TRIMS = 0.98, 3
"""A rate that goes on being refused less than is looked into is lowered to this, so often between
two trials or probes."""
_STILL_A_GUESS = 1.03
"""Where a refused probe showed so much more than the rate before, the next one comes soon."""
_KNOWN = 0.5
"""A rate that a trial cuts by less than this was known before, and what is known need not be probed soon."""
_DEEPEST_CUT, _LIGHTEST_CUT, _SECOND_CUT = 0.1, 0.9, 0.5
_TRIAL_BAD = 10
"""Refusals that a trial would see if it changed nothing, so that chance does not decide it."""
_FEWER = 0.8
"""Of the refusals: if they are fewer than that, and not gone, the trial is repeated with more requests."""
_AGAIN = 3
_MANY = 0.3
"""Of so many refusals, half may be left: what came through before was less sure. They stop a doubling, too."""
_LONGEST_TRIAL = 1000
_USUAL_FADE = 0.05

_REST_S = 0.05
_LONGEST_REST_S = 1.0
_RETURN = 0.9
"""Of what was in flight before an outage: to there the way back needs no proof."""


class Phase(Enum):
    """What the present number is there for."""

    GROWING = "whether twice as many bring more"
    STEADY = "kept"
    PROBE = "whether a few more bring more"
    TRIAL = "whether fewer a second are refused less"
    SILENT = "whether anything comes through at all"
    RETURNING = "on the way back from an outage"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round of requests showed."""

    done: int
    """Requests that succeeded."""
    bad: int
    """Requests that were refused for now, timed out or lost their connection."""
    speed: float
    """What the successful ones moved per second: bytes, plus a fixed amount for each."""
    full: bool
    """Whether requests had to wait for others to end, or for their time."""
    paced: bool = False
    """Whether it was for their time."""
    asked_rest_s: float = 0.0
    """The longest `Retry-After` of the refusals."""
    taken: float = 0.0
    """What came through per second, as `speed`, from an earlier refusal to one of these; 0 where none is old enough."""
    passed: float = 0.0
    """The same of all that came through while the round lasted, also of what began before it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What to do, and what the next decision needs to know."""

    flight: float = FIRST
    """Requests in flight at most, rounded down."""
    most: int = MOST
    least_round: int = LEAST_ROUND
    """Requests that a decision needs at least: fewer where each moves megabytes, and a lot is over before twenty."""
    rate: float = 0.0
    """What may be begun per second, in what `Seen.speed` counts; 0 for any."""
    rest_s: float = 0.0
    """Between the end of one request and the begin of the next, while nothing comes through."""
    phase: Phase = Phase.GROWING
    growing: bool = True
    """Whether to look for more by doubling, once it is quiet."""
    speed: float = 0.0
    """The usual throughput, or that before what is tried; 0 where it is not known."""
    before: float = FIRST
    """Requests in flight to go back to."""
    before_rate: float = 0.0
    """The same of the rate."""
    known_rate: float = 0.0
    """The rate before the first of the probes that follow each other."""
    trims: int = 0
    """How often the rate was trimmed since anything was tried."""
    suspect: bool = False
    """Whether the last round was refused more than usual."""
    share: float = 0.0
    """Refusals that led to a trial, of all requests."""
    usual: float = 0.0
    """Share of refusals that is known to have other causes than too many requests."""
    again: bool = False
    """Whether the trial was undecided, and is repeated with more requests."""
    doubt: bool = True
    """Whether the next thing to try is fewer requests, where there is something to doubt."""
    quiet: int = 0
    """Rounds since anything was tried."""
    patience: int = _PROBE_FIRST
    """Quiet rounds before the next probe."""

    @property
    def round(self) -> int:
        """Requests that the next decision needs."""
        if self.phase is Phase.SILENT:
            return 1
        sure = self.phase in (Phase.STEADY, Phase.PROBE)
        places = math.ceil(self.flight if self.phase is not Phase.GROWING else self.flight / 2)
        least = max(_SURE_ROUND if sure else self.least_round, 0 if self.rate else places)
        if self.phase is Phase.TRIAL:
            wanted = math.ceil(_TRIAL_BAD / self.share) * (_AGAIN if self.again else 1)
            return max(least, min(_LONGEST_TRIAL, wanted))
        return least

    @property
    def silence(self) -> int:
        """Requests that fail one and all when nothing comes through; in a crowd, twenty in a row may by chance."""
        crowded = self.phase is Phase.GROWING or self.suspect or self.rate > 0
        return max(LEAST_ROUND, math.ceil(self.flight / 2)) if crowded else LEAST_ROUND


def fixed(connections: int) -> Pace:
    """The pace of a user who says how many; only refusals make it fewer."""
    return Pace(connections, most=connections, before=connections)


def most_bytes(before_bytes: float, bytes_per_s: float) -> float:
    """How many bytes in flight keep another request from beginning, from what the link carried beside the last one.

    More at once, less in steps: one request may be slow for reasons of its own.
    """
    return max(_LEAST_BYTES, LINK_S * bytes_per_s, before_bytes * _BYTES_FADE)


def adapt(pace: Pace, seen: Seen) -> Pace:
    """Decide, from the last pace and what the round after it showed."""
    if not seen.done:
        return _silent(pace, seen)
    if pace.phase is Phase.SILENT:
        return replace(
            pace, flight=min(FIRST, pace.most, pace.before), rest_s=0.0, phase=Phase.RETURNING, speed=0.0, quiet=0
        )
    share = seen.bad / (seen.done + seen.bad)
    if pace.phase is Phase.TRIAL:
        return _judged(pace, seen, share)
    if _unusual(pace, seen) and not _pays(pace, seen, share):
        if pace.phase is Phase.PROBE:
            return _refused(pace, seen)
        return _tried(pace, seen, share, pace.usual) if pace.suspect else replace(pace, suspect=True)
    pace = _trimmed(pace, seen)
    pace = replace(pace, usual=pace.usual + min(0.0, share - pace.usual) * _USUAL_FADE, suspect=False)
    if pace.phase is Phase.RETURNING:
        return _returned(pace)
    if pace.usual > _DOUBTFUL and pace.doubt and pace.quiet >= pace.patience:
        return _tried(pace, seen, pace.usual, 0.0)
    return _searched(pace, seen) if seen.full else replace(pace, quiet=pace.quiet + 1)


def _silent(pace: Pace, seen: Seen) -> Pace:
    rest_s = min(max(_REST_S, pace.rest_s * 2), _LONGEST_REST_S)
    aside = pace.phase in (Phase.SILENT, Phase.TRIAL, Phase.RETURNING)
    before = max(pace.before, pace.flight) if aside else pace.flight
    return replace(
        pace,
        flight=1.0,
        rest_s=max(rest_s, seen.asked_rest_s),
        rate=pace.before_rate if pace.phase is Phase.TRIAL else pace.rate,
        before=before,
        phase=Phase.SILENT,
        growing=True,
        patience=_PROBE_FIRST,
    )


def _refused(pace: Pace, seen: Seen) -> Pace:
    """After a probe that was refused: the rate from before, or more where more was taken for a while."""
    # Without that, what came through just now has to do, though a service that rested takes more for a moment.
    took = seen.taken or min(seen.speed, pace.known_rate * _PROBE_FACTOR)
    rate = min(pace.before_rate, max(pace.known_rate, _KEPT * took / (1 - pace.usual)))
    back = replace(_back(pace, seen), rate=rate)
    return replace(back, patience=_PROBE_FIRST) if rate > pace.known_rate * _STILL_A_GUESS else back


def _trimmed(pace: Pace, seen: Seen) -> Pace:
    """A little less than is taken, where a rate is refused something again and again.

    A few times only: what has another cause would stay, and take the rate with it.
    """
    if pace.phase is not Phase.STEADY or not (pace.rate and seen.taken) or pace.trims >= _MOST_TRIMS:
        return pace
    rate = max(pace.rate * _TRIM, _KEPT * seen.taken / (1 - pace.usual))
    return replace(pace, rate=rate, trims=pace.trims + 1) if rate < pace.rate else pace


def _tried(pace: Pace, seen: Seen, share: float, usual: float) -> Pace:
    """Fewer a second, by as much as would do if there were too many."""
    if pace.rate and seen.taken:
        seen = replace(seen, speed=seen.taken)
    elif share > _MANY and not pace.rate:
        # In a crowd a round shows less than comes through; a trial that is too high is repeated.
        seen = replace(seen, speed=max(seen.speed, seen.passed))
    # A limit that was found is seldom half of itself, but what they send is, where those that were refused wait.
    rate = max(_cut(seen, share, usual), pace.rate * _SECOND_CUT)
    if not rate:
        return pace
    return replace(
        pace,
        rate=rate,
        before=pace.flight,
        before_rate=pace.rate,
        phase=Phase.TRIAL,
        share=share,
        speed=seen.speed,
        doubt=False,
        again=False,
        suspect=False,
        trims=0,
    )


def _cut(seen: Seen, share: float, usual: float) -> float:
    """The rate of a trial."""
    got_through = (1 - share) / (1 - usual)
    return seen.speed / (1 - share) * min(max(got_through * _CUT_BELOW, _DEEPEST_CUT), _LIGHTEST_CUT)


def _pays(pace: Pace, seen: Seen, share: float) -> bool:
    """Whether a doubling brought so much, or nothing was doubled yet, that some refusals are no reason to stop."""
    doubling = pace.phase is Phase.GROWING and share < _MANY and not seen.paced
    return doubling and seen.full and seen.speed >= pace.speed * _CLEARLY_MORE


def _unusual(pace: Pace, seen: Seen) -> bool:
    """Whether more was refused than is harmless or usual, by more than chance would have it."""
    expected = max(_HARMLESS, _ABOVE_USUAL * pace.usual) * (seen.done + seen.bad)
    return seen.bad > expected + 2 * math.sqrt(expected)


def _judged(pace: Pace, seen: Seen, share: float) -> Pace:
    """The verdict of a trial."""
    # What would be left if there were too many: what is usual, and what the deepest cut does not reach.
    left = max(pace.usual if pace.share > pace.usual else 0.0, 1 - pace.speed / pace.rate)
    many = pace.share > _MANY
    gone = share < left + (pace.share - left) * (0.5 if many else 0.25)
    if not gone and not pace.again:
        if (many or share > pace.share * _ABOVE_USUAL) and seen.speed > 0:
            # What came through before may have been what was saved up: hold it against what came through now.
            rate = max(_cut(seen, share, 0.0), pace.rate * _SECOND_CUT)
            return replace(pace, rate=rate, share=share, speed=seen.speed, again=True)
        if share < pace.share * _FEWER:
            return replace(pace, again=True)
    if not gone and pace.before_rate and share < pace.share * _FEWER:
        # The limit is known, and this is still above it by what is refused.
        pace, gone = replace(pace, rate=pace.rate * _KEPT, speed=seen.speed), True
    if gone:
        unusual = max(0.0, share - pace.usual)
        kept = max(pace.rate, _KEPT * pace.speed / (1 - pace.usual)) * (1 - unusual)
        known = 0 < pace.before_rate * _KNOWN < kept
        return replace(
            pace,
            rate=kept,
            phase=Phase.STEADY,
            growing=False,
            speed=seen.speed,
            quiet=0 if known else _PROBE_FIRST - _PROBE_SOON,
            patience=_longer(pace, seen) if known else _PROBE_FIRST,
            usual=min(pace.usual, share),
        )
    # If this was not known, what made the number small before may have been a mistake as well.
    growing = pace.growing or pace.usual < share / 2
    return replace(
        pace,
        rate=pace.before_rate,
        phase=Phase.GROWING if growing else Phase.STEADY,
        growing=growing,
        usual=max(pace.usual, share),
        speed=0.0,
        quiet=0,
        patience=_PROBE_FIRST,
    )


def _returned(pace: Pace) -> Pace:
    aim = pace.before * _RETURN
    if pace.flight >= aim:
        return replace(pace, phase=Phase.GROWING if pace.growing else Phase.STEADY, speed=0.0, quiet=0)
    return replace(pace, flight=min(pace.flight * 2, aim))


def _searched(pace: Pace, seen: Seen) -> Pace:
    """Look for the number, or the rate, beyond which more bring nothing."""
    if pace.phase is Phase.PROBE:
        faster = pace.rate > pace.before_rate
        if faster and not seen.paced:
            # They wait for places now, and how many of these are right was never tried at such a rate.
            return _more(replace(pace, speed=seen.speed, growing=True), seen, 2.0, Phase.GROWING)
        factor = pace.rate / pace.before_rate if faster else pace.flight / pace.before
        if seen.speed < pace.speed * (1 + _PROBE_WORTH * (factor - 1)):
            return _back(pace, seen)
        return _more(replace(pace, speed=seen.speed), seen, min(_BOLDEST_PROBE, factor**2), Phase.PROBE)
    if pace.growing and not seen.paced:
        if pace.speed and seen.speed < pace.speed * _WORTH_MORE:
            return replace(_back(pace, seen), growing=False)
        return _more(replace(pace, speed=seen.speed), seen, 2.0, Phase.GROWING)
    usual = seen.speed if not pace.speed else 0.8 * pace.speed + 0.2 * seen.speed
    if seen.speed < pace.speed * _SLUMP and not seen.paced:
        return _more(replace(pace, speed=seen.speed, growing=True), seen, 2.0, Phase.GROWING)
    if pace.quiet >= pace.patience:
        return _more(replace(pace, speed=usual), seen, _PROBE_FACTOR, Phase.PROBE)
    return replace(pace, phase=Phase.STEADY, speed=usual, quiet=pace.quiet + 1)


def _more(pace: Pace, seen: Seen, factor: float, phase: Phase) -> Pace:
    """More of what they wait for."""
    known_rate = pace.known_rate if pace.phase is Phase.PROBE else pace.rate
    before = replace(pace, before=pace.flight, before_rate=pace.rate, known_rate=known_rate, trims=0, phase=phase)
    if seen.paced:
        return replace(before, rate=pace.rate * factor)
    more = min(pace.most, pace.flight * factor)
    if more <= pace.flight:
        return replace(pace, phase=Phase.STEADY, growing=False, quiet=0, doubt=True)
    return replace(before, flight=more)


def _back(pace: Pace, seen: Seen) -> Pace:
    """What was tried brought nothing."""
    return replace(
        pace,
        flight=pace.before,
        rate=pace.before_rate,
        phase=Phase.STEADY,
        quiet=0,
        patience=_longer(pace, seen),
        doubt=True,
    )


def _longer(pace: Pace, seen: Seen) -> int:
    """Quiet rounds before the next probe, after one in vain; each of a rate is refused something."""
    return min(pace.patience * 4, _PROBE_LAST_PACED) if seen.paced else min(pace.patience * 2, _PROBE_LAST)
