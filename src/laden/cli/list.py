"""`laden list`."""

from __future__ import annotations

from typing import Any

import typer

from laden.cli.ask import SasPrompt, somebody_is_there
from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.values.events import Observer, Summary


def run_list(destination: str, output: str | None, options: dict[str, Any], face: Face) -> int:
    """List a destination, or the containers of an account, and return the exit code."""
    if _is_account(destination):
        from laden.cli.container import run_list as list_containers

        return list_containers(destination, json=face.json)
    if face.json and output == "-":
        raise typer.BadParameter("with -o - the list is on stdout: leave --json out, or name a file", param_hint="-o")
    if output is None and not face.json:
        output = "-"
    prompt = SasPrompt() if somebody_is_there() and not (face.json or face.quiet) else None

    def work(observer: Observer) -> Summary:
        from laden.verbs.lists import list_place

        return list_place(destination, output=output, observer=observer, ask_sas=prompt, **options)

    return run_verb("list", work, face, prompt=prompt, aside=output == "-")


def _is_account(destination: str) -> bool:
    """Whether an address ends before any container."""
    from laden.store import parse_destination
    from laden.values.errors import UsageError

    if "://" not in destination:
        return False
    try:
        parse_destination(destination)
    except UsageError as error:
        return "names no container" in str(error)
    return False
