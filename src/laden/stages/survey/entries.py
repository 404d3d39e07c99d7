"""Fills the relation `entries` from the archives' directories and the plain files, and finds the sidecars among them.

A table that lies in an archive, and a sidecar, is no entry: they are not held against rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from laden.dataset.evidence import Trust, compared
from laden.dataset.profile import Profile, parse_ranges
from laden.dataset.source import Found, entries, file_entries, stem
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.survey.tables import SourceTable
from laden.values.errors import SourceError, UsageError
from laden.values.events import Observer, Started
from laden.values.names import OWN_FOLDER, problem, reserved
from laden.values.records import Entry, Finding, Severity

_OWN_NOTES = frozenset({"load.json", "manifest.parquet", "folder.jsonl"})
"""What laden writes there itself: the copy of a container has them, and nobody misses them."""


def chosen_homes(profile: Profile, archives: str | None, found: Found) -> frozenset[str] | None:
    """File names of the archives asked for, or None for all; raises UsageError where there is none of that name."""
    if archives is None:
        return None
    values = parse_ranges(archives)
    if profile.archive is not None and len(profile.archive.fields) == 1:
        (field,) = profile.archive.fields
        names = [profile.archive.render({field: value}) for value in values]
        return frozenset(profile.home(name) or name for name in names)
    by_stem = {stem(name): name for name in found.archives}
    unknown = [value for value in values if value not in by_stem]
    if unknown:
        raise UsageError(f"--archives names {unknown[0]}, but {found.root} holds no archive of that name")
    return frozenset(PurePosixPath(by_stem[value]).name for value in values)


def home_of(profile: Profile, archive: str) -> str:
    """The name under which an archive is asked for and missed: the complete dataset's, or its own."""
    return profile.home(archive) or PurePosixPath(archive).name


class EntryFeed:
    """Reads all directories once; afterwards it knows the sidecars, and what could not be opened."""

    def __init__(
        self, found: Found, profile: Profile, tables: Collection[SourceTable], trust: Trust, log: FindingLog
    ) -> None:
        self._found = found
        self._files = frozenset(found.files)
        self._profile = profile
        self._trust = trust
        self._log = log
        self._tables = {(table.archive, table.place) for table in tables if table.archive}
        self._table_files = {name for table in tables for name in _below(found.root, table.table.path)}
        self._places = profile.place_fields
        self._errors: list[SourceError] = []
        self._archives: dict[str, tuple[str | None, dict[str, str]]] = {}
        self.sidecars: dict[str, Entry] = {}
        """What is copied as it is, by the name under which it lands."""
        self.unreadable: list[str] = []
        """Names of archives that are here and could not be opened."""
        self.archives: list[str] = []
        """Paths of those that were asked for."""

    def feed(self, relations: Relations, homes: frozenset[str] | None, observer: Observer) -> None:
        """Fill `entries`.

        Args:
            relations: to fill.
            homes: names of the archives asked for, or None for all.
            observer: told of each archive.

        Raises:
            SourceError: no archive can be read, and there is nothing else.
        """
        count = relations.feed("entries", self._rows(homes, observer))
        if self._errors and not count:
            raise self._errors[0]

    def _rows(self, homes: frozenset[str] | None, observer: Observer) -> Iterator[tuple[Any, ...]]:
        count = 0
        for entry in self._entries(homes, observer):
            if isinstance(entry, Finding):
                self._log.add(entry)
                continue
            if (entry.archive, entry.member) in self._tables or self._is_sidecar(entry) or self._is_note(entry):
                continue
            described = self._described(entry)
            if described is not None and (homes is None or entry.archive or described[1] in homes):
                count += 1
                yield *entry, count, *described

    def _entries(self, homes: frozenset[str] | None, observer: Observer) -> Iterator[Entry | Finding]:
        for archive in self._found.archives:
            if homes is not None and home_of(self._profile, archive) not in homes:
                continue
            self.archives.append(archive)
            observer(Started("archives", archive))
            try:
                members = entries(self._found.root, archive)
                yield from compared(self._found.root, archive, members, self._files, self._trust)
            except SourceError as error:
                self._errors.append(error)
                self.unreadable.append(home_of(self._profile, archive))
                self._log.add(Finding(error.code, Severity.ERROR, str(error), archive=archive))
        files = (name for name in self._found.files if name not in self._table_files)
        yield from file_entries(self._found.root, files)

    def _is_sidecar(self, entry: Entry) -> bool:
        if not self._profile.is_sidecar(entry.member):
            return False
        name = PurePosixPath(entry.member).name
        if self.sidecars.setdefault(name, entry) != entry:
            message = f"{self.sidecars[name].place} has the same name and is copied; this one is not: rename it"
            self._log.add(
                Finding("sidecar-duplicate", Severity.WARNING, message, archive=entry.archive, member=entry.member)
            )
        return True

    def _is_note(self, entry: Entry) -> bool:
        """Whether it would land among laden's own notes, as its own path says: told, and never sent."""
        shape = self._profile.table
        blob = self._profile.blob(shape, entry.member, self._values(entry)) if shape is None else None
        reason = reserved(blob or "")
        if reason is None:
            return False
        own = entry.member.rpartition(f"{OWN_FOLDER}/")[2] in _OWN_NOTES
        what = "it is laden's own about another load" if own else f"its name {reason}"
        act = "a load writes its own" if own else "rename the folder"
        message = f"{what}; it is not loaded: {act}"
        severity = Severity.WARNING if own else Severity.ERROR
        self._log.add(Finding("name-reserved", severity, message, archive=entry.archive, member=entry.member))
        return True

    def _described(self, entry: Entry) -> tuple[str, str | None, str | None, str] | None:
        """Key, home, blob name and place of an entry; None for a plain file that is no image of the dataset."""
        profile = self._profile
        shape = profile.table
        if shape is None:
            return entry.member, None, profile.blob(None, entry.member, {}), ""
        if not entry.archive and not shape.is_image(entry.member):
            return None
        home = self._of_archive(entry.archive)[0] if entry.archive else None
        values = self._values(entry)
        if home is None and profile.archive is not None and profile.places_rows:
            # An archive of another name, or a folder: the path may tell what an archive's name would.
            known = all(field in values for field in profile.archive.fields)
            home = profile.archive.render(values) if known else None
        blob = profile.blob(shape, entry.member, values)
        good = blob is not None and problem(blob) is None and reserved(blob) is None
        return shape.entry_key(entry.member), home, blob if good else None, profile.place(values, self._places)

    def _values(self, entry: Entry) -> dict[str, str]:
        """What archive and path say of an entry; of a field that both show, what the archive's name says."""
        values = self._of_archive(entry.archive)[1] if entry.archive else {}
        if all(field in values for field in self._places):
            return values
        return {**(self._profile.folder_values(entry.member) or {}), **values}

    def _of_archive(self, archive: str) -> tuple[str | None, dict[str, str]]:
        """What an archive's name says of its members: their home, and values for their names; asked once for each."""
        if archive not in self._archives:
            home = self._profile.home(archive) if self._profile.places_rows else None
            self._archives[archive] = home, self._profile.archive_values(archive) or {}
        return self._archives[archive]


def _below(root: Path, path: Path) -> Iterator[str]:
    """The names, below the root, of a file that was given by any path: as a link is called, and what it leads to."""
    for real in (path.parent.resolve() / path.name, path.resolve()):
        if real.is_relative_to(root):
            yield real.relative_to(root).as_posix()
