"""`laden load`."""

from __future__ import annotations

import sys
from typing import Any

from laden.cli.ask import Question, SasPrompt, somebody_is_there
from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.cli.links import warn_of_signed
from laden.values.events import Observer, Summary, Warned


def run_load(
    source: list[str],
    destination: str,
    options: dict[str, Any],
    face: Face,
    *,
    yes: bool,
) -> int:
    """Load, and return the exit code."""
    interrupts = Interrupts()
    prompt = SasPrompt() if somebody_is_there() and not (face.json or face.quiet) else None
    asks = not (yes or face.json or options["dry_run"]) and sys.stdin.isatty() and sys.stdout.isatty()
    question = Question(alone=face.quiet) if asks else None

    def work(observer: Observer) -> Summary:
        from laden.verbs.load import load

        if "sig=" in destination:
            observer(
                Warned(
                    "a SAS on the command line can be seen by other users of this machine: put it in LADEN_SAS instead"
                )
            )
        warn_of_signed(source, options, observer)
        return load(
            source,
            destination,
            observer=observer,
            confirm=question,
            stopping=interrupts.asked,
            ask_sas=prompt,
            **options,
        )

    return run_verb("load", work, face, prompt=prompt, question=question, interrupts=interrupts)
