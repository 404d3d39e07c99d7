"""Fills the relation `entries` from the archives' directories and the plain files, and finds the sidecars among them.

A table that lies in an archive, and a sidecar, is no entry: they are not held against rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import Path, PurePosixPath

import numpy as np

from laden.dataset.evidence import Trust, compared, is_listing, is_sums
from laden.dataset.lock import Holding
from laden.dataset.profile import PLACE_SEPARATOR, Profile, parse_ranges
from laden.dataset.profile.described import Described
from laden.dataset.source import Found, Scope, archive_of, entries, file_entries, folder_of, stem
from laden.relations import BATCH_ROWS, Relations
from laden.run.findings import FindingLog
from laden.run.ticks import Ticks
from laden.stages.survey.copies import duplicate
from laden.stages.survey.tables import SourceTable
from laden.values.columns import Column
from laden.values.errors import SourceError, UsageError
from laden.values.events import Observer, Started
from laden.values.names import OWN_FOLDER, reserved
from laden.values.records import Entry, Finding, Severity

_archive_of = attrgetter("archive")
_SMALL_ROWS = 10_000

_OWN_NOTES = frozenset({"load.json", "manifest.parquet", "folder.jsonl"})
_OWN_RECORD = r"history/\d+\.json"
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


def complete_homes(profile: Profile) -> list[str]:
    """The names of all archives of the complete dataset; none where nobody knows them."""
    if profile.archive is None or len(profile.archive.fields) != 1:
        return []
    (field,) = profile.archive.fields
    return [profile.archive.render({field: value}) for value in profile.expected]


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
        holding: Holding | None = None,
    ) -> None:
        self._found = found
        self._scope = scope
        self._files = frozenset(found.files)
        self._profile = profile
        self._trust = trust
        self._log = log
        self._holding = holding
        self._tables = {(table.archive, table.place) for table in tables if table.archive}
        self._table_files = {name for table in tables for name in _below(folder_of(found.root), table.table.path)}
        self._described = Described(profile)
        self._errors: list[SourceError] = []
        self.sidecars: dict[str, Entry] = {}
        """What is copied as it is, by the name under which it lands."""
        self.unreadable: list[str] = []
        """Names of archives that are here and could not be opened."""
        self.excluded = len(found.excluded)
        """How many files and members a person left out."""
        self._excluded = [self._told_by(name) for name in found.excluded]
        self.refused: Finding | None = None
        """The first of what is wrong with single members and files."""
        self._ignored: list[str] = []
        self._small: list[dict[str, Column]] = []
        """Columns of archives that are fed together with others."""
        self._small_rows = 0
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
        count = 0
        ticks = Ticks(observer, "files and members listed")
        with relations.one_thread():
            for archive, members in groupby(self._accepted(homes, observer), key=_archive_of):
                while batch := list(islice(members, BATCH_ROWS)):
                    if not archive:
                        batch = self._images(batch, homes)
                    if batch:
                        self._feed(relations, archive, batch, count)
                    count += len(batch)
                    ticks.add(len(batch))
            self._feed_small(relations)
        if self._ignored:
            self._log.add(_ignored(self._ignored))
        if self._errors and not count:
            raise self._errors[0]

    def _feed(self, relations: Relations, archive: str, batch: list[Entry], before: int) -> None:
        """Feed entries of one archive, or plain files; what they have in common is worked out once."""
        columns: dict[str, Column] = dict(zip(Entry._fields, zip(*batch, strict=True), strict=True))
        members = [entry.member for entry in batch]
        described = self._described.of(archive, members)
        columns |= {name: column for name, column in described.items() if isinstance(column, list)}
        constants = {name: value for name, value in described.items() if not isinstance(value, list)}
        numbers = range(before + 1, before + len(batch) + 1)
        if len(batch) > _SMALL_ROWS:
            relations.feed_columns("entries", {**columns, "id": np.array(numbers)}, constants)
            return
        # Of many small archives, several at once: to feed any takes a while, however few they are.
        alike = {name: [value] * len(batch) for name, value in constants.items()}
        self._small.append({**columns, "id": numbers, **alike})
        self._small_rows += len(batch)
        if self._small_rows >= BATCH_ROWS:
            self._feed_small(relations)

    def _feed_small(self, relations: Relations) -> None:
        """Feed what is kept of small archives."""
        if self._small:
            names = self._small[0]
            columns = {name: list(chain.from_iterable(one[name] for one in self._small)) for name in names}
            relations.feed_columns("entries", columns)
        self._small.clear()
        self._small_rows = 0

    def _accepted(self, homes: frozenset[str] | None, observer: Observer) -> Iterator[Entry]:
        for entry in self._entries(homes, observer):
            if isinstance(entry, Finding):
                if entry.severity is Severity.ERROR:
                    self.refused = self.refused or entry
                self._log.add(entry)
            elif (entry.archive, entry.member) in self._tables:
                continue
            elif self._scope.narrows and not self._is_meant(entry):
                self.excluded += 1
                self._excluded.append(self._told_by(entry.member, entry.archive))
            elif not (self._is_sidecar(entry) or self._is_note(entry) or self._is_misplaced(entry)):
                yield entry

    def _entries(self, homes: frozenset[str] | None, observer: Observer) -> Iterator[Entry | Finding]:
        for archive in self._found.archives:
            if homes is not None and home_of(self._profile, archive) not in homes:
                continue
            self.archives.append(archive)
            observer(Started("archives", archive))
            try:
                yield from compared(self._found.root, archive, self._listed(archive), self._files, self._trust)
            except SourceError as error:
                self._errors.append(error)
                self.unreadable.append(home_of(self._profile, archive))
                message = str(error)
                if archive in self._found.alike:
                    message += f" {self._found.alike[archive]} beside it looks like another copy."
                self._log.add(Finding(error.code, Severity.ERROR, message, archive=archive))
        files = (name for name in self._found.files if name not in self._table_files)
        yield from file_entries(self._found.root, files)

    def _listed(self, archive: str) -> Iterator[Entry | Finding]:
        if self._holding is None:
            return entries(self._found.root, archive, self._scope.encoding)
        return self._holding.listed(archive, self._scope.encoding)

    def _is_meant(self, entry: Entry) -> bool:
        if self._profile.is_sidecar(entry.member):
            return not self._scope.leaves_out(entry.member, entry.archive)
        return self._scope.holds(entry.member, entry.archive)

    def _told_by(self, path: str, archive: str = "") -> tuple[str | None, str | None, str]:
        """What tells rows that are about an excluded file or member: key and place, or for an archive its home."""
        shape = self._profile.table
        if not archive and (own := archive_of(path)):
            return None, home_of(self._profile, own), ""
        if shape is None or not (archive or shape.is_image(path)):
            return None, None, ""
        values = self._described.values(path, self._described.of_archive(archive)[1] if archive else {})
        return shape.entry_key(path), None, self._described.of_place(values)[1]

    @property
    def excluded_homes(self) -> frozenset[str]:
        """Names, as `home_of`, of archives that a person left out."""
        return frozenset(home for _, home, _ in self._excluded if home)

    def leave_out(self, relations: Relations) -> None:
        """Take the rows back of which every image that is here was left out, and tell; `entries`, `rows` are filled.

        What does not say its whole place may be any row's of its key; if it was left out, only where no image that is
        here says its own: beside such, it is another one of the same name, as a small version is.
        """
        if not self._excluded:
            return
        relations.run("CREATE TABLE excluded (key VARCHAR, home VARCHAR, place VARCHAR)")
        relations.feed("excluded", self._excluded)
        if relations.one(f"SELECT count(*) FROM entries WHERE NOT ({_VAGUE})")[0]:  # noqa: S608 - own text
            relations.run(f"DELETE FROM excluded WHERE home IS NULL AND ({_VAGUE})")  # noqa: S608 - own text
        if rows := relations.run(_LEAVE_OUT):
            self._log.add(_left_out(rows))

    def _is_sidecar(self, entry: Entry) -> bool:
        if not self._profile.is_sidecar(entry.member):
            return False
        name = PurePosixPath(entry.member).name
        if self.sidecars.setdefault(name, entry) != entry:
            self._log.add(duplicate(self._found.root, self.sidecars[name], entry))
        return True

    def _images(self, files: list[Entry], homes: frozenset[str] | None) -> list[Entry]:
        """The plain files that are images of the dataset, of the archives asked for; the others are told."""
        shape = self._profile.table
        images = [file for file in files if shape is None or shape.is_image(file.member)]
        if shape is not None and len(images) < len(files):
            others = (file.member for file in files if not shape.is_image(file.member))
            self._ignored += (path for path in others if not _is_evidence(path))
        if homes is None:
            return images
        named = self._described
        return [file for file in images if named.of_place(named.values(file.member))[0] in homes]

    def _is_note(self, entry: Entry) -> bool:
        """Whether it would land among laden's own notes, as its own path says: told, and never sent."""
        if self._profile.table is not None:
            return False
        (blob,) = self._profile.blobs(None, [entry.member], {})
        reason = reserved(blob or "")
        if reason is None:
            return False
        note = entry.member.rpartition(f"{OWN_FOLDER}/")[2]
        own = note in _OWN_NOTES or re.fullmatch(_OWN_RECORD, note) is not None
        what = "it is laden's own about another load" if own else f"its name {reason}"
        act = "a load writes its own" if own else "rename the folder"
        message = f"{what}; it is not loaded: {act}"
        severity = Severity.WARNING if own else Severity.ERROR
        self._log.add(Finding("name-reserved", severity, message, archive=entry.archive, member=entry.member))
        return True

    def _is_misplaced(self, entry: Entry) -> bool:
        """Whether archive and folder say of one value two things: told, and nobody's image."""
        if not entry.archive:
            return False
        _, said = self._described.of_archive(entry.archive)
        seen = self._profile.folder_values(entry.member) if said else None
        fold = self._profile.table.folded if self._profile.table else str
        for field in (field for field in seen or () if field in said):
            if fold(said[field]) != fold((seen or {})[field]):
                what = f"its folder says {field} {(seen or {})[field]}, and the archive's name {said[field]}"
                act = "it is no row's image: put it where it belongs, and pack the archive again"
                message = f"{what}; {act}"
                self._log.add(
                    Finding("image-misplaced", Severity.WARNING, message, archive=entry.archive, member=entry.member)
                )
                return True
        return False


