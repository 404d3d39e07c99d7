"""In which order, and in which requests, a file's bytes are asked for.

The end of a zip comes first, where its directory is: then its members can be proved while the rest comes. A block is
asked for in slices, short ones at first: what a host bears shows early, and requests that began together would end
together, and leave the line to itself until the next ones are answered. Towards the end of the last file they are short
again, so that no connection is left alone with much. Pure: nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from laden.dataset.source import archive_of
from laden.dataset.source.kinds import is_zip
from laden.remote.shelf import PIECE_BYTES
from laden.stages.fetching import part

_END_BYTES = 256 << 10
"""Of a zip, comes first: what follows its directory may be long, and the directory of two thousand members is."""
_SHORTEST_BYTES = 1 << 20
_AT_ONCE = 8
"""Requests among which what is left of the last file is shared out."""
_FIRST = 6
"""Slices that are asked for before anything else is ready: what a usual line carries meanwhile."""


class Slicing:
    """Cuts blocks into slices."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self._asked = 0

    def cut(self, start: int, size_bytes: int, left_bytes: float) -> Iterator[tuple[int, int]]:
        """The slices (start, length) of a block, of which with all that is asked for after it so much is left."""
        end = start + size_bytes
        while start < end:
            self._asked += 1
            fair_bytes = min(self._asked * _SHORTEST_BYTES, PIECE_BYTES, left_bytes / _AT_ONCE)
            count = max(_SHORTEST_BYTES, int(fair_bytes))
            # A little is asked for with what it follows.
            count = end - start if end - start < 1.5 * count else count
            yield start, count
            start += count
            left_bytes -= count


def in_order(name: str, size_bytes: int, block_bytes: int, missing: Sequence[int]) -> list[int]:
    """Blocks that are missing of a file, in the order in which they are asked for."""
    end: list[int] = []
    if archive_of(name) == name and is_zip(name):
        end = [index for index in missing if (index + 1) * block_bytes > size_bytes - _END_BYTES]
    return [*end, *missing[: len(missing) - len(end)]]


def first_slices(name: str, size_bytes: int) -> list[tuple[int, int]]:
    """What is asked for first of a file of which nothing is here and that is the only one."""
    slicing, block_bytes, left_bytes = Slicing(), part.BLOCK_BYTES, size_bytes
    found: list[tuple[int, int]] = []
    for index in in_order(name, size_bytes, block_bytes, range(-(-size_bytes // block_bytes))):
        start = index * block_bytes
        found += slicing.cut(start, min(block_bytes, size_bytes - start), left_bytes)
        left_bytes = size_bytes - sum(count for _, count in found)
        if len(found) >= _FIRST:
            break
    return list(islice(found, _FIRST))
