"""`laden diff`."""

from __future__ import annotations

from typing import Any

from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.values.events import Observer, Summary


def run_diff(here: str, there: str, options: dict[str, Any], face: Face) -> int:
    """Compare two places, and return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.verbs.diff import diff

        return diff(here, there, observer=observer, **options)

    return run_verb("diff", work, face)
