"""What one cell of the label column says."""

from __future__ import annotations

import ast

_NONE = frozenset({"", "nan", "None"})
"""PADCHEST writes a missing list as `nan`, an empty label as `''`; pandas writes both in other tables."""


def labels_of(text: str, kind: str) -> tuple[str, ...] | None:
    """The labels in a cell: blanks around them trimmed, empty ones dropped, each once, in order.

    Args:
        text: the cell.
        kind: the column's type in the profile; `list` is a list as Python prints it (Language Reference, 6.2.5),
            anything else one label.

    Returns:
        None for a list that cannot be read.
    """
    if kind != "list" or text.strip() in _NONE:
        items = [text]
    else:
        try:
            items = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            return None
    return tuple(dict.fromkeys(label for item in items if (label := item.strip()) not in _NONE))
