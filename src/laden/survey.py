"""What is at the source: fills the relations `rows` and `entries` from the table and the archives' directories.

Order: find the files, recognise the profile and the table, read the table's records, then the directory of each
archive that was asked for. No member's data is read. What cannot be read, or fits nothing, becomes a finding; only
a source of which nothing at all can be read is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from laden.errors import SourceError, UsageError
from laden.events import Observer, Started
from laden.findings import FindingLog
from laden.names import problem
from laden.profile import WHOLE_PATH, Profile, Template, builtin, open_profile, parse_ranges, recognise
from laden.records import Entry, Finding, Severity
from laden.relations import Relations
from laden.source import Found, entries, file_entries, find, stem
from laden.table import Table, TableWatch


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person asked for of a source."""

    table: Path | None = None
    profile: str | None = None
    archives: str | None = None
    """As in `0-11,54`."""
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found; the relations hold the rest."""

    profile: Profile
    root: Path
    table: Table | None
    absent: tuple[str, ...]
    """Archives that selected rows are in, and of which nothing is here."""
    unreadable: tuple[str, ...]
    """Archives that are here and could not be opened."""


def survey(
    sources: Sequence[Path], choice: Choice, relations: Relations, log: FindingLog, observer: Observer
) -> Survey:
    """Look at a source.

    Args:
        sources: one folder, or named files.
        choice: table, profile, archives and layout, where the user gave them.
        relations: `rows` and `entries` are filled.
        log: gets what is wrong with rows, archives and members.
        observer: told of each stage.

    Raises:
        SourceError: nothing can be read.
        UsageError: an option does not fit, or selects no row.
    """
    observer(Started("source", ", ".join(map(str, sources))))
    found = find(sources)
    profile, table = _recognise(found, choice)
    homes = _chosen_homes(profile, choice.archives, found)
    if table is not None:
        observer(Started("table", table.name))
        _feed_rows(relations, log, profile, table, homes)
    unreadable = _feed_entries(relations, log, profile, found, table, homes, observer)
    if table is None:
        relations.run(
            "INSERT INTO rows SELECT min(id), key, key, NULL, blob, true, true FROM entries GROUP BY key, blob"
        )
    if relations.one("SELECT count(*) FROM rows WHERE selected")[0] == 0:
        raise _nothing_selected(choice, table, profile)
    here = {PurePosixPath(archive).name for archive in found.archives}
    absent = tuple(
        home
        for (home,) in relations.stream(
            "SELECT home FROM rows WHERE selected AND home IS NOT NULL AND home NOT IN"
            " (SELECT home FROM entries WHERE home IS NOT NULL) GROUP BY home ORDER BY min(row)"
        )
        if home not in here
    )
    return Survey(profile, found.root, table, absent, unreadable)


def _recognise(found: Found, choice: Choice) -> tuple[Profile, Table | None]:
    """The profile and the table, as asked for or as the source shows them."""
    tables, unreadable = _tables(found) if choice.table is None else ({}, {})
    named = {name: table.columns for name, table in tables.items()}
    table: Table | None = None
    if choice.table is not None:
        table = Table.open(choice.table)
        named = {choice.table.name: table.columns}
    if choice.profile is None:
        _refuse_table(unreadable)
        profile, file = recognise(found.archives, named)
    else:
        profile = open_profile(choice.profile)
        file = next((name for name in named if profile.table and profile.table.fits(name)), None)
        if profile.table is not None and file is None and len(named) == 1:
            file = next(iter(named))
    if profile.table is not None:
        table = table or (tables[file] if file else None)
        if table is None and unreadable:
            raise next(iter(unreadable.values()))
        if table is None:
            raise UsageError(
                f"the profile '{profile.name}' needs a table called {profile.table.name}, and {found.root} holds none:"
                " name it with --table, or load plain files with --profile files"
            )
    elif choice.table is not None:
        raise UsageError(
            f"no profile knows the columns of {choice.table}: name one with --profile, or leave --table out"
        )
    if choice.layout is not None:
        profile = replace(profile, layout=Template(choice.layout))
    return profile, table if profile.table is not None else None


def _tables(found: Found) -> tuple[dict[str, Table], dict[str, SourceError]]:
    """Files that may be the table, and why others of such a name cannot be: not each CSV among images is one."""
    tables: dict[str, Table] = {}
    unreadable: dict[str, SourceError] = {}
    for name in filter(_is_table, found.files):
        try:
            tables[name] = Table.open(found.root / name)
        except SourceError as error:
            unreadable[name] = error
    return tables, unreadable


def _refuse_table(unreadable: dict[str, SourceError]) -> None:
    """Raise why a file cannot be read that is called as a known dataset's table."""
    for name, error in unreadable.items():
        if any(profile.table is not None and profile.table.fits(name) for profile in builtin()):
            raise error


def _is_table(name: str) -> bool:
    """Whether a file may be the table: a CSV at the root or one folder down."""
    return name.lower().endswith((".csv", ".csv.gz")) and name.count("/") <= 1


def _chosen_homes(profile: Profile, archives: str | None, found: Found) -> frozenset[str] | None:
    """File names of the archives asked for, or None for all."""
    if archives is None:
        return None
    values = parse_ranges(archives)
    if profile.archive is None:
        by_stem = {stem(name): name for name in found.archives}
        unknown = [value for value in values if value not in by_stem]
        if unknown:
            raise UsageError(f"--archives names {unknown[0]}, but {found.root} holds no archive of that name")
        return frozenset(PurePosixPath(by_stem[value]).name for value in values)
    return frozenset(_homes(profile, values))


