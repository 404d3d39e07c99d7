"""Declares `laden lock`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from laden.cli.app import app
from laden.cli.face import Face
from laden.cli.given import kept, run_folder, takes
from laden.cli.options import EXIT_CODES, Exclude, LinkCommand, LockMaking, Names, Sources


@app.command(epilog=EXIT_CODES, short_help="A file by which others know the same dataset again, byte for byte.")
@takes(LockMaking)
def lock(
    source: Sources,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="As in padchest.lock. One that is there is replaced."),
    ],
    loaded: Annotated[
        str | None,
        typer.Option(
            "--loaded", metavar="DEST", help="Where SOURCE was loaded to: its manifest knows MD5s of members."
        ),
    ] = None,
    exclude: Exclude = None,
    names: Names = None,
    link_command: LinkCommand = None,
    **options: Any,
) -> None:
    """Write down what SOURCE is: lengths and versions of its archives; place, length and CRC-32 of each member.

    No image and no label is in the file. With it, others check a mirror or a download member by member, and load
    without reading directories first: laden check, load and diff take it. Examples:

        laden lock ~/padchest -o padchest.lock --loaded https://ACCOUNT.blob.core.windows.net/padchest

        laden check 'https://HOST/index.php/s/TOKEN' --lock padchest.lock
    """
    from laden.cli.lock import run_lock

    face = Face.of(options)
    wishes = {
        "loaded": loaded,
        "exclude": exclude or (),
        "names": names,
        "link_command": link_command,
        **kept(options),
    }
    with run_folder(options["out"]):
        raise typer.Exit(run_lock(source, output, wishes, face))
