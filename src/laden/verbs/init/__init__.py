"""`init`: look at a folder that no profile knows, and write the profile that its names and tables speak for.

In order: names of files and members are listed (`names`), every column of every table is held against them and the one
that names most images is the key (`keys`), what the other columns say of archives and folders becomes templates
(`places`), the text is written (`writing`) with what each line rests on, and the whole is tried: the table against the
archives, as `check` does. No image is read, and nothing in the folder is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from laden.dataset.profile import open_profile
from laden.dataset.source import find
from laden.stages.survey.tables import Candidates
from laden.values import scratch
from laden.values.arguments import checked
from laden.values.errors import UsageError
from laden.values.events import Observer, Started, Summary, ignore
from laden.values.room import writing_to
from laden.verbs.asked import local, refuse_secrets
from laden.verbs.check import check
from laden.verbs.init.keys import best_key
from laden.verbs.init.names import image_names
from laden.verbs.init.writing import Guess, guess, written


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of it."""

    path: Path
    """Of the profile."""
    guess: Guess
    tried: Summary
    """Of a check of the folder with it."""


@checked
def init(source: str | Path, *, output: str | Path | None = None, observer: Observer = ignore) -> Proposed:
    """Write a profile for the images and tables of a folder, and try it.

    Args:
        source: the folder.
        output: TOML file to write; by default called like the folder, in the current one. None is replaced.
        observer: told of each stage.

    Raises:
        UsageError: the file is there, or no table here names an image here.
        SourceError: the folder cannot be read.
    """
    refuse_secrets(output=None if output is None else str(output))
    root = local(source, "init", "a folder")
    path = Path(output) if output is not None else Path(f"{root.resolve().name or 'dataset'}.toml")
    if path.exists():
        raise UsageError(f"{path} is there already: name another file with --output, or remove it")
    observer(Started("source", str(root)))
    found = find([root])
    with scratch.folder() as folder:
        candidates = Candidates(found, folder)
        tables = candidates.files() or candidates.members(lambda _: True)
        if not tables:
            reason = "holds no table (.csv, .csv.gz, or one in a zip), so there is nothing that a profile could say"
            raise UsageError(f"{root} {reason}: load its files as they are with --profile files")
        observer(Started("archives"))
        images = image_names(found)
        observer(Started("table"))
        key = best_key(tables, images)
        if key is None:
            names = ", ".join(sorted(tables)[:3])
            raise UsageError(
                f"no column of {names} names a file or member of {root}: put tables and archives into one folder, or"
                " write the profile by hand (laden help profiles)"
            )
        proposed = guess(root.resolve().name or "dataset", found, images, key)
    _write(path, written(proposed))
    open_profile(str(path))
    return Proposed(path, proposed, check(root, profile=str(path), phi="off"))


def _write(path: Path, text: str) -> None:
    with writing_to(path, "profile", "--output"), path.open("x", encoding="utf-8") as file:
        file.write(text)
