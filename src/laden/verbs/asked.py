"""Arguments as people give them, turned into the values that stages take. A wrong one is a sentence, not a guess."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast, get_args, get_type_hints

from laden.dataset.images import Level, Phi
from laden.dataset.lock import is_lock
from laden.dataset.selection import Selection
from laden.dataset.source import Scope
from laden.remote.link import is_link
from laden.stages.survey import Choice
from laden.values.arguments import Count
from laden.values.errors import UsageError
from laden.values.ownfiles import is_device
from laden.values.secrets import redact
from laden.values.share import Share, parse_share

Paths = str | Path | Sequence[str | Path]


class Selecting(TypedDict, total=False):
    """Which rows of a table, by keyword; see docs/selecting.md."""

    where: str | None
    """Only rows for which this SQL condition is true, as in `"ImageDir = 0"`."""
    marks_file: str | Path | None
    """A table of marks that `laden explore` keeps: `where` may name `laden_mark` and `laden_note` then."""
    images_file: str | Path | None
    """Only images whose keys stand in this file, one a line."""
    sample: Count | None
    """Only so many images, drawn by chance; of them, all rows."""
    by: str | None
    """Draw values of this column instead, as in `"PatientID"`, and take all images of each."""
    seed: int | None
    """Another seed, another sample; by default 1."""
    first: Count | None
    """Only the first so many images."""


class Choosing(Selecting, total=False):
    """What of a source, by keyword."""

    table: str | Path | None
    """The label table, where it does not lie in the source; a path or a link."""
    profile: str | None
    """Name of a built-in profile, or path of a TOML file; by default recognised."""
    archives: str | None
    """Only these, as in `"0-11,54"`."""
    layout: str | None
    """Template of blob names, by default the profile's; `"{ImageID}"` for a flat layout."""
    table_name: str | None
    """What the table of the selected rows is called; by default the profile's name for a subset."""
    trust: Sequence[str]
    """Names of files that are right, whatever a listing or checksum file of their publisher says."""
    exclude: Sequence[str]
    """Globs of files, folders and members that are left out."""
    include: Sequence[str]
    """Globs of which files and members must match one."""
    follow_links: bool
    """Whether links are followed that lead out of the source or to folders."""
    names: str | None
    """Encoding of names in archives that do not say how theirs are encoded, as in `"cp932"`."""
    lock: str | Path | None
    """A lock file that the source is held against, and that spares reading what agrees with it; by default the
    profile's, where it names one."""


_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How a link begins, also one that was taken for a path; a drive of Windows has one letter."""


def local(given: str | Path, verb: str, what: str) -> Path:
    """A path of this machine, of `what` a verb takes; raises UsageError for a link and for a lock file."""
    if _AS_PATH.match(str(given)):
        raise UsageError(
            f"{verb} takes {what} of this machine, and a link was given: laden fetch LINK FOLDER brings it"
        )
    path = Path(given).expanduser()
    if path.is_file() and path.stat().st_size and is_lock(path):
        raise UsageError(f"{path} is a lock file, and {verb} takes {what}")
    return path


def selecting(given: Mapping[str, Any]) -> Selecting:
    """Of keywords, those that choose rows."""
    return cast("Selecting", {name: given[name] for name in get_type_hints(Selecting) if name in given})


def selection_of(asked: Mapping[str, Any]) -> Selection:
    """What was asked of a table, by the names of `Selecting`; raises UsageError for what makes no sense."""
    return Selection(
        asked.get("where"),
        path_of(asked.get("images_file")),
        asked.get("sample"),
        asked.get("by"),
        asked.get("seed"),
        asked.get("first"),
        path_of(asked.get("marks_file")),
        asked.get("table_name"),
    )


def choice_of(asked: Choosing) -> Choice:
    """What was asked of a source; raises UsageError for what makes no sense."""
    table = asked.get("table")
    return Choice(
        None if table is not None and is_link(str(table)) else path_of(table),
        asked.get("profile"),
        asked.get("archives"),
        asked.get("layout"),
        tuple(asked.get("trust", ())),
        selection_of(asked),
        Scope(
            tuple(asked.get("exclude", ())),
            tuple(asked.get("include", ())),
            asked.get("follow_links", False),
            asked.get("names"),
        ),
        path_of(asked.get("lock")),
    )


def level_of(images: str) -> Level:
    """The level of that name; raises UsageError."""
    return cast("Level", one_of("images", images, get_args(Level)))


def phi_of(phi: str) -> Phi:
    """What is asked about fields that may say who a person is; raises UsageError."""
    return cast("Phi", one_of("phi", phi, get_args(Phi)))


def share_of(share: str | None) -> Share | None:
    """The part of a load that is asked for; raises UsageError."""
    return None if share is None else parse_share(share, os.environ)


def one_of(name: str, given: str, allowed: Sequence[str]) -> str:
    """What was given, if it is one of what may be; raises UsageError."""
    if given not in allowed:
        raise UsageError(f"{name} is {given!r}: give one of {', '.join(allowed)}")
    return given


def form_of(output: str | Path | None, form: str | None, forms: Sequence[str], endings: Mapping[str, str]) -> str:
    """The form in which a file is written: what was asked for, else what its name says, else the first of `forms`.

    Args:
        output: the file; None for none.
        form: as asked for; None for whatever fits.
        forms: that there are.
        endings: of names, with the form that each one says.

    Raises:
        UsageError: there is no such form, or the name says another one.
    """
    said = None if output is None else endings.get(Path(output).suffix.lower())
    if form is None:
        return said or forms[0]
    one_of("form", form, forms)
    if said not in (None, form):
        raise UsageError(f"-o {output} is named as {said}, and --format asks for {form}: leave one of the two out")
    return form


def paths(source: Paths) -> list[Path]:
    """One path or several, as a list."""
    given = [source] if isinstance(source, str | Path) else source
    return [Path(path).expanduser() for path in given]


def path_of(path: str | Path | None) -> Path | None:
    """A path, where one was given."""
    return None if path is None else Path(path)


def refuse_same(
    report_file: str | Path | None, findings_file: str | Path | None, log_file: str | Path | None = None
) -> None:
    """Refuse one place for two of report, log and list of findings (and the Parquet file beside that).

    Raises:
        UsageError: they are the same, and no device such as /dev/null.
    """
    taken: set[Path] = set()
    for path, option in ((findings_file, "--findings"), (report_file, "--report"), (log_file, "--log")):
        if path is None or is_device(place := Path(path).absolute()):
            continue
        if place in taken:
            raise UsageError(f"{path} is where something else of this run goes: name another file with {option}")
        taken |= {place, place.with_suffix(".parquet")} if option == "--findings" else {place}


def refuse_secrets(**options: str | None) -> None:
    """Refuse what would be written into a name or a page for everybody to read.

    Raises:
        UsageError: an option holds what looks like a signature, a key or a login.
    """
    for option, text in options.items():
        if text is not None and redact(text) != text:
            raise UsageError(
                f"--{option.replace('_', '-')} holds what looks like a signature, key or password, and it names what"
                " others see: is it in the place of another option?"
            )
