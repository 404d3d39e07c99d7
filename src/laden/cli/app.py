"""The verbs and their options, as typer declares them. What each does is in the module of its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from laden._version import VERSION
from laden.cli.face import Face
from laden.cli.given import asked, inside, kept, run_folder, takes
from laden.cli.helping import Rooms, Verbs
from laden.cli.options import (
    EXIT_CODES,
    NO_REPORT,
    REPORT_FILE,
    Checking,
    Choosing,
    Dest,
    Json,
    Metadata,
    Pictures,
    Renewing,
    Report,
    ReportImages,
    Selecting,
    Sharing,
    Showing,
    Sources,
    Tags,
    Tier,
    Verifying,
)
from laden.cli.typed import typed

app = Verbs(
    name="laden",
    cls=Rooms,
    help="Loads imaging datasets into the cloud, and proves that they arrived.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Compare(StrEnum):
    """When an image that is there already is read at the source and compared."""

    auto = "auto"
    all = "all"


class Overwrite(StrEnum):
    """What to do with a blob that is there with other content."""

    never = "never"
    changed = "changed"


class Strays(StrEnum):
    """What to do with images that no row names."""

    skip = "skip"
    send = "send"


class Damaged(StrEnum):
    """What to do with images that are whole as members and broken inside."""

    send = "send"
    skip = "skip"


class Deep(StrEnum):
    """How many blobs to read back."""

    sample = "sample"
    all = "all"


_MOST_WORKERS = 64


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"laden {VERSION}")
        raise typer.Exit


@app.callback(epilog=EXIT_CODES)
def root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Loads imaging datasets into the cloud, and proves that they arrived."""


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_WORKERS:
        raise typer.BadParameter(
            f"'{text}' is neither auto nor a number from 1 to {_MOST_WORKERS}", param_hint="--workers"
        )
    return int(text)


@app.command(epilog=EXIT_CODES, short_help="Load SOURCE into DEST, verified; run again to finish.")
@takes(Choosing, Selecting, Sharing, Renewing, Showing)
def load(
    source: Sources,
    destination: Dest,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan; send nothing. Findings are written.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="No question before sending.")] = False,
    report: Report = REPORT_FILE,
    report_images: ReportImages = Pictures.some,
    layout: Annotated[
        str | None, typer.Option("--layout", help="Blob names, as in '{ImageID}'. Default: the profile's.")
    ] = None,
    overwrite: Annotated[
        Overwrite,
        typer.Option("--overwrite", help="A blob with other content: leave and list it, or replace it."),
    ] = Overwrite.never,
    update: Annotated[
        bool,
        typer.Option(
            "--update", help="Also replace images of earlier loads that changed; tell what SOURCE no longer has."
        ),
    ] = False,
    compare: Annotated[
        Compare,
        typer.Option(
            "--compare",
            help="Read and compare: where CRC-32 and time do not tell, or all (in a folder, what is there too).",
        ),
    ] = Compare.auto,
    strays: Annotated[Strays, typer.Option("--strays", help="Images that no row names.")] = Strays.skip,
    damaged: Annotated[
        Damaged, typer.Option("--damaged", help="Images broken inside, though whole as archive members.")
    ] = Damaged.send,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit",
            metavar="RATE",
            help="Bytes a second that are sent at most, to a container: 20M; by time of day: 08:00-18:00=5M,20M."
            " Default: no limit.",
        ),
    ] = None,
    workers: Annotated[
        str,
        typer.Option("--workers", help="Processes that send: a number, or auto. Several help very many small files."),
    ] = "auto",
    tier: Tier = None,
    tag: Tags = None,
    metadata: Metadata = None,
    **options: Any,
) -> None:
    """Load SOURCE into DEST, verified. Run it again to finish what was interrupted.

    Credentials, in this order: a SAS in DEST, LADEN_SAS or AZURE_STORAGE_SAS_TOKEN; AZURE_STORAGE_CONNECTION_STRING or
    AZURE_STORAGE_KEY; an emulator's public key; whoever is signed in (az login, managed identity). Example:

        laden load ~/padchest https://ACCOUNT.blob.core.windows.net/padchest --archives 0-11,54
    """
    from laden.cli.load import run_load

    face = Face.of(options)
    out = options["out"]
    wishes = {
        **asked(options, "structure"),
        "layout": layout,
        "overwrite": overwrite.value,
        "update": update,
        "compare": compare.value,
        "strays": strays.value,
        "damaged": damaged.value,
        "dry_run": dry_run,
        "limit": limit,
        "tier": tier,
        "tags": tag or (),
        "metadata": metadata or (),
        "workers": _workers(workers),
        "report_file": None if report == NO_REPORT else inside(out, Path(report)),
        "report_images": report_images.value,
        "report_command": typed(),
    }
    with run_folder(out):
        raise typer.Exit(run_load(source, destination, wishes, face, yes=yes))


