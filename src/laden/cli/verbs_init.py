"""Declares `laden init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laden.cli.app import app


@app.command(short_help="Write a profile for a folder that none knows, and try it.")
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="With archives or files, and a table that names them.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The TOML file to write. Default: called like FOLDER."),
    ] = None,
) -> None:
    """Look at archives, names and tables in FOLDER, and write a profile with what was guessed, line by line.

    No image is read, nothing in FOLDER is changed, and no file is replaced. Example:

        laden init ~/ward && laden load ~/ward DEST --profile ward.toml --dry-run
    """
    from laden.cli.init import run_init

    raise typer.Exit(run_init(folder, output))
