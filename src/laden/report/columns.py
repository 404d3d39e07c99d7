"""Counts what the tables hold, in all and of the rows that are loaded; and what the rows of some images say of them.

It is a question to the relations, of the columns that are charted. Which columns are worth a chart, which one says how
pixels are to be read and how old a person was, the profile tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.selection.keys import fold, row_key
from laden.dataset.table import BATCH, Table, columns
from laden.dataset.table.cells import parse_list
from laden.relations import Relations
from laden.report.captions import caption
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
    captions: dict[str, str] = field(default_factory=dict)
    """Key to what its row says of the image, of the keys asked for."""


class _Counter:
    """Counts of cells of one column, by their text."""

    def __init__(self) -> None:
        self.all: Counter[str] = Counter()
        self.loaded: Counter[str] = Counter()


def count_columns(relations: Relations, tables: Sequence[ReadTable], loaded: str, keys: Collection[str]) -> TableCounts:
    """Count values, and tell what rows say. Columns of one name in several tables are counted together.

    Args:
        relations: where they are counted.
        tables: held; columns that the profile names and a table lacks are left out.
        loaded: a query of the numbers of the rows that are loaded; empty where that is all that the tables hold.
        keys: of the images that will be shown, as `TableShape.row_key` gives them.

    Raises:
        SourceError: a table cannot be read to its end.
    """
    counters: dict[str, _Counter] = {}
    kinds: dict[str, str] = {}
    inverted: set[str] = set()
    captions: dict[str, str] = {}
    for one in tables:
        kinds = {**one.shape.columns, **kinds}
        for key, tone, told in _count(relations, one, loaded, counters, keys):
            inverted |= {key} if tone == _INVERTED else set()
            captions.setdefault(key, told)
    return TableCounts(
        tuple(_counts(column, counter, kinds[column], bool(loaded)) for column, counter in counters.items()),
        frozenset(inverted),
        captions,
    )


def _count(
    relations: Relations, one: ReadTable, loaded: str, counters: dict[str, _Counter], keys: Collection[str]
) -> list[tuple[str, str, str]]:
    """Count the cells of one table; returns key, tone and caption of the images asked for."""
    table, shape, before = one
    charted = dict.fromkeys((*shape.charts, *([shape.labels] if shape.labels else ())))
    places = {name: table.columns.index(name) for name in (*charted, *shape.age) if name in table.columns}
    key_at = table.column(shape.key)
    tone_at = table.columns.index(shape.photometric) if shape.photometric in table.columns else None
    needed = sorted({*places.values(), key_at, *([] if tone_at is None else [tone_at])})
    # Images are few, and so are their keys; cells of a chart are alike.
    tone = "''" if tone_at is None else f"c{tone_at}"
    cells = sorted(set(places.values()))
    relations.run(
        "CREATE OR REPLACE TABLE counted (row BIGINT, key VARCHAR, tone VARCHAR"
        + "".join(f", v{place} VARCHAR" for place in cells)
        + ")"
    )
    values = "".join(f", c{place}" for place in cells)
    relations.absorb(
        f"INSERT INTO counted SELECT row + {before}, {row_key(shape, f'c{key_at}')}, {tone}{values} FROM {BATCH}",  # noqa: S608
        columns(table, needed),
    )
    here = f"count(*) FILTER (row IN ({loaded}))" if loaded else "count(*)"
    for name in charted:
        if name in places:
            place = places[name]
            counter = counters.setdefault(name, _Counter())
            for text, number, of_loaded in relations.stream(
                f"SELECT v{place}, count(*), {here} FROM counted GROUP BY v{place}"  # noqa: S608 - own names
            ):
                counter.all[text] += number
                counter.loaded[text] += of_loaded
    return _rows(relations, shape, places, keys) if keys else []


def _rows(
    relations: Relations, shape: TableShape, places: dict[str, int], keys: Collection[str]
) -> list[tuple[str, str, str]]:
    fold(relations, "counted", shape)
    names = list(places)
    cells = "".join(f", v{places[name]}" for name in names)
    found: Iterable[tuple[Any, ...]] = relations.stream(
        f"SELECT key, tone{cells} FROM counted WHERE list_contains(?::VARCHAR[], key) ORDER BY row",  # noqa: S608
        [list(keys)],
    )
    return [(key, tone, caption(shape, dict(zip(names, told, strict=True)))) for key, tone, *told in found]


def _counts(column: str, texts: _Counter, kind: str, partly: bool) -> ColumnCounts:
    """Counts of values from counts of cells."""
    lists = kind == "list"
    values: Counter[str] = Counter()
    here: Counter[str] = Counter()
    empty = 0
    for text, count in texts.all.items():
        found = _values(text) if lists else _present([text])
        empty += count if not found else 0
        for value in found:
            values[value] += count
            here[value] += texts.loaded[text]
    ordered = sorted(values.items(), key=lambda item: (-here[item[0]], -item[1], item[0]))[:_KEPT]
    loaded = tuple(here[value] for value, _ in ordered) if partly else None
    return ColumnCounts(column, lists, tuple(Count(*item) for item in ordered), loaded, len(values), empty)


def _values(text: str) -> set[str]:
    """The values of a list as Python prints it, each once; what is no list is one value."""
    items = parse_list(text)
    return _present([text] if items is None else filter(None, items))


def _present(values: Iterable[str]) -> set[str]:
    return {value.strip() for value in values if value.strip().lower() not in _EMPTY}
