"""Fills the relation `entries` from the archives' directories and the plain files, and finds the sidecars among them.

A table that lies in an archive, and a sidecar, is no entry: they are not held against rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any

from laden.dataset.evidence import Trust, compared, is_listing, is_sums
from laden.dataset.profile import Profile, parse_ranges
from laden.dataset.source import Found, Scope, archive_of, entries, file_entries, stem
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.survey.tables import SourceTable
from laden.values.errors import SourceError, UsageError
from laden.values.events import Observer, Started
from laden.values.names import problem
from laden.values.records import Entry, Finding, Severity


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
        self,
        found: Found,
        profile: Profile,
        tables: Collection[SourceTable],
        trust: Trust,
        scope: Scope,
        log: FindingLog,
    ) -> None:
        self._found = found
        self._scope = scope
        self._files = frozenset(found.files)
        self._profile = profile
        self._trust = trust
        self._log = log
        self._tables = {(table.archive, table.place) for table in tables if table.archive}
        self._table_paths = {table.table.path for table in tables}
        self._errors: list[SourceError] = []
        self._archives: dict[str, tuple[str | None, dict[str, str]]] = {}
        self.sidecars: dict[str, Entry] = {}
        """What is copied as it is, by the name under which it lands."""
        self.unreadable: list[str] = []
        """Names of archives that are here and could not be opened."""
        self.excluded = len(found.excluded)
        """How many files and members a person left out."""
        self._excluded: list[tuple[str | None, str | None]] = [self._key_and_home(name) for name in found.excluded]
        self.refused: Finding | None = None
        """The first of what is wrong with single members and files."""
        self._ignored: list[str] = []
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
        self.unreadable += [home_of(self._profile, archive) for archive in self._found.lost]
        count = relations.feed("entries", self._rows(homes, observer))
        if self._ignored:
            self._log.add(_ignored(self._ignored))
        if self._errors and not count:
            raise self._errors[0]

    def _rows(self, homes: frozenset[str] | None, observer: Observer) -> Iterator[tuple[Any, ...]]:
        count = 0
        for entry in self._entries(homes, observer):
            if isinstance(entry, Finding):
                if entry.severity is Severity.ERROR:
                    self.refused = self.refused or entry
                self._log.add(entry)
                continue
            if (entry.archive, entry.member) in self._tables:
                continue
            if self._scope.narrows and not self._is_meant(entry):
                self.excluded += 1
                self._excluded.append(self._key_and_home(entry.member, entry.archive))
                continue
            if self._is_sidecar(entry):
                continue
            described = self._described(entry)
            if described is None and not _is_evidence(entry.member):
                self._ignored.append(entry.member)
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
                members = entries(self._found.root, archive, self._scope.encoding)
                yield from compared(self._found.root, archive, members, self._files, self._trust)
            except SourceError as error:
                self._errors.append(error)
                self.unreadable.append(home_of(self._profile, archive))
                message = str(error)
                if archive in self._found.alike:
                    message += f" {self._found.alike[archive]} beside it looks like another copy."
                self._log.add(Finding(error.code, Severity.ERROR, message, archive=archive))
        files = (name for name in self._found.files if self._found.root / name not in self._table_paths)
        yield from file_entries(self._found.root, files)

    def _is_meant(self, entry: Entry) -> bool:
        if self._profile.is_sidecar(entry.member):
            return not self._scope.leaves_out(entry.member, entry.archive)
        return self._scope.holds(entry.member, entry.archive)

    def _key_and_home(self, path: str, archive: str = "") -> tuple[str | None, str | None]:
        """What rows may be told by that are about an excluded file or member: its key, or for an archive its home."""
        shape = self._profile.table
        if not archive and (own := archive_of(path)):
            return None, home_of(self._profile, own)
        is_image = shape is not None and (archive or shape.is_image(path))
        return shape.entry_key(path) if shape and is_image else None, None

    def leave_out(self, relations: Relations) -> None:
        """Take the rows back of which every image that is here was left out; `entries` and `rows` are filled."""
        if self._excluded:
            relations.run("CREATE TABLE excluded (key VARCHAR, home VARCHAR)")
            relations.feed("excluded", self._excluded)
            relations.run(
                "UPDATE rows SET selected = false WHERE key NOT IN (SELECT key FROM entries) AND ("
                "key IN (SELECT key FROM excluded WHERE key IS NOT NULL)"
                " OR coalesce(home IN (SELECT home FROM excluded WHERE home IS NOT NULL), false))"
            )

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

    def _described(self, entry: Entry) -> tuple[str, str | None, str | None] | None:
        """Key, home and blob name of an entry; None for a plain file that is no image of the dataset."""
        profile = self._profile
        shape = profile.table
        if shape is None:
            return entry.member, None, profile.blob(None, entry.member, {})
        if entry.archive:
            home, values = self._of_archive(entry.archive)
        elif not shape.is_image(entry.member):
            return None
        else:
            values = (profile.folder.match_end(entry.member) if profile.folder else None) or {}
            home = profile.archive.render(values) if values and profile.archive and profile.places_rows else None
        blob = profile.blob(shape, entry.member, values)
        return shape.entry_key(entry.member), home, blob if blob and problem(blob) is None else None

    def _of_archive(self, archive: str) -> tuple[str | None, dict[str, str]]:
        """What an archive's name says of its members: their home, and values for their names; asked once for each."""
        if archive not in self._archives:
            home = self._profile.home(archive) if self._profile.places_rows else None
            self._archives[archive] = home, self._profile.archive_values(archive) or {}
        return self._archives[archive]


def _is_evidence(path: str) -> bool:
    """Whether a file is one that the publisher's word is read from."""
    return is_sums(path) or is_listing(path)


def _ignored(names: list[str]) -> Finding:
    """The one finding about plain files beside a table that are no images of the dataset."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in names)
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5))
    what = "file is no image" if len(names) == 1 else "files are no images"
    message = f"{len(names):,} {what} of the dataset ({told}) and not loaded, like {names[0]}."
    return Finding("file-ignored", Severity.INFO, message, member=names[0])
