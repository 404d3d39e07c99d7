"""Round numbers for histograms and axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from laden.report.facts import Bin

_BINS = 12
_STEPS = (1, 2, 2.5, 5, 10)
_WIDE = 50
"""From this ratio of largest to smallest on, bins grow with the values."""


def binned(values: Iterable[tuple[int, int]], edges: Sequence[int]) -> tuple[Bin, ...]:
    """Counts between edges, from values and how often each is there."""
    counts = [0] * max(len(edges) - 1, 0)
    for value, count in values:
        place = next((index for index in range(1, len(edges)) if value < edges[index]), len(counts))
        counts[place - 1] += count
    return tuple(Bin(*limit, count) for limit, count in zip(pairwise(edges), counts, strict=True))


def limits(values: Sequence[int]) -> list[int]:
    """Round edges of at most a dozen bins that hold all values, or none for no values."""
    if not values:
        return []
    low, high = min(values), max(values)
    if low > 0 and high / low >= _WIDE:
        return _growing(low, high)
    step = round_step((high - low) / _BINS)
    start = low // step * step
    return [start + step * index for index in range((high - start) // step + 2)]


def _growing(low: int, high: int) -> list[int]:
    """Limits 1, 2, 5, 10 ... or, over many powers of ten, these powers."""
    powers = range(int(math.log10(low)), int(math.log10(high)) + 2)
    factors = (1, 2, 5) if 3 * len(powers) <= 2 * _BINS else (1,)
    edges = [factor * 10**power for power in powers for factor in factors]
    first = max(index for index, limit in enumerate(edges) if limit <= low)
    last = next(index for index, limit in enumerate(edges) if limit > high)
    return edges[first : last + 1]


def round_step(least: float) -> int:
    """The smallest of 1, 2, 2.5, 5 times a power of ten, that is whole and not below `least`."""
    power = 10 ** math.floor(math.log10(max(least, 1)))
    return next(int(power * step) for step in _STEPS if power * step >= least and power * step == int(power * step))
