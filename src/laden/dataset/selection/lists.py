"""Columns of lists: each different text is read once, into a relation of its own that the view joins.

Nearly all lists are printed without escapes or double quotes; SQL takes the items out of those: cut at the separators
where each item holds something and no item can be None, which takes half the time, else one by one. The others are read
by `cells`, and give what it makes of them. A text that is no list has no items (NULL).
"""

from __future__ import annotations

import json

from laden.dataset.table.cells import parse_cuis, parse_list
from laden.relations import Relations

LISTS = ("list", "cuis")
"""Types of columns that hold lists."""

_PARSERS = {"list": parse_list, "cuis": parse_cuis}

_NO_SIGN = r"''\"\\\x{0}-\x{1f}\x{7f}-\x{a0}\x{1680}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}\x{3000}"
_PLAIN = f"''[^{_NO_SIGN}]*''"
"""An item in single quotes, without any escape, and without blanks that SQL's `trim` leaves."""
_SIMPLE = {"list": rf"\[(?:{_PLAIN}(?:, ?{_PLAIN})*)?\]", "cuis": rf"\[(?:{_PLAIN}(?:[ \n]+{_PLAIN})*)?\]"}
_FULL = f"'' *[^ {_NO_SIGN}][^{_NO_SIGN}]*''"
"""A plain item that is more than blanks."""
_CUT = {"list": rf"\[{_FULL}(?:, {_FULL})*\]", "cuis": rf"\[{_FULL}(?: {_FULL})*\]"}
_SEPARATOR = {"list": "'', ''", "cuis": "'' ''"}
"""Between the items of a list that is cut."""
_ITEMS = (
    "list_transform(regexp_extract_all({0}, '''([^'']*)''', 1),"
    " lambda item: CASE WHEN trim(item) NOT IN ('', 'None', 'nan') THEN trim(item) END)"
)


def declare_lists(relations: Relations, place: int) -> None:
    """Make the relation of the column at a place, still empty."""
    relations.run(f"CREATE OR REPLACE TABLE lists{place} (text{place} VARCHAR, items{place} VARCHAR[])")


def read_lists(relations: Relations, table: str, place: int, kind: str) -> None:
    """Read every different text of `c{place}` in a relation."""
    is_simple = f"regexp_full_match(text, '{_SIMPLE[kind]}')"
    relations.run(
        "CREATE OR REPLACE TABLE different AS SELECT text, NOT contains(text, 'None') AND NOT contains(text, 'nan')"  # noqa: S608
        f" AND regexp_full_match(text, '{_CUT[kind]}') AS cut, cut OR {is_simple} AS simple"
        f" FROM (SELECT DISTINCT c{place} AS text FROM {table} WHERE c{place} IS NOT NULL)"
    )
    relations.run(
        f"INSERT INTO lists{place} SELECT text, list_transform(string_split(text[3:-3], '{_SEPARATOR[kind]}'),"  # noqa: S608
        " lambda item: trim(item)) FROM different WHERE cut"
    )
    relations.run(
        f"INSERT INTO lists{place} SELECT text, {_ITEMS.format('text')}"  # noqa: S608 - own names
        " FROM different WHERE simple AND NOT cut"
    )
    parse = _PARSERS[kind]
    odd = relations.stream("SELECT text FROM different WHERE NOT simple")
    relations.run("CREATE OR REPLACE TABLE odd_lists (text VARCHAR, items VARCHAR)")
    parsed = ((text, parse(text)) for (text,) in odd)
    relations.feed("odd_lists", ((text, None if items is None else json.dumps(items)) for text, items in parsed))
    relations.run(
        f"INSERT INTO lists{place} SELECT text, from_json(items, '[\"VARCHAR\"]') FROM odd_lists"  # noqa: S608 - own names
    )
