"""JSON that somebody else may have written: read, or refused with a ValueError, whatever it holds.

Python's reader raises RecursionError where lists and objects lie deep in each other, and so do those who copy or write
what it read from just below that depth. Nothing that laden writes is deep.
"""

from __future__ import annotations

import json
from typing import Any

MOST_DEPTH = 30


def from_json(data: bytes | str) -> Any:
    """The value that a text holds.

    Raises:
        ValueError: it is none (RFC 8259), or one with more than `MOST_DEPTH` lists and objects in each other.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("lists or objects lie too deep in each other") from None
    layer = [value]
    for _ in range(MOST_DEPTH + 1):
        layer = [one for held in layer for one in _held(held)]
        if not layer:
            return value
    raise ValueError("lists or objects lie too deep in each other")


def _held(value: Any) -> list[Any]:
    """Lists and objects within a list or an object."""
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in within if isinstance(one, dict | list)]
