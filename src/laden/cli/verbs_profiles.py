"""Declares `laden profiles`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laden.cli.app import app
from laden.cli.options import EXIT_CODES


@app.command(epilog=EXIT_CODES, short_help="The datasets that are known, or one of them.")
def profiles(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="The one to show, or a file of your own to check.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Also say what the profile matches there.")
    ] = None,
) -> None:
    """List the datasets that are known, or show one's profile: the start for your own.

    A profile says how archives, tables and destination of a dataset belong together; docs/profiles.md explains it.
    Write one to a file, change it there, let it be checked, and give it to load with --profile; laden init writes the
    first one for you. Examples:

        laden profiles siim > mine.toml

        laden profiles mine.toml ~/mine
    """
    from laden.cli.profiles import run_profiles

    raise typer.Exit(run_profiles(name, folder))
