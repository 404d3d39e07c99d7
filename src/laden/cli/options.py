"""Arguments and options that several verbs share, as typer declares them, in groups that a verb takes whole.

A group is a class whose attributes are options; `given.takes` gives a command those of its groups. So an option is
written once, and reaches the verb's function by its name, whichever verbs have it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from laden.values.errors import UsageError

EXIT_CODES = """\b
Exit codes:
  0    complete
  1    a bug
  2    wrong usage
  3    complete, with findings that need a person
  4    access refused or expired
  5    source unreadable
  6    destination unreachable
  130  interrupted
"""

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="A folder of archives and a table, an extracted tree, or files; or links to archives, a share or a"
        " container; or a file of links.",
    ),
]
Dest = Annotated[
    str,
    typer.Argument(
        metavar="DEST",
        help="https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX], an emulator's URL, or a folder.",
    ),
]
TableFile = Annotated[Path | None, typer.Option("--table", help="The label table (.csv or .csv.gz), if not in SOURCE.")]
SourceTable = Annotated[
    str | None, typer.Option("--table", help="The label table (.csv or .csv.gz), if not in SOURCE; a file or a link.")
]
LinkCommand = Annotated[
    str | None,
    typer.Option(
        "--link-command",
        metavar="CMD",
        help="A program that prints another link when one of SOURCE is refused; {name} stands for the file's name.",
    ),
]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="A name (see laden profiles) or a TOML file. Default: recognised.")
]
Archives = Annotated[str | None, typer.Option("--archives", help="Only these archives, as in 0,1,54 or 0-11,54.")]
Trusted = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="NAME",
        help="A file that is right, whatever a publisher's listing or checksum file says. May be repeated.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Leave out files, folders and archive members of this name or path, as in '*.txt'. May be repeated.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="Only files and members of such a name or path. May be repeated."),
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Follow links that lead out of SOURCE, and links to folders.")
]
Names = Annotated[
    str | None,
    typer.Option(
        "--names",
        metavar="ENCODING",
        help="How names in archives are encoded that do not say it, as in cp932 (Japanese), gbk, cp1252.",
    ),
]
LockFile = Annotated[
    Path | None,
    typer.Option(
        "--lock",
        metavar="FILE",
        help="A lock file of the dataset (laden lock): SOURCE is held against it, and what is as it says is not read"
        " twice.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON event a line on stdout; the last is the summary.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only what was asked for, warnings, findings, and how it ended.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also each archive and each retry.")]
Connections = Annotated[
    int | None,
    typer.Option("--connections", min=1, max=1024, help="Requests in flight. Default: what the link is found to bear."),
]
SasCommand = Annotated[
    str | None,
    typer.Option(
        "--sas-command",
        metavar="CMD",
        help="A program that prints a SAS for DEST; run before the last one ends. No shell: sh -c '...' gives one.",
    ),
]


def _trust(hosts: list[str] | None) -> None:
    from laden.store.trust import trust_host

    for host in hosts or ():
        try:
            trust_host(host)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from None


TrustHost = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-host",
        metavar="NAME",
        callback=_trust,
        help="A host of your own that may get a sign-in's token or what a key signs, beside Azure's. May be repeated.",
    ),
]
Findings = Annotated[
    Path,
    typer.Option("--findings", help="Where the list of findings goes, if there are any.", show_default=True),
]
Report = Annotated[
    str,
    typer.Option("--report", metavar="FILE|none", help="A page to look at, written at the end.", show_default=True),
]


class Pictures(StrEnum):
    """Whether a report shows images."""

    some = "some"
    none = "none"


ReportImages = Annotated[
    Pictures, typer.Option("--report-images", help="Whether the report shows some images, or can go to anybody.")
]
Log = Annotated[
    Path | None,
    typer.Option("--log", metavar="FILE", help="Also write what happens to FILE, as lines of JSON with the time."),
]
SharePart = Annotated[
    str | None,
    typer.Option(
        "--share",
        metavar="K/N",
        help="Only the K-th of N parts, one for each machine; auto, or auto/N, where a scheduler tells the numbers.",
    ),
]


class Engines(StrEnum):
    """Who does the work, where it is not this machine."""

    dask = "dask"


EngineName = Annotated[
    Engines | None,
    typer.Option("--engine", help="Have the workers of a Dask scheduler do it. Default: this machine."),
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Of --engine dask, as in tcp://10.0.0.4:8786 or tls://..."),
]


class Looking(StrEnum):
    """How closely images are looked at."""

    none = "none"
    structure = "structure"
    pixels = "pixels"


Images = Annotated[
    Looking | None,
    typer.Option("--images", help="How closely images are looked at. Default: structure for load, none for check."),
]
ImagesFrom = Annotated[
    Path | None,
    typer.Option("--images-from", metavar="FILE", help="Only images whose keys stand in this file, one a line."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Findings, report and log of this run go there, under their names; it is made. Default: this folder.",
    ),
]


class Phi(StrEnum):
    """What becomes of images whose headers may say who a person is."""

    warn = "warn"
    stop = "stop"
    off = "off"


PersonalData = Annotated[
    Phi,
    typer.Option("--phi", help="Images whose header may name a person: warn, do not send them (stop), or do not look."),
]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="CONDITION", help="Only rows for which this SQL condition is true."),
]
Marks = Annotated[
    Path | None,
    typer.Option(
        "--marks", metavar="FILE", help="Marks made in laden explore: --where may name laden_mark, laden_note."
    ),
]
Sample = Annotated[
    int | None,
    typer.Option("--sample", metavar="N", min=1, help="Only N images, or N values of --by, drawn by chance."),
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="COLUMN", help="Sample values of this column (PatientID), with all images of each."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="S", help="Another seed, another sample. Default: 1.", show_default=False),
]
First = Annotated[int | None, typer.Option("--first", metavar="N", min=1, help="Only the first N images.")]
TableName = Annotated[
    str | None,
    typer.Option("--table-name", metavar="NAME", help="What the table of the selected rows is called in DEST."),
]
LoadProfile = Annotated[
    str | None,
    typer.Option("--profile", help="A TOML file, where DEST was loaded with one. Default: the load's own."),
]
ShownProfile = Annotated[
    str | None,
    typer.Option("--profile", help="A TOML file, where DEST was loaded with one; of a source, as in laden load."),
]
Tier = Annotated[
    str | None,
    typer.Option("--tier", metavar="TIER", help="Access tier of the images: hot, cool, cold or archive."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME=TEXT",
        help="An index tag of each image, of columns, as in 'projection={Projection}'. May be repeated.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata", metavar="NAME=TEXT", help="Metadata of each image, as in 'patient={PatientID}'. May be repeated."
    ),
]
FINDINGS_FILE = Path("laden-findings.csv")
LOG_FILE = Path("laden-log.jsonl")
CHECK_FINDINGS_FILE = Path("laden-findings-check.csv")
CHANGE_FINDINGS_FILE = Path("laden-findings-change.csv")
VERIFY_FINDINGS_FILE = Path("laden-findings-verify.csv")
GET_FINDINGS_FILE = Path("laden-findings-get.csv")
LOCK_FINDINGS_FILE = Path("laden-findings-lock.csv")
"""Each command its own: a check that is clean does not take away what a load found."""
REPORT_FILE = "laden-report.html"
NO_REPORT = "none"


class Selecting:
    """Which rows."""

    TITLE = "Which rows"

    where: Where = None
    marks_file: Marks = None
    images_from: ImagesFrom = None
    sample: Sample = None
    by: By = None
    seed: Seed = None
    first: First = None


class Choosing:
    """What of a source."""

    TITLE = "What of SOURCE, and how closely"

    table: SourceTable = None
    profile: ProfileName = None
    archives: Archives = None
    trust: Trusted = None
    table_name: TableName = None
    images: Images = None
    phi: PersonalData = Phi.warn
    exclude: Exclude = None
    include: Include = None
    follow_links: FollowLinks = False
    names: Names = None
    link_command: LinkCommand = None
    lock: LockFile = None


class Sharing:
    """Several machines."""

    TITLE = "Several machines"

    share: SharePart = None
    engine: EngineName = None
    scheduler: Scheduler = None


class Renewing:
    """How requests reach DEST."""

    TITLE = "How requests reach DEST"

    connections: Connections = None
    sas_command: SasCommand = None
    trust_host: TrustHost = None


class Showing:
    """What is shown while a verb runs, and left behind."""

    TITLE = "What is shown, and what is left behind"

    out: Out = None
    findings: Findings = FINDINGS_FILE
    log: Log = None
    json: Json = False
    quiet: Quiet = False
    verbose: Verbose = False


class Checking(Showing):
    """The same for a check, with a list of its own."""

    findings: Findings = CHECK_FINDINGS_FILE


class Verifying(Showing):
    """The same for a verification."""

    findings: Findings = VERIFY_FINDINGS_FILE


class Changing(Showing):
    """The same for what changes blobs that are there."""

    findings: Findings = CHANGE_FINDINGS_FILE


class Getting(Showing):
    """The same for what is brought to this machine."""

    findings: Findings = GET_FINDINGS_FILE


class LockMaking(Showing):
    """The same for what makes a lock file."""

    findings: Findings = LOCK_FINDINGS_FILE
