"""What one cell of the label column says."""

from __future__ import annotations

from laden.dataset.table.cells import parse_list, present


def labels_of(text: str, kind: str) -> tuple[str, ...] | None:
    """The labels in a cell: blanks around them trimmed, empty ones dropped, each once, in order.

    Args:
        text: the cell.
        kind: the column's type in the profile; `list` is a list as Python prints it (Language Reference, 6.2.5),
            anything else one label.

    Returns:
        None for a list that cannot be read.
    """
    found = present(text)
    items = parse_list(found) if found is not None and kind == "list" else (found,)
    return None if items is None else tuple(dict.fromkeys(filter(None, items)))
