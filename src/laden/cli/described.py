"""Draws what the columns of a table hold: two lines or three for each, that fit the terminal."""

from __future__ import annotations

import textwrap

from rich.console import Console

from laden.cli.text import cut, escaped, plain
from laden.values.events import Described
from laden.values.records import ColumnFacts
from laden.values.units import amount, plural, share

_RARE = 1_000
"""A value in less than one row of so many is no common one."""
_JOINED = "\u00a0"
"""Stands for a blank at which no line may end."""


def draw_columns(console: Console, event: Described) -> None:
    """Print the facts of every column."""
    facts = event.facts
    declared = f"types as the profile {event.profile} declares them" if event.profile else "no profile knows it"
    console.print(escaped(facts.table))
    console.print(f"{plural(facts.rows, 'row')}, {plural(len(facts.columns), 'column')}; {declared}")
    for column in facts.columns:
        console.print()
        console.print(f"[bold]{escaped(column.name)}[/]  [cyan]{column.kind}[/]  {_extent(column)}", soft_wrap=False)
        if event.all_values:
            _draw_all(console, column)
            continue
        lines = textwrap.wrap(
            ", ".join(value.replace(" ", _JOINED) for value in _values(column)),
            console.width - 1,
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        console.print("\n".join(lines).replace(_JOINED, " "), markup=False)


def _draw_all(console: Console, column: ColumnFacts) -> None:
    """A line for each value: how many rows have it, and it, whole."""
    for value in column.commonest:
        console.print(
            f"{amount(value.rows):>11}  {share(value.rows, column.rows):>7}  {plain(value.text)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _extent(column: ColumnFacts) -> str:
    """`52 values, 3.1 % NULL, from 0 to 54`."""
    is_list = column.kind in ("list", "cuis")
    parts = [f"{amount(column.distinct)} {'item' if is_list else 'value'}{'' if column.distinct == 1 else 's'}"]
    if column.empty:
        parts.append(f"{share(column.empty, column.rows)} NULL")
    if column.distinct > 1 and column.lowest:
        parts.append(f"from {column.lowest} to {column.highest}")
    if column.distinct == column.rows - column.empty > 1 and not is_list:
        parts.append("all different")
    return ", ".join(parts)


def _values(column: ColumnFacts) -> list[str]:
    """The commonest values with their shares; where none is common, one as an example."""
    shown = [(plain(cut(value.text)), value.rows) for value in column.commonest]
    if not shown:
        return ["no value at all"]
    if shown[0][1] * _RARE < column.rows:
        return [f"such as {shown[0][0]}"]
    return [f"{text} {share(rows, column.rows)}" for text, rows in shown]