@app.command(epilog=EXIT_CODES, short_help="Hold a table against its archives; look into images.")
@takes(Choosing, Selecting, Sharing, Checking)
def check(
    source: Sources,
    checksums: Annotated[
        bool,
        typer.Option("--checksums", help="Also hash all files that SHA256SUMS, sha1sums.txt or their like name."),
    ] = False,
    **options: Any,
) -> None:
    """Hold the table of SOURCE against its archives' directories: what is missing, stray, twice, in the wrong place.

    By itself it reads no image, but for the headers of 200 DICOM files at most (--phi), and touches no network, so a
    terabyte of zips takes seconds; .tar.gz have to be read whole. --images structure reads every image that a row
    names, --images pixels decodes it too: broken, constant and equal ones, and those that are not of the table's size.
    The publisher's listings beside the archives (0.zip.unzip-l.txt) are compared too, checksum files when asked for:

        laden check ~/padchest --images pixels --checksums --trust 17.zip
    """
    from laden.cli.check import run_check

    face = Face.of(options)
    with run_folder(options["out"]):
        raise typer.Exit(run_check(source, {**asked(options, "none"), "checksums": checksums}, face))


@app.command(epilog=EXIT_CODES, short_help="Is all that was loaded still in DEST, unchanged?")
@takes(Sharing, Renewing, Verifying)
def verify(
    destination: Dest,
    deep: Annotated[
        Deep | None, typer.Option("--deep", help="Also read blobs back and hash them: 100 of them, or all.")
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(
            "--at",
            metavar="ENTRY",
            min=1,
            help="Hold what is kept, versions too, against the state of this record of laden history.",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Hold DEST against the manifest in it: is all of it still there, unchanged? Needs nothing but DEST.

    With --at 3, is what was there after record 3 of laden history DEST still kept, as it is or as versions?
    """
    from laden.cli.verify import run_verify

    face = Face.of(options)
    wishes = {
        "connections": options["connections"],
        "sas_command": options["sas_command"],
        **kept(options),
        **{name: options[name] for name in ("share", "engine", "scheduler")},
        "deep": deep.value if deep else None,
        "at": at,
    }
    with run_folder(options["out"]):
        raise typer.Exit(run_verify(destination, wishes, face))


@app.command(epilog=EXIT_CODES, short_help="How far is the load to DEST? From anywhere, also while it runs.")
@takes(Renewing)
def status(destination: Dest, json: Json = False, **options: Any) -> None:
    """Tell how far the load to DEST is, from what is in it: also while it runs elsewhere, or after it was interrupted.

    It counts what a listing shows; laden verify proves it.
    """
    from laden.cli.status import run_status

    # Heard when it was read.
    options.pop("trust_host")
    raise typer.Exit(run_status(destination, options, json=json))


@app.command(short_help="The whole job on a sample, in a real emulator.")
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the emulator running and show its URL.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the sample goes. Default: laden-demo/padchest."),
    ] = None,
    explore: Annotated[
        bool, typer.Option("--explore", help="Then show what was loaded in the browser, as laden explore does.")
    ] = False,
) -> None:
    """Load a sample dataset into a real emulator of Azure Blob Storage, verify it, load it again. Under a minute."""
    from laden.cli.demo import run_demo

    raise typer.Exit(run_demo(keep=keep, folder=folder, explore=explore))
