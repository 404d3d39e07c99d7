"""`laden verify`."""

from __future__ import annotations

from typing import Any

from laden.cli.ask import SasPrompt, somebody_is_there
from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.values.events import Observer, Summary


def run_verify(destination: str, options: dict[str, Any], face: Face) -> int:
    """Verify a destination, and return the exit code."""
    prompt = SasPrompt() if somebody_is_there() and not (face.json or face.quiet) else None

    def work(observer: Observer) -> Summary:
        from laden.verbs.verify import verify

        return verify(destination, observer=observer, ask_sas=prompt, **options)

    return run_verb("verify", work, face, prompt=prompt)
