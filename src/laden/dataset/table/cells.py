"""What one cell of a table holds: nothing, text, or a list of texts.

Lists come in two spellings: as Python prints them (`['a', ' b']`) and as NumPy does (`['a' 'b'` and no commas, broken
over several lines). A parser gives the trimmed items, or None for text that is no such list. Nothing is evaluated.
"""

from __future__ import annotations

import ast
import re

MISSING = frozenset({"", "None", "nan"})
"""Spellings of "no value", in a cell and as an item of a list."""

_QUOTED = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
_BARE = r"""[^\s,'"\[\]]++"""
_ITEM = re.compile(rf"({_QUOTED}|{_BARE})", re.DOTALL)
_LIST = re.compile(rf"\[\s*+(?:(?:{_QUOTED}|{_BARE})\s*+(?:,\s*+|(?=\])))*+\]", re.DOTALL)
_ARRAY = re.compile(rf"\[\s*+(?:(?:{_QUOTED}|None|nan)(?:\s++|(?=\])))*+\]", re.DOTALL)

Items = tuple[str | None, ...]


def present(text: str) -> str | None:
    """Return the trimmed text of a cell or item, or None where it is one of `MISSING`."""
    trimmed = text.strip()
    return None if trimmed in MISSING else trimmed


def parse_list(text: str) -> Items | None:
    """Return the items of a flat list as Python prints it (Language Reference 6.2.5), or None if it is none."""
    return _items(text) if _LIST.fullmatch(text.strip()) else None


def parse_cuis(text: str) -> Items | None:
    """Return the items of an array of texts as NumPy prints it (`numpy.array2string`), or None if it is none."""
    return _items(text) if _ARRAY.fullmatch(text.strip()) else None


def _items(text: str) -> Items | None:
    try:
        return tuple(present(_unquoted(found)) for found in _ITEM.findall(text.strip()[1:-1]))
    except (SyntaxError, ValueError):
        return None


def _unquoted(item: str) -> str:
    """The text that a literal stands for; what has no quotes stands for itself."""
    if item[0] not in "'\"":
        return item
    if "\\" not in item:
        return item[1:-1]
    text = str(ast.literal_eval(_one_line(item)))
    # An escaped half of a surrogate pair is no text that could be written down again.
    text.encode()
    return text


def _one_line(item: str) -> str:
    """A literal whose line ends are escaped: Python's own, so that one in a cell is kept as it is."""
    return item.replace("\r", "\\r").replace("\n", "\\n")
