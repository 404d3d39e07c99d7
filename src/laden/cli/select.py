"""`laden select`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.values.events import Observer, Summary


def run_select(table: Path, output: str | None, options: dict[str, Any], *, json: bool, quiet: bool) -> int:
    """Select from a table, and return the exit code."""
    if json and output == "-":
        raise typer.BadParameter("with -o - the rows are on stdout: leave --json out, or name a file", param_hint="-o")

    def work(observer: Observer) -> Summary:
        from laden.verbs.select import select

        return select(table, output=output, observer=observer, **options)

    return run_verb("select", work, Face(json, quiet), aside=output == "-")
