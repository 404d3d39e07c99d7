"""Finds archives and plain files below a folder, and lists plain files as entries.

A folder is walked whole (`walk`). Names decide what is an archive, never content; they also tell what is no data,
downloads that never finished, archives under another name, and those of kinds that laden does not read: all of these
are told. Nothing is opened here but what is called as laden's own reports and lists of findings are, to tell by their
marks whether they are, and what is small enough to be a pointer to data that are elsewhere: those are never loaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.source.kinds import archive_of, is_unread, lookalike, unfinished
from laden.dataset.source.placeholder import MOST_BYTES, absent_from_icloud, pointer
from laden.dataset.source.positional import time_ns
from laden.dataset.source.root import Root, folder_of
from laden.dataset.source.scope import Scope
from laden.dataset.source.walk import Walk
from laden.values.errors import SourceError, UsageError
from laden.values.names import is_junk, problem
from laden.values.ownfiles import is_own
from laden.values.records import STORED, Entry, Finding, Severity

_EVERYTHING = Scope()


class Found(NamedTuple):
    """What lies below a source root. Paths are relative to it, with forward slashes, in natural order."""

    root: Root
    archives: list[str]
    """What is called as an archive is (see `kinds`), whatever it holds; the parts of one as that one."""
    files: list[str]
    """Every other file: tables, images, documents."""
    findings: list[Finding]
    """What is here and is not taken, or not as its name may promise."""
    excluded: list[str]
    """Files that were left out because a person said so."""
    lost: list[str]
    """Archives that are here in a way, and of which nothing can be read: it is told why."""
    alike: dict[str, str]
    """Archives, and a file that may be another copy of each."""


def find(paths: Sequence[Path], scope: Scope = _EVERYTHING) -> Found:
    """Find what is in one folder, or take the files that are named.

    The root is the folder itself, or the nearest folder that holds all named files; of these, links are followed.
    Findings: those of `walk`, `junk-ignored`, `archive-unfinished`, `file-unfinished`, `archive-lookalike`,
    `archive-unsupported`, `file-placeholder`.

    Raises `UsageError` where a path does not exist or a folder is given beside other paths, and `SourceError`
    where the folder cannot be read or there is nothing in it.
    """
    folders = [path for path in paths if _is_folder(path)]
    if not paths or (folders and len(paths) > 1):
        raise UsageError("A source is one folder, or any number of files; load several folders one by one.")
    if folders:
        root = folders[0].resolve()
        walk = Walk(root, scope)
        names, findings, excluded, lost = walk.files, walk.findings, walk.excluded, walk.lost
    else:
        root, every = _relative_to_common_parent(paths)
        excluded = [name for name in every if scope.leaves_out(name)]
        names, findings, lost = [name for name in every if not scope.leaves_out(name)], [], []
    return sort_out(root, names, findings, excluded, lost)


def sort_out(
    root: Root, names: Iterable[str], findings: list[Finding], excluded: list[str], lost: Sequence[str] = ()
) -> Found:
    """Tell the files of a source apart by their names, and what is found of them; see `Found`.

    Raises `SourceError` where there is nothing to load.
    """
    sorted_out = _Sorted(root, sorted(names, key=_natural))
    findings = [*findings, *sorted_out.findings]
    if not sorted_out.data:
        told = next((finding for finding in findings if finding.severity is Severity.ERROR), None)
        why = f": {told.member}: {told.message}" if told else "; check the path."
        raise SourceError(f"{root} holds no archive and no file to load{why}")
    archives = {archive for name in sorted_out.data if (archive := archive_of(name))}
    files = [name for name in sorted_out.data if not archive_of(name)]
    here = sorted(archives, key=_natural)
    lost = [archive for archive in dict.fromkeys([*lost, *sorted_out.lost]) if archive not in archives]
    return Found(root, here, files, findings, excluded, lost, sorted_out.alike)


class _Sorted:
    """File names told apart: data, and what is told of the rest."""

    def __init__(self, root: Root, names: list[str]) -> None:
        self.data: list[str] = []
        self.findings: list[Finding] = []
        self.lost: list[str] = []
        self.alike: dict[str, str] = {}
        self._here = frozenset(names)
        junk: list[str] = []
        above = os.path.join(folder_of(root), "")  # noqa: PTH118 - as text: a `Path` costs more than all the rest
        for name in names:
            if whole := absent_from_icloud(name):
                self._absent(name, whole)
            elif whole := unfinished(name):
                self._unfinished(name, whole)
            elif is_junk(name) or is_own(above + name):
                junk.append(name)
            elif archive := lookalike(name):
                self._alike(name, archive)
            else:
                self.data.append(name)
        self._packed([name for name in self.data if is_unread(name)])
        self._parts([name for name in self.data if archive_of(name) not in (None, name)])
        if junk:
            what = "file that is" if len(junk) == 1 else "files that are"
            message = f"{len(junk):,} {what} no data (the system's, or laden's own reports and lists) left out, like "
            self._tell("junk-ignored", junk[0], f"{message}{junk[0]}.", Severity.INFO)

    def _unfinished(self, name: str, whole: str) -> None:
        if whole in self._here:
            message = f"It says that the download of {whole} has not finished: let it, and delete what is left over."
        else:
            message = f"It is the beginning of {whole}, whose download or copy has not finished: let it."
        self._tell("archive-unfinished" if archive_of(whole) else "file-unfinished", name, message)
        if archive := archive_of(whole):
            self.lost.append(archive)

    def _absent(self, name: str, whole: str) -> None:
        message = (
            f"It stands for {whole}, which iCloud keeps elsewhere: download that (in the Finder, or 'brctl download')."
        )
        self._tell("file-placeholder", name, message)
        if archive := archive_of(whole):
            self.lost.append(archive)

    def _alike(self, name: str, archive: str) -> None:
        self.alike[archive] = name
        if archive in self._here:
            message = f"It looks like another copy of {archive} and is not read: delete it, or --exclude it."
            self._tell("archive-lookalike", name, message, Severity.WARNING)
        else:
            message = f"{archive} is not here, and this looks like it: if it is whole, rename it to {archive}."
            self._tell("archive-lookalike", name, message)
            self.lost.append(archive)

    def _parts(self, names: list[str]) -> None:
        """Tell of the parts of an archive that is here whole too: the whole one is read."""
        by_archive: dict[str, list[str]] = {}
        for name in names:
            by_archive.setdefault(str(archive_of(name)), []).append(name)
        for archive, parts in by_archive.items():
            if archive in self._here:
                more = f" and {len(parts) - 1:,} more parts are" if len(parts) > 1 else " is"
                message = (
                    f"{parts[0]}{more} not read, since {archive} is here whole: if both hold the same, delete one of"
                )
                message += " them, or --exclude it; if not, keep them in folders of their own."
                self._tell("archive-lookalike", parts[0], message, Severity.WARNING)

    def _packed(self, names: list[str]) -> None:
        by_ending: dict[str, list[str]] = {}
        for name in names:
            by_ending.setdefault(name.rpartition(".")[2].lower(), []).append(name)
        for ending, ones in by_ending.items():
            what = "is an archive" if len(ones) == 1 else f"and {len(ones) - 1:,} more are archives"
            message = f"{ones[0]} {what} of a kind into which laden does not look (.{ending}): if images are in there,"
            message += " unpack it, and load the folder; or pack it again as .zip or .tar.gz."
            self._tell("archive-unsupported", ones[0], message, Severity.WARNING)

    def _tell(self, code: str, name: str, message: str, severity: Severity = Severity.ERROR) -> None:
        shown, message = (text.encode("utf-8", "backslashreplace").decode() for text in (name, message))
        self.findings.append(Finding(code, severity, message, member=shown))


def file_entries(root: Root, files: Iterable[str]) -> Iterator[Entry | Finding]:
    """List plain files as entries, in the order given; a finding for each that is none.

    That is one whose name is refused, that is gone, or that stands in the data's place.
    """
    above = os.path.join(folder_of(root), "")  # noqa: PTH118 - as above
    for file in files:
        if reason := problem(file):
            printable = file.encode("utf-8", "backslashreplace").decode("utf-8")
            sentence = f"The file is not loaded, because its name {reason}; rename it."
            yield Finding("name-refused", Severity.ERROR, sentence, member=printable)
            continue
        if not isinstance(root, Path) and root.holds(file):
            yield root.entry(file)
            continue
        try:
            path = above + file if isinstance(root, Path) else root / file
            status = os.stat(path)  # noqa: PTH116 - asked of each of a million files
            instead = pointer((root / file).read_bytes()) if 0 < status.st_size <= MOST_BYTES else None
        except OSError as error:
            sentence = f"The file cannot be read ({error.strerror}); is it still there? Run the same command again."
            yield Finding("source-unreadable", Severity.ERROR, sentence, member=file)
            continue
        if instead:
            yield Finding("file-placeholder", Severity.ERROR, f"The file {instead}; it is not loaded.", member=file)
            continue
        yield Entry("", file, status.st_size, None, time_ns(status), 0, status.st_size, STORED)


def _is_folder(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise SourceError(f"{path} is a link to {path.readlink()}, which is not there; is it mounted?") from error
        raise UsageError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    if not path.is_dir() and not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder; give archives, a table, or their folder.")
    return path.is_dir()


def _relative_to_common_parent(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    # Only the folder is resolved: a link keeps its own name, which says more than its target's.
    absolute = {path.parent.resolve() / path.name for path in paths}
    try:
        root = Path(os.path.commonpath([path.parent for path in absolute]))
    except ValueError as error:
        raise UsageError("The files lie on different drives; load each drive's files by itself.") from error
    return root, [path.relative_to(root).as_posix() for path in absolute]


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sorts `2.zip` before `10.zip`: digits compare as numbers, letters without case."""
    parts: list[str | int] = list(re.split(r"([0-9]+)", name.lower()))
    # Every second part is digits, so that numbers only ever meet numbers.
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return parts, name
