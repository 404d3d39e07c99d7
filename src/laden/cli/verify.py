"""`laden verify`."""

from __future__ import annotations

from typing import Any

from laden.cli.faces import run_verb
from laden.events import Observer, Summary


def run_verify(destination: str, options: dict[str, Any], *, json: bool, quiet: bool, verbose: bool) -> int:
    """Verify a destination, and return the exit code."""

    def work(observer: Observer) -> Summary:
        from laden.conductor import verify

        return verify(destination, observer=observer, **options)

    return run_verb("verify", work, json=json, quiet=quiet, verbose=verbose)
