"""What is at the source: fills the relations `rows`, `table_starts` and `entries` from its tables and archives.

Order: find the files, recognise the profile and the tables (`recognition`, `tables`), read the tables' records
(`rows`), then the directory of each archive that was asked for (`entries`), and take the steps of the selection
(`steps`). No image's data is read. What cannot be
read, or fits nothing, becomes a finding; only a source of which nothing at all can be read is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from laden.dataset.evidence import Trust
from laden.dataset.lock import Holding, open_lock
from laden.dataset.profile import Profile, parse_ranges
from laden.dataset.source import Found, Root, find
from laden.dataset.table import Table
from laden.relations import Relations
from laden.remote.sources import Sources
from laden.run.findings import FindingLog
from laden.stages.survey.asked import without_unknown
from laden.stages.survey.blanks import refuse_blanks
from laden.stages.survey.entries import EntryFeed, chosen_homes, complete_homes, home_of
from laden.stages.survey.recognition import Choice, recognise_source
from laden.stages.survey.rows import PlacedTable, feed_tables
from laden.stages.survey.steps import take_steps
from laden.stages.survey.tables import SourceTable, is_table, open_table
from laden.stages.survey.unchanged import Stamps, TableFile, stamps, table_stamp
from laden.values.errors import LadenError, SourceError, UsageError
from laden.values.events import Observer, Started, Warned
from laden.values.records import Entry, Finding, Severity, Step

__all__ = ["Choice", "LockUse", "PlacedTable", "Survey", "open_table", "recognise_source", "survey"]

LockUse = Literal["unused", "held", "believed"]
"""Whether a lock file counts, and whether archives that agree with it are listed from it (`laden.dataset.lock`)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found; the relations hold the rest."""

    profile: Profile
    root: Root
    tables: tuple[PlacedTable, ...]
    """As the profile's `tables`; the first is the label table. Empty for a dataset without."""
    sidecars: dict[str, Entry]
    """What is copied as it is, by the name under which it lands."""
    absent: tuple[str, ...]
    """Archives that selected rows are in, or may be, and of which nothing is here."""
    unreadable: tuple[str, ...]
    """Archives that are here and could not be opened."""
    found: Found
    """All files of the source."""
    archives: tuple[str, ...]
    """Those of its archives that were asked for."""
    steps: tuple[Step, ...] = ()
    """What each step of the selection left of the tables; empty where all of them is wanted."""
    excluded: int = 0
    """Files and members that a person left out."""
    stamps: Stamps = field(default_factory=dict)
    """What the archives were when they were listed."""
    holding: Holding | None = None
    """The lock file that it was held against, where there is one."""
    table_files: tuple[TableFile, ...] = ()
    """Where the tables were read of, as far as these are files of this machine."""

    @property
    def table(self) -> Table | None:
        """The label table."""
        return self.tables[0].table if self.tables else None


def survey(
    sources: Sequence[Path] | Sources,
    choice: Choice,
    relations: Relations,
    log: FindingLog,
    observer: Observer,
    *,
    charts: bool = False,
    lock: LockUse = "unused",
) -> Survey:
    """Look at a source.

    Args:
        sources: one folder, or named files; or those with links among them, opened.
        choice: table, profile, archives and layout, where the user gave them.
        relations: `rows`, `table_starts` and `entries` are filled.
        log: gets what is wrong with rows, archives and members.
        observer: told of each stage.
        charts: whether what a report counts of the tables is kept.
        lock: what is made of a lock file, where choice or profile names one.

    Raises:
        SourceError: nothing can be read.
        UsageError: an option does not fit, or selects no row.
    """
    observer(Started("source", ", ".join(map(str, sources))))
    found, choice, profile, tables = _recognised(sources, choice, relations, log)
    homes = chosen_homes(profile, choice.archives, found)
    trust = Trust(choice.trust)
    trust.require([*found.archives, *found.files])
    holding = _holding(found, choice.lock or profile.lock, relations, trust, lock)
    for table in tables:
        observer(Started("table", table.table.name))
    # From here on nothing reads the source's tables again: what lands is what was surveyed.
    tables, table_files = _held(tables, choice, found, relations.folder)
    placed = feed_tables(relations, log, profile, tables, homes, observer, charts=charts)
    feed = EntryFeed(found, profile, tables, trust, choice.scope, log, holding)
    before = stamps(found.root, _asked(found, profile, homes, holding, observer))
    feed.feed(relations, homes, observer)
    before = {archive: before[archive] for archive in feed.archives}
    feed.leave_out(relations)
    if tables:
        refuse_blanks(relations, log)
    _hold_against_entries(relations, tables, homes is not None or bool(feed.excluded_homes), profile)
    if relations.one("SELECT count(*) FROM rows WHERE selected")[0] == 0:
        raise _nothing_selected(choice, placed, profile, found, feed)
    choice = without_unknown(choice, profile, found, relations, log)
    steps = take_steps(choice, placed, relations, log)
    return Survey(
        profile,
        found.root,
        placed,
        feed.sidecars,
        tuple(home for home in _absent(relations, profile, found, homes) if home not in feed.excluded_homes),
        tuple(feed.unreadable),
        found,
        tuple(feed.archives),
        steps,
        feed.excluded,
        before,
        holding,
        table_files,
    )


def _recognised(
    sources: Sequence[Path] | Sources, choice: Choice, relations: Relations, log: FindingLog
) -> tuple[Found, Choice, Profile, list[SourceTable]]:
    """What is there, and what it is; and the choice, with a table that is here."""
    found, choice = _found(sources, choice, relations)
    for finding in found.findings:
        log.add(finding)
    profile, tables = recognise_source(found, choice, relations.folder)
    if not tables and choice.profile is None:
        log.add(_no_table(found))
    log.known_suspects = profile.suspects
    return found, choice, profile, tables


