"""The verbs that need a table and nothing else: `select` and `columns`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from laden.cli.app import app
from laden.cli.given import takes
from laden.cli.options import EXIT_CODES, Json, ProfileName, Quiet, Selecting

Table = Annotated[Path, typer.Argument(metavar="TABLE", help="The label table (.csv or .csv.gz).")]


@app.command(epilog=EXIT_CODES, short_help="Write the selected records of TABLE, byte for byte.")
@takes(Selecting)
def select(
    table: Table,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where they go; - for stdout. Replaces only a table with these columns. Without it: count only.",
        ),
    ] = None,
    profile: ProfileName = None,
    findings: Annotated[
        Path | None,
        typer.Option("--findings", metavar="FILE", help="Where the list of findings goes. Default: nowhere."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Write the selected records of TABLE, byte for byte, in their order, under its header.

    The steps are taken in this order: --where, --images-from, --sample, --first; what each leaves is shown. Examples:

        laden select padchest.csv.gz --where "ImageDir = 0" -o small.csv

        laden select padchest.csv.gz --where "list_contains(Labels, 'pneumonia')" --sample 500 --by PatientID -o -
    """
    from laden.cli.select import run_select

    images = options.pop("images_from")
    wishes = {**options, "profile": profile, "images_file": images, "findings_file": findings}
    raise typer.Exit(run_select(table, output, wishes, json=json, quiet=quiet))


@app.command(epilog=EXIT_CODES, short_help="What the columns of TABLE hold, to select by.")
def columns(
    table: Annotated[
        str,
        typer.Argument(metavar="TABLE", help="The label table, a folder that has it, or a DEST that was loaded to."),
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="COLUMN...", help="Only these columns, and all of their values.")
    ] = None,
    profile: ProfileName = None,
    json: Json = False,
) -> None:
    """Tell what the columns of TABLE hold: type, share of NULL, range, commonest values. All a --where needs.

    Named columns are listed with all of their values:

        laden columns padchest.csv.gz Labels
    """
    from laden.cli.columns import run_columns

    raise typer.Exit(run_columns(table, names or [], profile, json=json))
