"""How many requests at once, and how many a second: a pure function from what was seen to what to do next.

Connections double while that brings more through, then stay, with a small probe now and then; they are halved when
requests break off. A service that says "too much" (429, 503) gets a rate a little below what it just took, which
grows again, carefully first and then boldly, so that a lasting limit is met with few refusals. There is no clock and no
randomness in here: `Limited` measures, `adapt` decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

FEWEST = 2
MOST = 512
FIRST = 64

_WORTH_MORE = 1.1
"""Throughput must grow by this factor to keep a doubling of connections."""

_PROBE_EVERY = 24
_PROBE_FACTOR = 1.25
_PROBE_WORTH = 1.05
_RATE_CUT = 0.97
_DEEPEST_CUT = 0.7
"""Of one window: a second in which nothing was taken must not bring the rate to a standstill."""

_QUIET_STEP = 4
_RATE_GROWTHS = (1.01, 1.03, 1.1)
"""Growth of the rate in a window without refusals: careful near the limit, bold after some quiet windows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened in one window of time."""

    seconds: float
    done: int
    """Requests that succeeded."""
    amount: float
    """What they moved: bytes, plus a fixed amount for each request, so that empty requests count too."""
    throttled: int
    """Requests refused because the service had too much to do."""
    broken: int
    """Requests that timed out or lost their connection."""
    full: bool
    """Whether requests had to wait for a connection."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What to do, and what the next decision needs to know."""

    connections: int = FIRST
    per_s: float = math.inf
    """Requests started per second at most."""
    growing: bool = True
    best: float = 0.0
    """Most that was moved per second, with `proven` connections."""
    proven: int = FIRST
    """Connections to go back to if the present number turns out to bring nothing."""
    quiet: int = 0
    """Windows since anything was tried."""


def adapt(pace: Pace, seen: Seen) -> Pace:
    """Decide for the next window, from the pace of the last and what was seen in it."""
    if seen.throttled:
        taken_per_s = seen.done / seen.seconds
        if pace.per_s < math.inf:
            taken_per_s = min(max(taken_per_s, pace.per_s * _DEEPEST_CUT), pace.per_s)
        per_s = max(1.0, _RATE_CUT * taken_per_s)
        return replace(pace, per_s=per_s, growing=False, proven=pace.connections, quiet=0)
    if seen.broken > seen.done // 20:
        connections = max(FEWEST, pace.connections // 2)
        return Pace(connections, pace.per_s, growing=False, best=0.0, proven=connections)
    if pace.per_s < math.inf:
        slack = seen.done / seen.seconds < pace.per_s / 2
        growth = _RATE_GROWTHS[min(pace.quiet // _QUIET_STEP, len(_RATE_GROWTHS) - 1)]
        return replace(pace, per_s=math.inf if slack else pace.per_s * growth, quiet=pace.quiet + 1)
    return _searched(pace, seen) if seen.full else pace


def _searched(pace: Pace, seen: Seen) -> Pace:
    """Look for the number of connections beyond which more bring nothing."""
    speed = seen.amount / seen.seconds
    if pace.connections > pace.proven or pace.best == 0.0:
        worth = _WORTH_MORE if pace.growing else _PROBE_WORTH
        if pace.best and speed < pace.best * worth:
            return replace(pace, connections=pace.proven, growing=False, quiet=0)
        return _larger(replace(pace, best=speed, proven=pace.connections, quiet=0))
    if pace.quiet >= _PROBE_EVERY:
        return _larger(replace(pace, best=speed, quiet=0))
    return replace(pace, quiet=pace.quiet + 1)


def _larger(pace: Pace) -> Pace:
    factor = 2.0 if pace.growing else _PROBE_FACTOR
    return replace(pace, connections=min(MOST, math.ceil(pace.connections * factor)))
