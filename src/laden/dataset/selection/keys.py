"""Keys of images, asked in SQL: `TableShape.row_key` for a whole column.

SQL's small letters are those of Unicode's simple mapping, keys are folded (`str.casefold`): what holds letters beyond
ASCII is folded here, each different text once.
"""

from __future__ import annotations

from laden.dataset.profile import TableShape
from laden.relations import Relations


def row_key(shape: TableShape, text: str) -> str:
    """SQL for the key of a row whose key column is `text`; `fold` has to come afterwards."""
    key = text
    if shape.match == "path" and shape.segments:
        key = f"array_to_string(str_split({text}, '/')[-{shape.segments}:], '/')"
    return f"CASE WHEN {is_ascii(key)} THEN lower({key}) ELSE {key} END" if shape.ignore_case else key


def fold(relations: Relations, table: str, shape: TableShape) -> None:
    """Fold the column `key` of a relation where `row_key` could not."""
    if not shape.ignore_case:
        return
    odd = relations.stream(f"SELECT DISTINCT key FROM {table} WHERE NOT {is_ascii('key')}")  # noqa: S608 - own names
    relations.run("CREATE OR REPLACE TABLE folded (key VARCHAR, fold VARCHAR)")
    if relations.feed("folded", ((key, key.casefold()) for (key,) in odd)):
        relations.run(f"UPDATE {table} SET key = fold FROM folded WHERE folded.key = {table}.key")  # noqa: S608


def is_ascii(text: str) -> str:
    """SQL that tells whether a text has as many bytes as letters."""
    return f"strlen({text}) = length({text})"