def _held(
    tables: list[SourceTable], choice: Choice, found: Found, folder: Path
) -> tuple[list[SourceTable], tuple[TableFile, ...]]:
    """The tables with the run's own copies of them, and the files of this machine that they were read of."""
    held: list[SourceTable] = []
    files: list[TableFile] = []
    for one in tables:
        path: Path | None = one.table.path
        if is_member := one.table.path.is_relative_to(folder):
            packed = found.root / one.archive if one.archive and isinstance(found.root, Path) else None
            path = choice.table or packed
        # What a link named lies in the folder, too.
        outside = path if path is not None and not path.is_relative_to(folder) else None
        stamp = table_stamp(outside) if outside is not None else None
        held.append(replace(one, table=one.table.hold(folder)))
        if outside is not None and stamp is not None:
            files.append(TableFile(outside, None if is_member else held[-1].table.place, stamp))
    return held, tuple(files)


def _found(sources: Sequence[Path] | Sources, choice: Choice, relations: Relations) -> tuple[Found, Choice]:
    """What is there; and the choice, whose table is on this machine now, also where a link named it."""
    if not isinstance(sources, Sources):
        return find(sources, choice.scope), choice
    found = sources.find(choice.scope, relations.folder)
    return found, replace(choice, table=sources.fetch_table(relations.folder) or choice.table)


def _holding(found: Found, path: Path | None, relations: Relations, trust: Trust, lock: LockUse) -> Holding | None:
    """The source's archives and the lock file that was named, where one counts."""
    if path is None or lock == "unused":
        return None
    opened = open_lock(path, relations)
    return Holding(opened, found.root, found.archives, believed=lock == "believed", trust=trust)


def _asked(
    found: Found, profile: Profile, homes: frozenset[str] | None, holding: Holding | None, observer: Observer
) -> list[str]:
    """The archives that were asked for; of those that have to be fetched twice, that is said before."""
    asked = [name for name in found.archives if homes is None or home_of(profile, name) in homes]
    if not isinstance(found.root, Path):
        to_list = (name for name in asked if holding is None or not holding.agrees(name))
        for sentence in filter(None, map(found.root.twice, to_list)):
            observer(Warned(sentence))
    return asked


def _hold_against_entries(relations: Relations, tables: Sequence[object], narrowed: bool, profile: Profile) -> None:
    """Without a table, what is here is wanted; where only some archives are, rows may have to be narrowed to them."""
    if not tables:
        relations.run(
            "INSERT INTO rows SELECT min(id), key, key, NULL, blob, true, true, '' FROM entries GROUP BY key, blob"
        )
    elif narrowed and not profile.places_rows:
        # Nothing but the archives themselves tells which rows are in them.
        relations.run("UPDATE rows SET selected = coalesce(key IN (SELECT key FROM entries), false)")


def _absent(relations: Relations, profile: Profile, found: Found, homes: frozenset[str] | None) -> tuple[str, ...]:
    """Archives that should be here: as the rows say, or where these do not, as the complete dataset has them."""
    here = {home_of(profile, archive) for archive in (*found.archives, *found.lost)}
    if profile.places_rows:
        wanted = relations.stream(
            "SELECT home FROM rows WHERE selected AND home IS NOT NULL AND home NOT IN"
            " (SELECT home FROM entries WHERE home IS NOT NULL) GROUP BY home ORDER BY min(row)"
        )
        return tuple(home for (home,) in wanted if home not in here)
    if profile.archive is None or not profile.expected or not any(map(profile.is_called_after, here)):
        # Nobody knows, or it is packed in another way, or unpacked.
        return ()
    return tuple(home for home in complete_homes(profile) if home not in here and (homes is None or home in homes))


def _no_table(found: Found) -> Finding:
    """That files are loaded as they are, because no table was recognised; a warning where something looks like one."""
    message = "No label table was recognised: files are loaded under their paths"
    if maybe := next(filter(is_table, found.files), None):
        try:
            Table.open(found.root / maybe)
            message += f". {maybe} looks like a table: if it names images, a profile says how; 'laden init' writes one."
        except SourceError as error:
            message += f". {maybe} may be one, but {error}."
        return Finding("table-unrecognised", Severity.WARNING, message, member=maybe)
    return Finding("table-unrecognised", Severity.INFO, message + ".")


def _nothing_selected(
    choice: Choice, tables: tuple[PlacedTable, ...], profile: Profile, found: Found, feed: EntryFeed
) -> LadenError:
    if feed.excluded:
        return UsageError(f"--exclude and --include leave nothing of {found.root} to load")
    if choice.archives is not None:
        known = f"; the dataset's archives are {', '.join(profile.expected)}" if profile.expected else ""
        if known and set(parse_ranges(choice.archives)) <= set(profile.expected):
            known = ", though the dataset has such archives: is it a part of the table?"
        where = tables[0].table.name if tables else "the source"
        return UsageError(f"--archives {choice.archives} selects no row of {where}{known}")
    if tables:
        return UsageError(f"the table {tables[0].table.path} has no rows")
    if feed.refused is not None:
        place = ": ".join(filter(None, (feed.refused.archive, feed.refused.member)))
        return SourceError(f"nothing in {found.root} can be loaded; {place}: {feed.refused.message}")
    return SourceError(f"{found.root} holds no file that could be loaded")
