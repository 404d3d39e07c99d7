"""Keys of images, asked in SQL: `TableShape.row_key` and `entry_key` for a whole column.

What holds letters beyond ASCII is folded by `TableShape.folded`, each different text once: SQL has other small letters,
and no accents that stand by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from laden.dataset.profile import TableShape
from laden.relations import Relations


def row_key(shape: TableShape, text: str) -> str:
    """SQL for the key of a row whose key column is `text`; `fold` has to come afterwards."""
    key = text
    if shape.match == "path" and shape.segments:
        key = f"array_to_string(str_split({text}, '/')[-{shape.segments}:], '/')"
    return folded(shape, key)


def entry_key(shape: TableShape, path: str) -> str:
    """SQL for the key of the member or plain file at `path`; `fold` has to come afterwards."""
    if shape.match == "path":
        return row_key(shape, path)
    name = f"str_split({path}, '/')[-1]"
    if shape.match == "stem":
        # The longest that fits.
        ends = sorted(shape.suffixes, key=len, reverse=True)
        cases = (f"WHEN {_ends(name, end)} THEN left({name}, length({name}) - {len(end)})" for end in ends)
        name = f"CASE {' '.join(cases)} ELSE {name} END" if ends else name
    return folded(shape, name)


def is_image(shape: TableShape, path: str) -> str:
    """SQL that tells whether the file at `path` ends as this dataset's images do, as `TableShape.is_image`."""
    return f"({' OR '.join(_ends(path, end) for end in shape.suffixes) or 'true'})"


def _ends(text: str, end: str) -> str:
    own = f"right({text}, {len(end)})"
    same = "lower({}) = '{}'".format(own, end.replace("'", "''"))
    return f"({is_ascii(own)} AND {same})" if end.isascii() else same


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


def spell(relations: Relations, table: str, column: str, spelled: Callable[[str], str]) -> None:
    """Write a column's values as the dataset spells them (`Profile.spelled`): each different one is asked once."""
    given = relations.stream(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 - own names
    relations.run("CREATE OR REPLACE TABLE spelling (given VARCHAR, spelled VARCHAR)")
    if relations.feed("spelling", ((text, other) for (text,) in given if (other := spelled(text)) != text)):
        relations.run(f"UPDATE {table} SET {column} = spelled FROM spelling WHERE given = {column}")  # noqa: S608


def is_ascii(text: str) -> str:
    """SQL that tells whether a text has as many bytes as letters."""
    return f"strlen({text}) = length({text})"
