"""What a row says of its image, in a line below the picture: its labels, what the charts count, how old the person was.

Of a birth, only the age is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from laden.dataset.profile import TableShape
from laden.dataset.table.cells import parse_list

_EMPTY = ("", "none", "nan")
_MOST_LABELS = 3
_MOST_LENGTH = 80
_AGE = re.compile(r"0*(\d{1,3})(?:\.0*)?\s*[Yy]?")
"""`58`, `58.0`, `058Y` (DICOM PS3.5, Age String)."""
_YEAR = re.compile(r"(\d{4})")
_OLDEST = 120


def caption(shape: TableShape, cells: Mapping[str, str | None]) -> str:
    """One line from the cells of a row, by their columns; empty where they tell nothing."""
    told = [_labels(cells.get(name) or "") for name in dict.fromkeys((*_named(shape.labels), *shape.charts))]
    told.append(_age([cells.get(name) or "" for name in shape.age]))
    line = ", ".join(filter(None, told))
    return line if len(line) <= _MOST_LENGTH else line[: _MOST_LENGTH - 1].rstrip(", ") + "\u2026"


def _named(column: str | None) -> list[str]:
    return [column] if column else []


def _labels(cell: str) -> str:
    """The first labels of a list, or the value itself."""
    items = [item.strip() for item in parse_list(cell) or [cell] if item]
    shown = [item for item in dict.fromkeys(items) if item.lower() not in _EMPTY]
    more = len(shown) - _MOST_LABELS
    return ", ".join(shown[:_MOST_LABELS]) + (f" and {more} more" if more > 0 else "")


def _age(cells: Sequence[str]) -> str:
    """`74 y`, of an age, or of a date and a year of birth; nothing of what makes no sense."""
    if len(cells) == 1 and (found := _AGE.fullmatch(cells[0].strip())):
        years = int(found[1])
    elif len(cells) > 1 and (date := _YEAR.match(cells[0].strip())) and (birth := _YEAR.match(cells[1].strip())):
        years = int(date[1]) - int(birth[1])
    else:
        return ""
    return f"{years} y" if 0 <= years <= _OLDEST else ""
