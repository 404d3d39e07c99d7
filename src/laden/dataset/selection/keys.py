"""Keys of images, asked in SQL: `TableShape.row_key` for a whole column.

What holds letters beyond ASCII is folded by `TableShape.folded`, each different text once: SQL has other small letters,
and no accents that stand by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from laden.dataset.profile import TableShape
from laden.relations import Relations


def row_key(shape: TableShape, text: str) -> str:
    """SQL for the key of a row whose key column is `text`; `fold` has to come afterwards."""
    key = text
    if shape.match == "path" and shape.segments:
        key = f"array_to_string(str_split({text}, '/')[-{shape.segments}:], '/')"
    return folded(shape, key)


def folded(shape: TableShape, text: str) -> str:
    """SQL for a text in small letters, where the dataset's keys are; `fold` has to come afterwards."""
    return f"CASE WHEN {is_ascii(text)} THEN lower({text}) ELSE {text} END" if shape.ignore_case else text


def fold(relations: Relations, table: str, shape: TableShape, columns: Sequence[str] = ("key",)) -> None:
    """Fold columns of a relation where `folded` could not."""
    for column in columns:
        odd = relations.stream(f"SELECT DISTINCT {column} FROM {table} WHERE NOT {is_ascii(column)}")  # noqa: S608
        relations.run("CREATE OR REPLACE TABLE folded (given VARCHAR, fold VARCHAR)")
        if relations.feed("folded", ((text, other) for (text,) in odd if (other := shape.folded(text)) != text)):
            relations.run(f"UPDATE {table} SET {column} = fold FROM folded WHERE given = {column}")  # noqa: S608


def is_ascii(text: str) -> str:
    """SQL that tells whether a text has as many bytes as letters."""
    return f"strlen({text}) = length({text})"
