"""What the columns of a table hold: type, share of NULL, range, commonest values. What it takes to write a condition.

`describe` asks the columns that `records` was filled with, of all rows or some; `hint` says in a sentence what a column
has, to a person whose condition selects nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from laden.dataset.selection.lists import LISTS
from laden.dataset.selection.view import Column, Records, typed
from laden.relations import Relations
from laden.values.records import ColumnFacts, TableFacts, Value

_AT_ONCE = 40
"""Columns read in one pass: enough to be quick, few enough for the database's memory."""

_COMPARED = 5_000
"""Values of a column among which a misspelt one is looked for."""

_SHOWN_IN_HINT = 8
_RANGED = ("integer", "number", "date")


def describe(
    records: Records,
    relations: Relations,
    names: Collection[str] | None = None,
    *,
    most: int | None = 5,
    within: str = "",
) -> TableFacts:
    """Return what the table's columns hold.

    Args:
        records: the table; it is read once for every forty columns.
        relations: where the relation is made.
        names: only these columns, by their names in conditions; raises UsageError for one that is none.
        most: how many of the commonest values; None for all values.
        within: a query of the rows that count, as in `SELECT row FROM rows WHERE selected`; by default all do.
    """
    wanted = records.columns if names is None else tuple(map(records.column, names))
    found: list[ColumnFacts] = []
    rows = 0
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        records.declare(part)
        rows = records.read()
        found += (facts(column, relations, most=most, within=within) for column in part)
    if within:
        (rows,) = relations.one(f"SELECT count(*) FROM ({within})")  # noqa: S608 - own text
    return TableFacts(records.name, rows, tuple(found))


def facts(column: Column, relations: Relations, *, most: int | None, within: str = "") -> ColumnFacts:
    """Return what one column holds, which the relation `records` must have been filled with.

    Cells are alike: the texts that differ are counted first, and only these are read as what they are.
    """
    chosen = f" WHERE row IN ({within})" if within else ""
    joined = f" LEFT JOIN lists{column.place} ON c{column.place} = text{column.place}" if column.kind in LISTS else ""
    relations.run(
        f"CREATE OR REPLACE TABLE typed AS SELECT {typed(column)} AS value, rows FROM"  # noqa: S608 - own names
        f" (SELECT c{column.place}, count(*) AS rows FROM fields{chosen} GROUP BY c{column.place}){joined}"
    )
    rows, filled = relations.one(
        "SELECT coalesce(sum(rows), 0), coalesce(sum(rows) FILTER (value NOT NULL), 0) FROM typed"
    )
    # A list counts once for each item it has, however often; texts that differ are different values.
    each = "unnest(list_distinct(value))" if column.kind in LISTS else "value"
    grouped = ("rows", "") if column.kind == "text" else ("sum(rows) AS rows", "GROUP BY value")
    relations.run(
        f"CREATE OR REPLACE TABLE held AS SELECT value, {grouped[0]} FROM"  # noqa: S608 - own names
        f" (SELECT {each} AS value, rows FROM typed) WHERE value IS NOT NULL {grouped[1]}"
    )
    ranged = "min(value)::VARCHAR, max(value)::VARCHAR" if column.kind in _RANGED else "'', ''"
    distinct, lowest, highest = relations.one(f"SELECT count(*), {ranged} FROM held")  # noqa: S608 - own names
    limit = "" if most is None else f" LIMIT {most}"
    values = relations.stream(f"SELECT value::VARCHAR, rows FROM held ORDER BY rows DESC, value{limit}")  # noqa: S608
    return ColumnFacts(
        column.name,
        column.kind,
        int(rows),
        int(rows - filled),
        distinct,
        lowest or "",
        highest or "",
        tuple(Value(text, int(count)) for text, count in values),
    )


def hint(column: Column, constants: Sequence[str], relations: Relations) -> str:
    """Say what a column has, and which of its values is close to a text of the condition."""
    held = facts(column, relations, most=_COMPARED)
    if not held.distinct:
        return f"{held.name} has no value in any row"
    shown = ", ".join(
        f"'{value.text[:40]}'" if _is_text(held) else value.text for value in held.commonest[:_SHOWN_IN_HINT]
    )
    ranged = f" from {held.lowest} to {held.highest}" if held.lowest else ""
    all_shown = held.distinct <= _SHOWN_IN_HINT
    told = (
        f"{held.name} has {shown}"
        if all_shown
        else f"{held.name} has {held.distinct:,} values{ranged}, most often {shown}"
    )
    if _is_text(held):
        texts = {value.text.casefold(): value.text for value in held.commonest}
        for constant in constants:
            close = difflib.get_close_matches(constant.casefold(), texts, n=1, cutoff=0.7)
            if close and texts[close[0]] != constant:
                told += f" (did you mean '{texts[close[0]]}'?)"
    return told


def _is_text(held: ColumnFacts) -> bool:
    return held.kind not in _RANGED