def _homes(profile: Profile, values: Sequence[str]) -> list[str]:
    """Archive file names for values of the archive's field."""
    if profile.archive is None:
        return []
    (field,) = profile.archive.fields
    return [profile.archive.render({field: value}) for value in values]


def _feed_rows(
    relations: Relations, log: FindingLog, profile: Profile, table: Table, homes: frozenset[str] | None
) -> None:
    shape = profile.table
    assert shape is not None
    key = table.column(shape.key)
    fields = {name: table.column(name) for name in _table_fields(profile, table)}
    texts = [name for name, kind in shape.columns.items() if kind == "text"]
    watch = TableWatch(table, shape.key, texts)

    def rows() -> Iterator[tuple[Any, ...]]:
        for record in table.records():
            finding = watch.see(record)
            if finding is not None:
                log.add(finding)
                yield record.row, None, "", None, None, False, homes is None
                continue
            values = {name: record.fields[index].strip() for name, index in fields.items()}
            home = profile.archive.render(values) if profile.archive else None
            blob: str | None = profile.layout.render(values)
            selected = homes is None or home in homes
            if (refusal := problem(blob or "")) is not None:
                log.add(_refused_row(record.row, blob or "", refusal))
                blob = None
            name = record.fields[key].strip()
            yield record.row, _folded(name, profile), name, home, blob, blob is not None, selected

    relations.feed("rows", rows())
    for finding in watch.finish():
        log.add(finding)


def _table_fields(profile: Profile, table: Table) -> list[str]:
    """Columns that names are made of."""
    fields = dict.fromkeys([*profile.layout.fields, *(profile.archive.fields if profile.archive else ())])
    unknown = [field for field in fields if field not in table.columns]
    if unknown:
        raise UsageError(
            f"the layout '{profile.layout}' uses {{{unknown[0]}}}, which is no column of {table.name};"
            f" its columns are {', '.join(filter(None, table.columns))}"
        )
    return list(fields)


def _refused_row(row: int, blob: str, reason: str) -> Finding:
    return Finding(
        "row-name",
        Severity.ERROR,
        f"row {row} would be stored as '{blob}', which no blob may be called: {reason}",
        row=row,
    )


def _feed_entries(
    relations: Relations,
    log: FindingLog,
    profile: Profile,
    found: Found,
    table: Table | None,
    homes: frozenset[str] | None,
    observer: Observer,
) -> tuple[str, ...]:
    """Read the directories; returns the names of archives that could not be opened."""
    unreadable: list[str] = []
    archives = [name for name in found.archives if homes is None or PurePosixPath(name).name in homes]
    errors: list[SourceError] = []

    def described() -> Iterator[tuple[Any, ...]]:
        count = 0
        for entry in _all_entries(found, archives, table, unreadable, errors, log, observer):
            if isinstance(entry, Finding):
                log.add(entry)
                continue
            described = _described(entry, profile, table is not None)
            if described is not None and (homes is None or entry.archive or described[1] in homes):
                count += 1
                yield *entry, count, *described

    count = relations.feed("entries", described())
    if errors and not count:
        raise errors[0]
    return tuple(unreadable)


def _all_entries(
    found: Found,
    archives: list[str],
    table: Table | None,
    unreadable: list[str],
    errors: list[SourceError],
    log: FindingLog,
    observer: Observer,
) -> Iterator[Entry | Finding]:
    for archive in archives:
        observer(Started("archives", archive))
        try:
            yield from entries(found.root, archive)
        except SourceError as error:
            errors.append(error)
            unreadable.append(PurePosixPath(archive).name)
            log.add(Finding(error.code, Severity.ERROR, str(error), archive=archive))
    files = (name for name in found.files if table is None or found.root / name != table.path)
    yield from file_entries(found.root, files)


def _described(entry: Entry, profile: Profile, has_table: bool) -> tuple[str, str | None, str | None] | None:
    """Key, home and blob name of an entry; None for a plain file that is no image of the dataset."""
    if not has_table:
        return entry.member, None, profile.layout.render({WHOLE_PATH: entry.member})
    shape = profile.table
    assert shape is not None
    name = entry.member.rpartition("/")[2]
    if entry.archive:
        values = profile.archive.match(entry.archive.rpartition("/")[2]) if profile.archive else None
    elif shape.suffixes and not name.lower().endswith(shape.suffixes):
        return None
    else:
        values = profile.folder.match_end(entry.member) if profile.folder else None
    home = profile.archive.render(values) if values and profile.archive else None
    values = {**(values or {}), shape.key: name}
    known = all(field in values for field in profile.layout.fields)
    blob = profile.layout.render(values) if known else None
    return _folded(name, profile), home, blob if blob and problem(blob) is None else None


def _folded(name: str, profile: Profile) -> str:
    return name.casefold() if profile.table and profile.table.ignore_case else name


def _nothing_selected(choice: Choice, table: Table | None, profile: Profile) -> UsageError:
    if choice.archives is not None:
        known = f"; the dataset's archives are {', '.join(profile.expected)}" if profile.expected else ""
        where = table.name if table else "the source"
        return UsageError(f"--archives {choice.archives} selects no row of {where}{known}")
    if table is not None:
        return UsageError(f"the table {table.path} has no rows")
    return UsageError("the source holds no file that could be loaded")
