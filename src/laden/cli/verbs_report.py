"""`laden report`, as typer declares it; what it does is in `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laden.cli.app import app
from laden.cli.face import Face
from laden.cli.options import (
    EXIT_CODES,
    REPORT_FILE,
    Archives,
    Json,
    Pictures,
    ProfileName,
    Quiet,
    ReportImages,
    TableFile,
    TrustHost,
    Verbose,
)


@app.command(epilog=EXIT_CODES, short_help="A page about DEST or SOURCE: counts, charts, images.")
def report(
    place: Annotated[
        list[str],
        typer.Argument(metavar="DEST|SOURCE...", help="What was loaded (a URL or folder), or what could be."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.", show_default=True)] = Path(
        REPORT_FILE
    ),
    table: TableFile = None,
    profile: ProfileName = None,
    archives: Archives = None,
    images: ReportImages = Pictures.some,
    _: TrustHost = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a page about DEST or SOURCE: counts, findings, charts, sample images. One file, which loads nothing.

    Of a DEST, everything comes from there: manifest, listing, table, and some images read back. Of a SOURCE, from
    its table and its archives' directories, as `laden check` does, and some images. Example:

        laden report https://ACCOUNT.blob.core.windows.net/padchest -o padchest.html
    """
    from laden.cli.report import run_report

    options = {"table": table, "profile": profile, "archives": archives}
    raise typer.Exit(run_report(place, output, options, Face(json, quiet, verbose), images=images.value))
