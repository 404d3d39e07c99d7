"""Which dataset a source is: its profile, and the tables that go with it.

A named table or profile is taken at its word. Else files are asked first, then members of archives, where only names
that some dataset's table has are looked at. Ambiguity is an error that says what to name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from laden.dataset.profile import (
    Profile,
    TableShape,
    has_known_name,
    has_telling_name,
    open_profile,
    parse_layout,
    recognise,
    the_only,
)
from laden.dataset.selection import Selection
from laden.dataset.source import Found, Scope
from laden.dataset.table import same_content
from laden.stages.survey.tables import Candidates, SourceTable, open_table
from laden.values.errors import MemberDamaged, UsageError


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person asked for of a source."""

    table: Path | None = None
    profile: str | None = None
    archives: str | None = None
    """As in `0-11,54`."""
    layout: str | None = None
    trust: tuple[str, ...] = ()
    """Names of files that are right whatever their publisher says of them."""
    selection: Selection = field(default_factory=Selection)
    scope: Scope = field(default_factory=Scope)
    """Which files and members, and how they are read."""
    lock: Path | None = None
    """A lock file; the profile's own where it names one and this is None."""


def recognise_source(found: Found, choice: Choice, folder: Path) -> tuple[Profile, list[SourceTable]]:
    """The profile, and its tables that are here: each stands where the profile's `tables` has its shape.

    Args:
        found: what lies at the source.
        choice: what the user named.
        folder: private to the run, for tables that lie in archives.

    Raises:
        SourceError: the table cannot be read.
        UsageError: an option does not fit, the table is not here, or there are several.
    """
    candidates = Candidates(found, folder)
    if choice.table is not None:
        profile, tables = _named(open_table(choice.table, folder), choice, found)
    elif choice.profile is not None:
        profile, tables = _of_profile(open_profile(choice.profile), candidates, found)
    else:
        profile, tables = _by_itself(candidates, found)
    if choice.layout is not None:
        shapes = tuple(replace(shape, layout=None) for shape in profile.tables)
        profile = replace(profile, layout=parse_layout(choice.layout), tables=shapes)
    return profile, tables


def _named(table: SourceTable, choice: Choice, found: Found) -> tuple[Profile, list[SourceTable]]:
    """The profile of a table that the user named; that table is the only one."""
    if choice.profile is not None:
        profile = open_profile(choice.profile)
    else:
        profile, _ = recognise(found.archives, {table.place: table.table.columns})
        if profile.table is None:
            raise UsageError(
                f"no profile knows the columns of {choice.table}: name one with --profile, or leave --table out"
            )
    if not profile.tables:
        return profile, []
    shape = next((shape for shape in profile.tables if shape.fits(table.place)), profile.tables[0])
    return _with_tables(profile, [shape]), [table]


def _of_profile(profile: Profile, candidates: Candidates, found: Found) -> tuple[Profile, list[SourceTable]]:
    if profile.table is None:
        return profile, []
    files = candidates.files()
    main = _fitting(profile, profile.table, files, candidates)
    if main is None and len(files) == 1:
        (main,) = files.values()
    if main is None and candidates.unreadable:
        raise next(iter(candidates.unreadable.values()))
    if main is None:
        raise UsageError(
            f"the profile '{profile.name}' needs a table called {profile.table.name}, and {found.root} holds none:"
            " name it with --table, or load plain files with --profile files"
        )
    return _with_further(profile, main, files, candidates)


def _by_itself(candidates: Candidates, found: Found) -> tuple[Profile, list[SourceTable]]:
    files = candidates.files()
    for name, error in candidates.unreadable.items():
        if has_telling_name(name):
            raise error
    profile, known = recognise(found.archives, _columns(files))
    if known is not None:
        return _with_further(profile, _sure(profile, known, files), files, candidates)
    members = candidates.members(has_known_name)
    for name, error in candidates.unreadable.items():
        if has_telling_name(name) or isinstance(error, MemberDamaged):
            raise error
    profile, known = recognise(found.archives, _columns(members))
    return (profile, []) if known is None else _with_further(profile, _sure(profile, known, members), files, candidates)


def _with_further(
    profile: Profile, main: SourceTable, files: dict[str, SourceTable], candidates: Candidates
) -> tuple[Profile, list[SourceTable]]:
    """The other tables of the profile that are here too; those that are not are left out of it."""
    shapes, tables = [profile.tables[0]], [main]
    for shape in profile.tables[1:]:
        table = _fitting(profile, shape, files, candidates)
        if table is not None:
            shapes.append(shape)
            tables.append(table)
    return _with_tables(profile, shapes), tables


def _fitting(
    profile: Profile, shape: TableShape, files: dict[str, SourceTable], candidates: Candidates
) -> SourceTable | None:
    """The table of that name, among the files or else in an archive; better one that has its key."""
    named = {name: table for name, table in files.items() if shape.fits(name)} or candidates.members(shape.fits)
    keyed = {name: table for name, table in named.items() if shape.key in table.table.columns} or named
    return _sure(profile, the_only(profile, sorted(keyed)), keyed) if keyed else None


def _sure(profile: Profile, name: str, tables: dict[str, SourceTable]) -> SourceTable:
    """The table of that name; UsageError if its compressed twin beside it holds something else."""
    plain = name.lower().removesuffix(".gz")
    for twin in sorted(tables.keys() - {name}):
        if twin.lower().removesuffix(".gz") != plain:
            continue
        if not same_content(tables[name].table.path, tables[twin].table.path):
            raise UsageError(
                f"{name} and {twin} are called as the same table of '{profile.name}', and differ:"
                " name one with --table, or leave only one in the source"
            )
    return tables[name]


def _with_tables(profile: Profile, shapes: list[TableShape]) -> Profile:
    return replace(profile, tables=tuple(shapes))


def _columns(tables: dict[str, SourceTable]) -> dict[str, tuple[str, ...]]:
    return {name: table.table.columns for name, table in tables.items()}
