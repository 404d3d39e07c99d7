"""`laden check`."""

from __future__ import annotations

from typing import Any

from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.cli.links import warn_of_signed
from laden.values.events import Observer, Summary


def run_check(source: list[str], options: dict[str, Any], face: Face) -> int:
    """Check a source, and return the exit code."""
    interrupts = Interrupts()

    def work(observer: Observer) -> Summary:
        from laden.verbs.check import check

        warn_of_signed(source, options, observer)
        return check(source, observer=observer, stopping=interrupts.asked, **options)

    return run_verb("check", work, face, interrupts=interrupts)
