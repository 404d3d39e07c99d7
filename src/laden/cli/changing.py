"""`laden prune`, `undelete`, `set`: what changes blobs that are there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from laden.cli.ask import Question, SasPrompt, agreed, somebody_is_there
from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.values.events import ActReady, Observer, Summary, Warned


def run_plan(destination: str, source: list[str], plan: Path, options: dict[str, Any], face: Face) -> int:
    """Write a plan; return the exit code."""

    def work(doing: dict[str, Any]) -> Summary:
        from laden.verbs.prune import plan_prune

        doing.pop("stopping")
        return plan_prune(destination, source, plan_file=plan, **options, **doing)

    return _run("prune", work, face)


def run_prune(plan: Path, destination: str | None, options: dict[str, Any], face: Face) -> int:
    """Carry a plan out; return the exit code."""

    def work(doing: dict[str, Any]) -> Summary:
        from laden.verbs.prune import prune

        return prune(plan, destination=destination, **options, **doing)

    return _run("prune", work, face)


def run_undelete(destination: str, options: dict[str, Any], face: Face) -> int:
    """Bring blobs back; return the exit code."""

    def work(doing: dict[str, Any]) -> Summary:
        from laden.verbs.undelete import undelete

        return undelete(destination, **options, **doing)

    return _run("undelete", work, face)


def run_set(destination: str, options: dict[str, Any], face: Face, *, yes: bool) -> int:
    """Set properties; return the exit code."""
    asks = not (yes or face.json or face.quiet) and sys.stdin.isatty() and sys.stdout.isatty()

    def confirm(ready: ActReady) -> bool:
        return not asks or not ready.blobs or agreed("Go on?")

    def work(doing: dict[str, Any]) -> Summary:
        from laden.verbs.properties import set_properties

        return set_properties(destination, confirm=confirm, **options, **doing)

    return _run("set", work, face)


def run_copy(source: str, destination: str, options: dict[str, Any], face: Face, *, yes: bool) -> int:
    """Copy; return the exit code."""
    asks = not (yes or face.json or face.quiet) and sys.stdin.isatty() and sys.stdout.isatty()
    question = Question() if asks else None

    def work(doing: dict[str, Any]) -> Summary:
        from laden.verbs.copy import copy

        if "sig=" in source + destination:
            doing["observer"](
                Warned(
                    "a SAS on the command line can be seen by other users of this machine: put it in the environment"
                )
            )
        return copy(source, destination, confirm=question or (lambda _: True), **options, **doing)

    return _run("copy", work, face, question)


def _run(command: str, work: Callable[[dict[str, Any]], Summary], face: Face, question: Question | None = None) -> int:
    interrupts = Interrupts()
    prompt = SasPrompt() if somebody_is_there() and not (face.json or face.quiet) else None

    def observed(observer: Observer) -> Summary:
        return work({"observer": observer, "ask_sas": prompt, "stopping": interrupts.asked})

    return run_verb(command, observed, face, prompt=prompt, question=question, interrupts=interrupts)
