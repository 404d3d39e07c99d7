"""How a command shows what happens, as its options say; `faces` draws it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Face(NamedTuple):
    """How events are shown."""

    json: bool = False
    """As lines of JSON on stdout."""
    quiet: bool = False
    """Only warnings, errors and the last line."""
    verbose: bool = False
    """Every event."""

    @classmethod
    def of(cls, options: dict[str, Any]) -> Face:
        """Take those that `options.Showing` declares out of a command's options."""
        return cls(*(options.pop(name) for name in cls._fields))
