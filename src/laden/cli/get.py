"""`laden get`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laden.cli.ask import SasPrompt, somebody_is_there
from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.values.events import Observer, Summary


def run_get(destination: str, folder: Path, options: dict[str, Any], face: Face) -> int:
    """Bring a destination to a folder, and return the exit code."""
    interrupts = Interrupts()
    prompt = SasPrompt() if somebody_is_there() and not (face.json or face.quiet) else None

    def work(observer: Observer) -> Summary:
        from laden.verbs.get import get

        return get(destination, folder, observer=observer, stopping=interrupts.asked, ask_sas=prompt, **options)

    return run_verb("get", work, face, prompt=prompt, interrupts=interrupts)
