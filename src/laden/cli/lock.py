"""`laden lock`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.cli.links import warn_of_signed
from laden.values.events import Observer, Summary


def run_lock(source: list[str], output: Path, options: dict[str, Any], face: Face) -> int:
    """Write a lock file, and return the exit code."""
    interrupts = Interrupts()

    def work(observer: Observer) -> Summary:
        from laden.verbs.lock import lock

        warn_of_signed(source, options, observer)
        return lock(source, output, observer=observer, stopping=interrupts.asked, **options)

    return run_verb("lock", work, face, interrupts=interrupts)
