"""`laden explore`, as typer declares it; what it does is in `explore`."""

from __future__ import annotations

from typing import Annotated

import typer

from laden.cli.app import app
from laden.cli.options import EXIT_CODES, Json, SasCommand, ShownProfile


@app.command(epilog=EXIT_CODES, short_help="See what is there, image by image, in the browser.")
def explore(
    place: Annotated[
        str,
        typer.Argument(
            metavar="DEST|FOLDER|SOURCE|ACCOUNT",
            help="A container, a folder that was loaded, a source before it is loaded (also by link), or an account.",
        ),
    ],
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Of 127.0.0.1. Default: one that is free.")
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the page's address, and open no browser.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Also upload, delete, change. Without it nothing can be changed.")
    ] = False,
    profile: ShownProfile = None,
    sas_command: SasCommand = None,
    json: Json = False,
) -> None:
    """Open a page on this machine that shows a container, a folder or a source: images by their labels, windowed.

    Everything is read from there and drawn here: nothing is unpacked, nothing is loaded from elsewhere, and nothing is
    changed without --write. Not for diagnosis. Example:

        laden explore https://ACCOUNT.blob.core.windows.net/padchest
    """
    from laden.cli.explore import run_explore

    raise typer.Exit(run_explore(place, port, profile, sas_command, open_page=not no_open, write=write, json=json))
