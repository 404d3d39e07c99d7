"""What rows say of the place of their image: which column an archive's name holds, and which the folder above it.

A column is believed where it is so for nearly every row that was looked at, and where it tells places apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from laden.verbs.init.keys import Key
from laden.verbs.init.names import Name

_ROWS = 2_000
_NEARLY_ALL = 0.95
_WHOLE = re.compile(r"([+-]?\d{1,18})\.0*")


class Holding(NamedTuple):
    """A name that holds a column's value."""

    column: str
    before: str
    after: str
    share: float
    """Of the rows that were looked at, for which it is so."""

    @property
    def template(self) -> str:
        """As in a profile."""
        return f"{self.before}{{{self.column}}}{self.after}"


def archive_of_rows(key: Key) -> Holding | None:
    """The column that an archive's file name holds; None where none does, or there is one archive."""
    return _best(key, lambda name: name.archive.rpartition("/")[2])


def folder_of_rows(key: Key) -> Holding | None:
    """The column that the folder of an image is called after; None where none is."""
    return _best(key, lambda name: name.path.rpartition("/")[0].rpartition("/")[2])


def _best(key: Key, called: Callable[[Name], str]) -> Holding | None:
    pairs = [
        (key.rows[number], {place for name in names if (place := called(name))})
        for number, names in list(key.named.items())[:_ROWS]
    ]
    pairs = [pair for pair in pairs if pair[1]]
    if len({place for _, places in pairs for place in places}) < 2:
        return None
    found = (holding for column in key.table.columns if column != key.column for holding in _holdings(column, pairs))
    return max(found, key=lambda holding: holding.share, default=None)


def _holdings(column: str, pairs: list[tuple[dict[str, str], set[str]]]) -> Iterator[Holding]:
    """Each way in which the places may hold the column, as the first row says, if nearly all others say so too."""
    first, places = pairs[0]
    if len({spelled(row[column]) for row, _ in pairs}) < 2:
        return
    value = spelled(first[column])
    for place in sorted(places):
        for at in (found.start() for found in re.finditer(re.escape(value), place)) if value else ():
            before, after = place[:at], place[at + len(value) :]
            fitting = sum(f"{before}{spelled(row[column])}{after}" in places for row, places in pairs)
            if fitting >= _NEARLY_ALL * len(pairs):
                yield Holding(column, before, after, fitting / len(pairs))


def spelled(text: str) -> str:
    """A whole number without the decimal point that some programs give it."""
    found = _WHOLE.fullmatch(text)
    return found[1] if found else text
