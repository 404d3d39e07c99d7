"""`laden fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.cli.links import warn_of_signed
from laden.values.events import Observer, Summary


def run_fetch(links: list[str], folder: Path, options: dict[str, Any], face: Face) -> int:
    """Bring what is behind links to a folder, and return the exit code."""
    interrupts = Interrupts()

    def work(observer: Observer) -> Summary:
        from laden.verbs.fetch import fetch

        warn_of_signed(links, options, observer)
        return fetch(links, folder, observer=observer, stopping=interrupts.asked, **options)

    return run_verb("fetch", work, face, interrupts=interrupts)
