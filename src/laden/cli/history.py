"""`laden history`."""

from __future__ import annotations

from typing import Any

from laden.cli.ask import SasPrompt, somebody_is_there
from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.values.events import Event, Observer, Summary


def run_history(destination: str, options: dict[str, Any], face: Face) -> int:
    """Show what was done to a destination, and return the exit code."""
    prompt = SasPrompt() if somebody_is_there() and not (face.json or face.quiet) else None

    def work(observer: Observer) -> Summary:
        from laden.verbs.history import history

        told: list[Event] = []

        def observe(event: Event) -> None:
            told.append(event)
            observer(event)

        history(destination, observer=observe, ask_sas=prompt, **options)
        return next(event for event in told if isinstance(event, Summary))

    return run_verb("history", work, face, prompt=prompt)
