"""What each finding code means, in the words of docs/findings.md: that page is the only place where they stand."""

from __future__ import annotations

from typing import NamedTuple

from laden.values.pages import findings


class Meaning(NamedTuple):
    """Of one code."""

    meaning: str
    advice: str
    """What to do; empty where the page says it elsewhere."""


def meanings() -> dict[str, Meaning]:
    """Code to meaning."""
    return {code: Meaning(entry.meaning, entry.advice) for code, entry in findings().items()}
