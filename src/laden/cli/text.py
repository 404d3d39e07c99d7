"""Text from tables and archives, as it may be shown on a terminal."""

from __future__ import annotations

_MOST = 48


def plain(text: str) -> str:
    """The text without what could move the cursor."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def escaped(text: str) -> str:
    """The text so that nothing in it is read as markup, nor moves the cursor."""
    from rich.markup import escape

    return escape(plain(text))


def cut(text: str, most: int = _MOST) -> str:
    """The text, or its start where it is too long."""
    return text if len(text) <= most else text[: most - 1] + "\u2026"
