"""Finds archives and plain files below a folder, and lists plain files as entries.

A folder is walked whole; symbolic links to files count, links to folders are not followed (they could lead in
circles). Names decide what is an archive, never content. Nothing is opened here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.source.kinds import archive_of
from laden.dataset.source.positional import time_ns
from laden.values.errors import SourceError, UsageError
from laden.values.names import is_junk, problem
from laden.values.records import STORED, Entry, Finding, Severity


class Found(NamedTuple):
    """What lies below a source root. Paths are relative to it, with forward slashes, in natural order."""

    root: Path
    archives: list[str]
    """What is called as an archive is (see `kinds`), whatever it holds; the parts of one as that one."""
    files: list[str]
    """Every other file: tables, images, documents."""
    junk: int
    """How many files were left out because they are no data (`laden.values.names.is_junk`)."""


def find(paths: Sequence[Path]) -> Found:
    """Find what is in one folder, or take the files that are named.

    The root is the folder itself, or the nearest folder that holds all named files.

    Raises `UsageError` where a path does not exist or a folder is given beside other paths, and `SourceError`
    where a folder cannot be read or there is nothing in it.
    """
    folders = [path for path in paths if _is_folder(path)]
    if not paths or (folders and len(paths) > 1):
        raise UsageError("A source is one folder, or any number of files; load several folders one by one.")
    if folders:
        root = folders[0].resolve()
        names = list(_walk(root))
    else:
        root, names = _relative_to_common_parent(paths)
    data = sorted((name for name in names if not is_junk(name)), key=_natural)
    if not data:
        raise SourceError(f"{root} holds no archive and no file to load; check the path.")
    archives = {archive for name in data if (archive := archive_of(name))}
    files = [name for name in data if not archive_of(name)]
    return Found(root, sorted(archives, key=_natural), files, len(names) - len(data))


def file_entries(root: Path, files: Iterable[str]) -> Iterator[Entry | Finding]:
    """List plain files as entries, in the order given; a finding for each whose name is refused.

    Raises `SourceError` where a file is gone or cannot be looked at.
    """
    for file in files:
        if reason := problem(file):
            printable = file.encode("utf-8", "backslashreplace").decode("utf-8")
            sentence = f"The file is not loaded, because its name {reason}; rename it."
            yield Finding("name-refused", Severity.ERROR, sentence, member=printable)
            continue
        try:
            status = (root / file).stat()
        except OSError as error:
            raise SourceError(f"{file} cannot be read ({error.strerror}); is it still there?") from error
        yield Entry("", file, status.st_size, None, time_ns(status), 0, status.st_size, STORED)


def _is_folder(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    if not path.is_dir() and not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder; give archives, a table, or their folder.")
    return path.is_dir()


def _walk(root: Path) -> Iterator[str]:
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as found:
                for item in found:
                    path = folder / item.name
                    if item.is_dir(follow_symlinks=False):
                        pending.append(path)
                    elif item.is_file():
                        yield path.relative_to(root).as_posix()
        except OSError as error:
            message = f"{folder} cannot be listed ({error.strerror}); check its permissions."
            raise SourceError(message) from error


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
