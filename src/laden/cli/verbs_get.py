"""The verbs that bring out what is in a destination, as typer declares them: `get`, and what lists and compares."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from laden.cli.app import app
from laden.cli.face import Face
from laden.cli.given import kept, run_folder, takes
from laden.cli.options import (
    EXIT_CODES,
    Archives,
    Connections,
    Dest,
    Getting,
    Json,
    LinkCommand,
    LoadProfile,
    ProfileName,
    Quiet,
    Renewing,
    Selecting,
    TrustHost,
    Verbose,
)
from laden.store.slips import is_meant_for_a_cloud, shown_address
from laden.values.commands import command


class GetForm(StrEnum):
    """How what is fetched lies in the folder."""

    folder = "folder"
    zip = "zip"
    shards = "tar-shards"


@app.command(epilog=EXIT_CODES, short_help="DEST, or a part of it, back to FOLDER, each file proved.")
@takes(Selecting, Renewing, Getting)
def get(
    destination: Dest,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where it is to lie; made where it is absent.")],
    form: Annotated[
        GetForm,
        typer.Option("--format", help="Files in FOLDER, one zip, or tar shards of 1 GiB with an index for training."),
    ] = GetForm.folder,
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="Names of files, as in '{ImageID}'; {path} is the name in DEST. Default: that."),
    ] = None,
    table_name: Annotated[
        str | None, typer.Option("--table-name", metavar="NAME", help="What the table of the selected rows is called.")
    ] = None,
    profile: LoadProfile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Choose and tell; fetch nothing.")] = False,
    **options: Any,
) -> None:
    """Bring what was loaded to DEST, or a part of it, to FOLDER, with its table. Run it again to finish.

    Every file is held against the manifest's MD5, CRC-32 and length before it has its name. What is there and right is
    not fetched again; what is there and is not laden's is left as it is. Example:

        laden get https://ACCOUNT.blob.core.windows.net/padchest ~/part --where "Projection = 'PA'" --sample 500
    """
    from laden.cli.get import run_get

    face = Face.of(options)
    options.pop("trust_host")
    wishes = {
        **{name: value for name, value in options.items() if name not in ("findings", "log", "out", "images_from")},
        "form": form.value,
        "layout": layout,
        "images_file": options["images_from"],
        "table_name": table_name,
        "profile": profile,
        "dry_run": dry_run,
        **kept(options),
    }
    with run_folder(options["out"]):
        raise typer.Exit(run_get(destination, folder, wishes, face))


@app.command(epilog=EXIT_CODES, short_help="Files behind links to FOLDER: resumable, proved, repaired.")
@takes(Getting)
def fetch(
    links: Annotated[
        list[str],
        typer.Argument(
            metavar="LINK...",
            help="Links to files, a share, a container; or a file of links. --repair needs none where none is secret.",
            default_factory=list,
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where they are to lie; made where it is absent.")],
    archives: Archives = None,
    checksums: Annotated[
        Path | None,
        typer.Option("--checksums", metavar="FILE", help="A publisher's checksum file; ones among LINK count anyway."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put damaged archives in FOLDER right: their damaged members come again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what is there and how much; fetch nothing.")] = False,
    link_command: LinkCommand = None,
    **options: Any,
) -> None:
    """Bring the files behind links to FOLDER. Run it again to go on where it broke off: nothing is fetched twice.

    Each file is held against its publisher's checksum, else each member of a zip against its CRC-32, before it has its
    name. What is there is proved and not fetched again; nothing is replaced. Example:

        laden fetch 'https://HOST/index.php/s/TOKEN' ~/padchest --archives 0-11,54
    """
    from laden.cli.fetch import run_fetch

    if not links and is_meant_for_a_cloud(str(folder)):
        # Any number of links come before it, so that one alone counts as FOLDER.
        raise typer.BadParameter(f"FOLDER is missing: {command('fetch', shown_address(str(folder)), 'FOLDER')}")
    face = Face.of(options)
    wishes = {
        "archives": archives,
        "checksums": checksums,
        "repair": repair,
        "dry_run": dry_run,
        "link_command": link_command,
        **kept(options),
    }
    with run_folder(options["out"]):
        raise typer.Exit(run_fetch(links, folder, wishes, face))


class ListForm(StrEnum):
    """How a list is written."""

    table = "table"
    csv = "csv"
    parquet = "parquet"
    json = "json"


@app.command("list", epilog=EXIT_CODES, short_help="What lies in DEST: names, sizes, MD5, labels, tier; totals.")
@takes(Selecting, Renewing)
def list_(
    destination: Annotated[
        str,
        typer.Argument(metavar="DEST", help="What was loaded (a URL or folder), or an account, for its containers."),
    ],
    form: Annotated[
        ListForm | None,
        typer.Option(
            "--format", help="Lines for a person, CSV, Parquet, or an object of JSON a line. Default: as FILE ends."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Replaced if it holds such a list. Default: stdout."),
    ] = None,
    profile: LoadProfile = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **options: Any,
) -> None:
    """List what lies in DEST, with MD5, labels, tier and the image's state, then totals by folder, label and tier.

    Blobs that the manifest does not know, or that are gone or changed since, are marked. With --json the totals are
    events; a list of every image is written with -o. Examples:

        laden list https://ACCOUNT.blob.core.windows.net/padchest --where "Projection = 'PA'"

        laden list https://ACCOUNT.blob.core.windows.net/padchest -o images.parquet
    """
    from laden.cli.list import run_list

    options.pop("trust_host")
    images = options.pop("images_from")
    wishes = {**options, "form": form and form.value, "images_file": images, "profile": profile}
    raise typer.Exit(run_list(destination, output, wishes, Face(json, quiet, verbose)))


Place = Annotated[
    str,
    typer.Argument(
        metavar="A", help="A container or prefix (URL), a folder, a source, a manifest (.parquet) or a lock file."
    ),
]


@app.command(epilog=EXIT_CODES, short_help="Two places by content: same, other, in one alone.")
def diff(
    here: Place,
    there: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A row for every name, .csv or .parquet. Default: none."),
    ] = None,
    profile: ProfileName = None,
    connections: Connections = None,
    _: TrustHost = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Hold two places against each other, name by name, by content: MD5, or CRC-32 where an archive knows no more.

    What nobody can tell is called unknown, never the same. Exit code 0 where all is the same, 3 where not. Examples:

        laden diff ~/padchest https://ACCOUNT.blob.core.windows.net/padchest

        laden diff https://ONE.blob.core.windows.net/padchest https://OTHER.blob.core.windows.net/padchest -o d.csv
    """
    from laden.cli.diff import run_diff

    options = {"output": output, "profile": profile, "connections": connections}
    raise typer.Exit(run_diff(here, there, options, Face(json, quiet, verbose)))


@app.command(epilog=EXIT_CODES, short_help="What was done to DEST: every load, with its counts and hashes.")
@takes(Renewing)
def history(
    destination: Dest,
    json: Json = False,
    verbose: Verbose = False,
    **options: Any,
) -> None:
    """Tell what was done to DEST: each load that changed it, when, with which options, counts, version and hashes.

    Each record names the hash of the one before; a record that was changed or taken out is told (exit code 3). Who did
    it stands there only where LADEN_WHO was set. Example:

        LADEN_WHO="Anna" laden load ~/padchest DEST
        laden history DEST
    """
    from laden.cli.history import run_history

    options.pop("trust_host")
    raise typer.Exit(run_history(destination, options, Face(json, verbose=verbose)))
