"""Counts what the selected rows of the tables hold: one more pass over their records.

Which columns are worth a chart, and which one says how pixels are to be read, the profile tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.table import Table
from laden.dataset.table.cells import parse_list
from laden.report.facts import ColumnCounts, Count

_EMPTY = frozenset({"", "none", "nan"})
"""How tables spell a missing value, in lower case."""
_INVERTED = "MONOCHROME1"
"""DICOM PS3.3 C.7.6.3.1.2: the lowest value is shown white."""
_KEPT = 500


class ReadTable(NamedTuple):
    """A table that can be read again."""

    table: Table
    shape: TableShape
    before: int
    """What is added to the numbers of its rows to have those of the relation `rows`."""


@dataclass(frozen=True, slots=True)
class TableCounts:
    """What one pass over the tables tells."""

    columns: tuple[ColumnCounts, ...] = ()
    inverted: frozenset[str] = field(default_factory=frozenset)
    """Of the keys asked for, those whose lowest value means white."""


def count_columns(tables: Sequence[ReadTable], rows: Container[int] | None, keys: Collection[str]) -> TableCounts:
    """Count values, and tell which images are inverted. Columns of one name in several tables are counted together.

    Args:
        tables: opened; columns that the profile names and a table lacks are left out.
        rows: numbers of the selected rows, or None for all.
        keys: of the images that will be shown, as `TableShape.row_key` gives them.

    Raises:
        SourceError: a table cannot be read to its end.
    """
    counters: dict[str, Counter[str]] = {}
    kinds: dict[str, str] = {}
    inverted: set[str] = set()
    for one in tables:
        kinds = {**one.shape.columns, **kinds}
        _count(one, rows, counters, inverted)
    columns = (_counts(column, counter, kinds[column]) for column, counter in counters.items())
    return TableCounts(tuple(columns), frozenset(inverted.intersection(keys)))


def _count(one: ReadTable, rows: Container[int] | None, counters: dict[str, Counter[str]], inverted: set[str]) -> None:
    """Count the cells of one table, and add to the keys of inverted images."""
    table, shape, before = one
    wanted = dict.fromkeys((*shape.charts, *([shape.labels] if shape.labels else ())))
    places = [
        (table.columns.index(name), counters.setdefault(name, Counter())) for name in wanted if name in table.columns
    ]
    key_at = table.column(shape.key)
    tone_at = table.columns.index(shape.photometric) if shape.photometric in table.columns else None
    for record in table.records():
        if len(record.fields) != len(table.columns) or (rows is not None and before + record.row not in rows):
            continue
        for place, counter in places:
            counter[record.fields[place]] += 1
        if tone_at is not None and record.fields[tone_at].strip() == _INVERTED:
            inverted.add(shape.row_key(record.fields[key_at].strip()))


def _counts(column: str, texts: Counter[str], kind: str) -> ColumnCounts:
    """Counts of values from counts of cells."""
    lists = kind == "list"
    values: Counter[str] = Counter()
    empty = 0
    for text, count in texts.items():
        found = _values(text) if lists else _present([text])
        empty += count if not found else 0
        for value in found:
            values[value] += count
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return ColumnCounts(column, lists, tuple(Count(*item) for item in ordered[:_KEPT]), len(ordered), empty)


def _values(text: str) -> set[str]:
    """The values of a list as Python prints it, each once; what is no list is one value."""
    items = parse_list(text)
    return _present([text] if items is None else filter(None, items))


def _present(values: Iterable[str]) -> set[str]:
    return {value.strip() for value in values if value.strip().lower() not in _EMPTY}
