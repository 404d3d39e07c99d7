"""Whether a source is still what was surveyed, asked once more before table and manifest land.

What changes before or while it is read is told then and there (`source.reader`). What changes afterwards shows here: an
archive or a wanted plain file whose size or modification time is another one. Nothing is read.

A table is another matter: what lands is the run's own copy of it, so one that changed does no harm, and is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.source import Root, folder_of, open_archive
from laden.dataset.source.positional import time_ns
from laden.dataset.table import same_content
from laden.relations import Relations
from laden.values.errors import SourceError
from laden.values.records import Finding, Severity

Stamps = Mapping[str, tuple[int, ...] | None]
"""Sizes and modification times by the path of an archive; None where it cannot be opened."""


class TableFile(NamedTuple):
    """A file of this machine that a table was read of."""

    path: Path
    held: Path | None
    """The run's copy of what it holds; None where the table is one of the members of an archive."""
    stamp: tuple[int, ...] | None
    """Length, modification time and number of the file, before it was read."""


_FAILED = "receipts WHERE outcome = 'failed'"
_CHANGED = "it changed after it was surveyed: what was sent of it may be of two versions; run the same command again"


def stamps(root: Root, archives: Sequence[str]) -> Stamps:
    """What archives are now."""
    return {archive: _stamp(root, archive) for archive in archives}


def changed(relations: Relations, root: Root, before: Stamps) -> Iterator[Finding]:
    """Archives, and plain files that the plan wants, that are others than when they were surveyed.

    What was seen to have changed while it was read has been told.
    """
    told = {archive for (archive,) in relations.stream(f"SELECT DISTINCT archive FROM {_FAILED}")}  # noqa: S608
    for archive, stamp in before.items():
        if archive not in told and _stamp(root, archive, again=True) != stamp:
            yield Finding("archive-changed", Severity.ERROR, _CHANGED, archive=archive)
    above = os.path.join(folder_of(root), "")  # noqa: PTH118 - as text: a `Path` costs more than asking
    for member, size_bytes, mtime_ns in relations.stream(
        "SELECT e.member, e.size_bytes, e.mtime_ns FROM wanted JOIN entries e USING (id)"  # noqa: S608 - own text
        f" WHERE e.archive = '' AND e.member NOT IN (SELECT member FROM {_FAILED} AND archive = '') ORDER BY id"
    ):
        # One that lies elsewhere was held to what it was with every request.
        elsewhere = not isinstance(root, Path) and root.holds(member)
        if not elsewhere and _file(above + member) != (size_bytes, mtime_ns):
            yield Finding("file-changed", Severity.ERROR, _CHANGED, member=member)


def _stamp(root: Root, archive: str, *, again: bool = False) -> tuple[int, ...] | None:
    try:
        if again and not isinstance(root, Path) and root.holds(archive):
            return root.stamp(archive)
        file = open_archive(root, archive)
    except (OSError, SourceError):
        return None
    stamp = file.stamp
    file.close()
    return stamp


def _file(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - asked of each of a million files
    except OSError:
        return None
    return status.st_size, time_ns(status)


def table_stamp(path: Path) -> tuple[int, ...] | None:
    """What a table's file is now; None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def changed_tables(files: Iterable[TableFile]) -> Iterator[Finding]:
    """Tables that hold something else than when they were read; of another time alone, nothing need be told."""
    for path, held, stamp in files:
        if table_stamp(path) != stamp and not _still_holds(path, held):
            message = (
                f"{path} changed after it was read: what landed is its first reading, which fits the images; load again"
                " for what it says now"
            )
            yield Finding("table-changed", Severity.ERROR, message, member=path.name)


def _still_holds(path: Path, held: Path | None) -> bool:
    try:
        return held is not None and same_content(path, held)
    except SourceError:
        return False