_VAGUE = f"list_contains(str_split(place, chr({ord(PLACE_SEPARATOR)})), '')"
_MAY_BE = f"""(key IN (SELECT key FROM {{0}} WHERE key IS NOT NULL AND ({_VAGUE}))
    OR EXISTS (FROM {{0}} o WHERE o.key = rows.key AND o.place = rows.place)
    OR ({_VAGUE}) AND key IN (SELECT key FROM {{0}} WHERE key IS NOT NULL))"""  # noqa: S608 - own text
_LEAVE_OUT = f"""UPDATE rows SET selected = false WHERE selected AND key IS NOT NULL AND NOT {_MAY_BE.format("entries")}
    AND ({_MAY_BE.format("excluded")} OR coalesce(home IN (SELECT home FROM excluded WHERE home IS NOT NULL), false))
"""  # noqa: S608 - own text


def _is_evidence(path: str) -> bool:
    """Whether a file is one that the publisher's word is read from."""
    return is_sums(path) or is_listing(path)


def _left_out(rows: int) -> Finding:
    what = "row is" if rows == 1 else "rows are"
    message = f"{rows:,} {what} not wanted: each image of their name that is here, or its archive, was left out"
    return Finding("row-left-out", Severity.INFO, message)


def _ignored(names: list[str]) -> Finding:
    """The one finding about plain files beside a table that are no images of the dataset."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in names)
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5))
    what = "file is no image" if len(names) == 1 else "files are no images"
    message = f"{len(names):,} {what} of the dataset ({told}) and not loaded, like {names[0]}."
    return Finding("file-ignored", Severity.INFO, message, member=names[0])


def _below(root: Path, path: Path) -> Iterator[str]:
    """The names, below the root, of a file that was given by any path: as a link is called, and what it leads to."""
    for real in (path.parent.resolve() / path.name, path.resolve()):
        if real.is_relative_to(root):
            yield real.relative_to(root).as_posix()
