"""Counts what the tables hold, in all and of the loaded rows, of the columns that are charted (`laden.stages.charted`).

Of some images it also tells what their rows say. Which columns are worth a chart, which one says how pixels are to be
read and how old a person was, the profile tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from laden.dataset.profile import TableShape
from laden.dataset.selection.keys import fold, row_key
from laden.dataset.selection.lists import declare_lists, read_lists
from laden.dataset.table import BATCH, Table, columns
from laden.relations import Relations
from laden.report.captions import caption
from laden.report.facts import ColumnCounts, Count
from laden.stages.charted import Charted

_PRESENT = "lower({0}) NOT IN ('', 'none', 'nan')"
"""Whether a trimmed text is a value: how tables spell a missing one."""
_INVERTED = "MONOCHROME1"
"""DICOM PS3.3 C.7.6.3.1.2: the lowest value is shown white."""
_KEPT = 500


def read_charts(relations: Relations, table: Table, shape: TableShape) -> Charted:
    """Read a table that no survey read; raises SourceError where it cannot be read to its end."""
    charted = Charted.of(0, table, shape)
    key = table.column(shape.key)
    relations.run(charted.declared)
    statement = charted.taken(BATCH, 0, row_key(shape, f"c{key}"))
    relations.absorb(statement, columns(table, sorted(charted.needed | {key})))
    fold(relations, charted.relation, shape)
    return charted


def count_columns(relations: Relations, tables: Sequence[Charted], loaded: str) -> tuple[ColumnCounts, ...]:
    """Count values. Columns of one name in several tables are counted together.

    Args:
        relations: with those of the tables.
        tables: the label table first: what it says of a column's type holds.
        loaded: a query of the numbers of the rows that are loaded; empty where that is all that the tables hold.
    """
    counters: dict[str, _Counter] = {}
    for one in tables:
        for name, place in one.places.items():
            counter = counters.setdefault(name, _Counter(name, one.shape.columns[name] == "list"))
            _count_cells(relations, one, loaded, place, counter)
    return tuple(counter.counts(partly=bool(loaded)) for counter in counters.values())


def inverted_keys(relations: Relations, tables: Sequence[Charted], keys: Collection[str]) -> frozenset[str]:
    """Of these keys of images, those whose lowest value means white."""
    found: set[str] = set()
    for one in tables if keys else ():
        found.update(
            key
            for (key,) in relations.stream(
                f"SELECT DISTINCT coalesce(c.key, r.key) AS key FROM {one.relation} c LEFT JOIN"  # noqa: S608 - own name
                " (SELECT row, key FROM rows WHERE list_contains($keys::VARCHAR[], key)) r USING (row)"
                " WHERE c.tone = $tone AND list_contains($keys::VARCHAR[], coalesce(c.key, r.key))",
                {"keys": list(keys), "tone": _INVERTED},
            )
        )
    return frozenset(found)


def captions(relations: Relations, tables: Sequence[Charted], keys: Collection[str]) -> dict[str, str]:
    """Of these keys of images, what the first of their rows says."""
    told: dict[str, str] = {}
    for one in tables if keys else ():
        places = {**one.places, **one.ages}
        cells = "".join(f", c.c{place}" for place in places.values())
        rows = relations.stream(
            f"SELECT coalesce(c.key, r.key) AS key{cells} FROM {one.relation} c LEFT JOIN"  # noqa: S608 - own names
            " (SELECT row, key FROM rows WHERE list_contains($keys::VARCHAR[], key)) r USING (row)"
            " WHERE list_contains($keys::VARCHAR[], coalesce(c.key, r.key)) ORDER BY c.row",
            {"keys": list(keys)},
        )
        for key, *found in rows:
            told.setdefault(key, caption(one.shape, dict(zip(places, found, strict=True))))
    return told


@dataclass(slots=True)
class _Counter:
    """The values of one column so far."""

    column: str
    lists: bool
    values: Counter[str] = field(default_factory=Counter)
    loaded: Counter[str] = field(default_factory=Counter)
    empty: int = 0

    def add(self, found: Iterable[tuple[str, int, int]], empty: int) -> None:
        for value, rows, here in found:
            self.values[value] += rows
            self.loaded[value] += here
        self.empty += empty

    def counts(self, *, partly: bool) -> ColumnCounts:
        here = self.loaded
        ordered = sorted(self.values.items(), key=lambda item: (-here[item[0]], -item[1], item[0]))[:_KEPT]
        loaded = tuple(here[value] for value, _ in ordered) if partly else None
        kept = tuple(Count(*item) for item in ordered)
        return ColumnCounts(self.column, self.lists, kept, loaded, len(self.values), self.empty)


def _count_cells(relations: Relations, one: Charted, loaded: str, place: int, counter: _Counter) -> None:
    """Count the values of a column: each different text is taken apart once; what is no list is one value."""
    here = f" FILTER (row IN ({loaded}))" if loaded else ""
    relations.run(
        f"CREATE OR REPLACE TABLE alike AS SELECT c{place}, count(*)::BIGINT AS rows,"  # noqa: S608 - own names
        f" count(*){here}::BIGINT AS here FROM {one.relation} GROUP BY c{place}"
    )
    value, joined = f"c{place}", ""
    if counter.lists:
        declare_lists(relations, place)
        read_lists(relations, "alike", place, "list")
        value = f"unnest(list_distinct(coalesce(items{place}, [c{place}])))"
        joined = f" LEFT JOIN lists{place} ON text{place} = c{place}"
    relations.run(
        "CREATE OR REPLACE TABLE taken AS FROM"  # noqa: S608 - own names
        f" (SELECT alike.rowid AS text, {value} AS value, rows, here FROM alike{joined})"
        f" WHERE {_PRESENT.format('value')}"
    )
    (empty,) = relations.one(
        "SELECT coalesce(sum(rows), 0)::BIGINT FROM alike WHERE rowid NOT IN (SELECT text FROM taken)"
    )
    found = relations.stream("SELECT value, sum(rows)::BIGINT, sum(here)::BIGINT FROM taken GROUP BY value")
    counter.add(((value, rows, here) for value, rows, here in found), empty)
