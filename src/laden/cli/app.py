"""The verbs and their options, as typer declares them. What each does is in the module of its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_EXIT_CODES = """\b
Exit codes:
  0    complete
  1    a bug
  2    wrong usage
  3    complete, with findings that need a person (missing, damaged, conflicts)
  4    access refused or expired
  5    source unreadable
  6    destination unreachable
  130  interrupted
"""

app = typer.Typer(
    name="laden",
    help="Loads imaging datasets into the cloud, and proves that they arrived.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE...", help="A folder of archives and a table, an extracted tree, or files."),
]
Dest = Annotated[
    str,
    typer.Argument(
        metavar="DEST",
        help="https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX], an emulator's URL, or a folder.",
    ),
]
TableFile = Annotated[Path | None, typer.Option("--table", help="The label table (.csv or .csv.gz), if not in SOURCE.")]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="padchest, files, or a TOML file. Default: recognised.")
]
Archives = Annotated[str | None, typer.Option("--archives", help="Only these archives, as in 0,1,54 or 0-11,54.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON event a line on stdout; the last is the summary.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings, errors and the last line.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also each archive and each retry.")]
Connections = Annotated[
    int | None,
    typer.Option("--connections", min=1, max=1024, help="Requests in flight. Default: what the link is found to bear."),
]
Findings = Annotated[
    Path,
    typer.Option("--findings", help="Where the list of findings goes, if there are any.", show_default=True),
]
_FINDINGS = Path("laden-findings.csv")
_MOST_WORKERS = 64


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"laden {version('laden')}")
        raise typer.Exit


@app.callback(epilog=_EXIT_CODES)
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


@app.command(epilog=_EXIT_CODES)
def load(
    source: Sources,
    destination: Dest,
    table: TableFile = None,
    profile: ProfileName = None,
    archives: Archives = None,
    layout: Annotated[
        str | None, typer.Option("--layout", help="Blob names, as in '{ImageID}'. Default: the profile's.")
    ] = None,
    overwrite: Annotated[
        Overwrite,
        typer.Option("--overwrite", help="A blob with other content: leave and list it, or replace it."),
    ] = Overwrite.never,
    strays: Annotated[Strays, typer.Option("--strays", help="Images that no row names.")] = Strays.skip,
    damaged: Annotated[
        Damaged, typer.Option("--damaged", help="Images broken inside, though whole as archive members.")
    ] = Damaged.send,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="No question before sending.")] = False,
    connections: Connections = None,
    workers: Annotated[
        str,
        typer.Option("--workers", help="Processes that send: a number, or auto. Several help very many small files."),
    ] = "auto",
    findings: Findings = _FINDINGS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Load SOURCE into DEST, verified. Run it again to finish what was interrupted.

    Credentials, in this order: a SAS in DEST or LADEN_SAS; AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_KEY;
    an emulator's public key; whoever is signed in (az login, managed identity). Example:

        laden load ~/padchest https://ACCOUNT.blob.core.windows.net/padchest --archives 0-11,54
    """
    from laden.cli.load import run_load

    options = {
        "table": table,
        "profile": profile,
        "archives": archives,
        "layout": layout,
        "overwrite": overwrite.value,
        "strays": strays.value,
        "damaged": damaged.value,
        "dry_run": dry_run,
        "connections": connections,
        "workers": _workers(workers),
        "findings_file": findings,
    }
    raise typer.Exit(run_load(source, destination, options, yes=yes, json=json, quiet=quiet, verbose=verbose))


@app.command(epilog=_EXIT_CODES)
def check(
    source: Sources,
    table: TableFile = None,
    profile: ProfileName = None,
    archives: Archives = None,
    findings: Findings = _FINDINGS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Hold the table of SOURCE against its archives' directories: what is missing, stray, twice, in the wrong place.

    Reads no image and touches no network, so a terabyte takes seconds.
    """
    from laden.cli.check import run_check

    options = {"table": table, "profile": profile, "archives": archives, "findings_file": findings}
    raise typer.Exit(run_check(source, options, json=json, quiet=quiet, verbose=verbose))


@app.command(epilog=_EXIT_CODES)
def verify(
    destination: Dest,
    deep: Annotated[
        Deep | None, typer.Option("--deep", help="Also read blobs back and hash them: 100 of them, or all.")
    ] = None,
    connections: Connections = None,
    findings: Findings = _FINDINGS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Hold DEST against the manifest in it: is all of it still there, unchanged? Needs nothing but DEST."""
    from laden.cli.verify import run_verify

    options = {"deep": deep.value if deep else None, "connections": connections, "findings_file": findings}
    raise typer.Exit(run_verify(destination, options, json=json, quiet=quiet, verbose=verbose))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the emulator running and show its URL.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Keep the sample dataset here. Default: a temporary folder."),
    ] = None,
) -> None:
    """Load a sample dataset into a real emulator of Azure Blob Storage, verify it, load it again. Under a minute."""
    from laden.cli.demo import run_demo

    raise typer.Exit(run_demo(keep=keep, folder=folder))
