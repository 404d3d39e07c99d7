"""The tables at a source: files, or members of archives, which are taken out into the run's private folder.

A zipped table is an archive that holds one: there is one way for both. Its bytes are checked against the archive's
directory as any member's, and land as they are in the archive. Only zip archives are looked into: their directory
costs one read, while a tar would have to be read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from laden.dataset.source import Found, Reader, Root, entries, zips
from laden.dataset.table import Table
from laden.values.errors import SourceError, UsageError
from laden.values.records import Entry

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table, and where at the source it lies."""

    table: Table
    place: str
    """Its path below the source root, or the member's name."""
    archive: str = ""
    """Path of the archive that it was taken out of; empty for a file."""


class Candidates:
    """What may be a table: CSV files at the root or one folder down, and members like that of zip archives."""

    def __init__(self, found: Found, folder: Path) -> None:
        """Look at the names in a source.

        Args:
            found: what lies there.
            folder: where tables are put that lie in archives; private to the run.
        """
        self._found = found
        self._folder = folder
        self.unreadable: dict[str, SourceError] = {}
        """Files of a table's name that cannot be read, and why."""

    def files(self) -> dict[str, SourceTable]:
        """Every plain file that is a table, by its path; not each CSV among images is one."""
        tables: dict[str, SourceTable] = {}
        for name in filter(is_table, self._found.files):
            try:
                tables[name] = SourceTable(Table.open(self._found.root / name), name)
            except SourceError as error:
                self.unreadable[name] = error
        return tables

    def members(self, wanted: Callable[[str], bool]) -> dict[str, SourceTable]:
        """Every table in an archive whose path is `wanted`, by archive and path."""
        tables: dict[str, SourceTable] = {}
        for archive in self._found.archives:
            if not archive.lower().endswith(".zip"):
                continue
            for entry in _tables_in(self._found.root, archive):
                name = f"{archive}/{entry.member}"
                if wanted(name):
                    try:
                        tables[name] = take_out(self._found.root, entry, self._folder)
                    except SourceError as error:
                        self.unreadable[name] = error
        return tables


def open_table(path: Path, folder: Path) -> SourceTable:
    """The table that a person named: a CSV, or a zip that holds one.

    Raises:
        SourceError: it cannot be read.
        UsageError: it is not there, or the zip holds none, or several.
    """
    if not path.exists():
        raise UsageError(f"there is no table {path}: check the path")
    if not path.name.lower().endswith(".zip"):
        return SourceTable(Table.open(path), path.name)
    listed = (entry for entry in entries(path.parent, path.name) if isinstance(entry, Entry))
    members = [entry for entry in listed if is_table(entry.member)]
    if len(members) != 1:
        raise UsageError(f"{path} holds {len(members)} tables, not one: unpack it, and name one with --table")
    return take_out(path.parent, members[0], folder)


def take_out(root: Root, entry: Entry, folder: Path) -> SourceTable:
    """Copy a member, checked, into the folder, and open it as a table; raises SourceError."""
    # Messages name the table by its path: below the archive's name, a person knows it again.
    path = folder / "tables" / entry.archive / entry.member
    path.parent.mkdir(parents=True, exist_ok=True)
    with Reader(root) as reader, path.open("wb") as file:
        file.writelines(reader.read(entry, _CHUNK_BYTES))
    return SourceTable(Table.open(path), entry.member, entry.archive)


def is_table(path: str) -> bool:
    """Whether a file may be the table: a CSV at the root or one folder down."""
    return path.lower().endswith((".csv", ".csv.gz")) and path.count("/") <= 1


def _tables_in(root: Root, archive: str) -> Iterator[Entry]:
    try:
        if not zips.may_hold(root, archive, b".csv"):
            return
        listed = [entry for entry in entries(root, archive) if isinstance(entry, Entry)]
    except SourceError:
        # Told when its images are looked for.
        return
    yield from (entry for entry in listed if is_table(entry.member))
