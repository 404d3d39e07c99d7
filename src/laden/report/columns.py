"""Counts what the selected rows of the tables hold: a question to the relations, of the columns that are charted.

Which columns are worth a chart, and which one says how pixels are to be read, the profile tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.selection.keys import fold, row_key
from laden.dataset.table import BATCH, Table, columns
from laden.dataset.table.cells import parse_list
from laden.relations import Relations
from laden.report.facts import ColumnCounts, Count

_EMPTY = frozenset({"", "none", "nan"})
"""How tables spell a missing value, in lower case."""
_INVERTED = "MONOCHROME1"
"""DICOM PS3.3 C.7.6.3.1.2: the lowest value is shown white."""
_KEPT = 500


class ReadTable(NamedTuple):
    """A table that is held, and can be read again."""

    table: Table
    shape: TableShape
    before: int
    """What is added to the numbers of its rows to have those of the relation `rows`."""


@dataclass(frozen=True, slots=True)
class TableCounts:
    """What the tables tell."""

    columns: tuple[ColumnCounts, ...] = ()
    inverted: frozenset[str] = field(default_factory=frozenset)
    """Of the keys asked for, those whose lowest value means white."""


def count_columns(relations: Relations, tables: Sequence[ReadTable], within: str, keys: Collection[str]) -> TableCounts:
    """Count values, and tell which images are inverted. Columns of one name in several tables are counted together.

    Args:
        relations: where they are counted.
        tables: held; columns that the profile names and a table lacks are left out.
        within: a query of the numbers of the rows that count, or empty for all.
        keys: of the images that will be shown, as `TableShape.row_key` gives them.

    Raises:
        SourceError: a table cannot be read to its end.
    """
    counters: dict[str, Counter[str]] = {}
    kinds: dict[str, str] = {}
    inverted: set[str] = set()
    for one in tables:
        kinds = {**one.shape.columns, **kinds}
        inverted |= _count(relations, one, within, counters, keys)
    return TableCounts(
        tuple(_counts(column, counter, kinds[column]) for column, counter in counters.items()), frozenset(inverted)
    )


def _count(
    relations: Relations, one: ReadTable, within: str, counters: dict[str, Counter[str]], keys: Collection[str]
) -> set[str]:
    """Count the cells of one table; returns which of the images asked for are inverted."""
    table, shape, before = one
    wanted = dict.fromkeys((*shape.charts, *([shape.labels] if shape.labels else ())))
    places = {name: table.columns.index(name) for name in wanted if name in table.columns}
    key_at = table.column(shape.key)
    tone_at = table.columns.index(shape.photometric) if shape.photometric in table.columns else None
    needed = sorted({*places.values(), key_at, *([] if tone_at is None else [tone_at])})
    # Images are few, and so are their keys; cells of a chart are alike.
    tone = "''" if tone_at is None else f"c{tone_at}"
    relations.run(
        "CREATE OR REPLACE TABLE counted (row BIGINT, key VARCHAR, tone VARCHAR"
        + "".join(f", v{place} VARCHAR" for place in sorted(set(places.values())))
        + ")"
    )
    values = "".join(f", c{place}" for place in sorted(set(places.values())))
    relations.absorb(
        f"INSERT INTO counted SELECT row + {before}, {row_key(shape, f'c{key_at}')}, {tone}{values} FROM {BATCH}",  # noqa: S608
        columns(table, needed),
    )
    chosen = f"FROM counted WHERE row IN ({within})" if within else "FROM counted WHERE true"
    for name, place in places.items():
        counted = relations.stream(f"SELECT v{place}, count(*) {chosen} GROUP BY v{place}")
        counters.setdefault(name, Counter()).update(dict(counted))
    if not keys:
        return set()
    fold(relations, "counted", shape)
    inverted = relations.stream(
        f"SELECT DISTINCT key {chosen} AND tone = ? AND list_contains(?::VARCHAR[], key)", [_INVERTED, list(keys)]
    )
    return {key for (key,) in inverted}


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
