"""Narrows the selected rows to those that the steps of a selection leave."""

from __future__ import annotations

from collections.abc import Sequence

from laden.dataset.selection import Part, Records, choose
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.survey.recognition import Choice
from laden.stages.survey.rows import PlacedTable
from laden.values.errors import UsageError
from laden.values.records import Step
from laden.values.secrets import redact


def take_steps(
    choice: Choice, tables: Sequence[PlacedTable], relations: Relations, log: FindingLog
) -> tuple[Step, ...]:
    """Take the steps; returns what each left, or nothing where all rows were wanted.

    Args:
        choice: what a person asked for.
        tables: those of the dataset.
        relations: `rows` holds what the archives left as selected, and afterwards what the selection leaves.
        log: gets what `selection.choose` finds.

    Raises:
        UsageError: there is no table to select from, the selection is wrong, or it leaves nothing.
    """
    selection = choice.selection
    if not tables:
        if selection.lands_alone:
            raise UsageError("a dataset without a table cannot be selected from: leave the selection out")
        return ()
    _refuse_name(selection.table_name, tables, relations)
    if selection.chooses:
        parts = [Part(placed.table, placed.shape, placed.rows.start - 1) for placed in tables]
        within = "SELECT row FROM rows WHERE selected"
        records = Records(relations, parts, marks=selection.marks)
        steps = choose(selection, records, relations, log.add, within=within, archives=choice.archives or "")
        relations.run("UPDATE rows SET selected = row IN (SELECT row FROM chosen)")
        return steps
    rows, selected = relations.one("SELECT count(*), count(*) FILTER (selected) FROM rows")
    whole = Step("table", ", ".join(placed.table.name for placed in tables), rows)
    if choice.archives is not None:
        return whole, Step("archives", redact(choice.archives), selected)
    return (whole,) if selection.lands_alone else ()


def _refuse_name(name: str | None, tables: Sequence[PlacedTable], relations: Relations) -> None:
    """Refuse a name for the selected table under which something else lands."""
    if name is None:
        return
    others = [placed.shape.subset for placed in tables[1:]]
    if name in [*others, *(placed.table.name for placed in tables)]:
        raise UsageError(f"--table-name {name} is the name of a whole table, or of part of another: choose another")
    if relations.one("SELECT count(*) FROM rows WHERE blob = ?", [name])[0]:
        raise UsageError(f"--table-name {name} is the name of an image: choose another")
