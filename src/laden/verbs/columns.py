"""`columns`: what the columns of a table hold: of a file, of a source's table, or of the one that a load landed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from laden.dataset.profile import Profile, known_profile, open_profile
from laden.dataset.selection import Part, Records, describe
from laden.dataset.source import find
from laden.dataset.table import Table, count
from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.inventory import Listing, read_page
from laden.stages.landed import fetch_table, refuse_without_page
from laden.stages.loadpage import LOAD
from laden.stages.survey import Choice, recognise_source
from laden.store import without_secret
from laden.store.access import Renewal
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Count, checked
from laden.values.errors import UsageError
from laden.values.events import Described, Observer, Started, Summary, ignore
from laden.values.records import TableFacts
from laden.verbs.asked import local
from laden.verbs.opening import opened
from laden.verbs.select import open_part


@checked
def columns(
    table: str | Path,
    names: Sequence[str] = (),
    *,
    profile: str | None = None,
    most: Count = 5,
    observer: Observer = ignore,
) -> TableFacts:
    """Tell what the columns of a table hold: their types, how much is NULL, the commonest values.

    Args:
        table: `.csv`, `.csv.gz`, or a zip that holds one; a folder that is a source, or a destination that was loaded
            to, for the table there.
        names: only these columns, and all of their values.
        profile: as in `laden.load`.
        most: how many of the commonest values, where no column is named.
        observer: told of them too.

    Raises:
        LadenError: the table cannot be read, there is none, or it has no such column.
    """
    with running(Summary("columns", source=without_secret(str(table))), observer) as run:
        parts, known = _parts(run, str(table), profile)
        records = Records(run.relations, parts)
        facts = describe(records, run.relations, names or None, most=None if names else most)
        run.tell(Described(known, facts, all_values=bool(names)))
        run.note(rows=facts.rows, complete=True)
        run.end()
        return facts


def _parts(run: Run, place: str, profile: str | None) -> tuple[list[Part], str]:
    """The tables at a place, and the name of the profile that declares them."""
    path = Path(place).expanduser()
    if "://" in place or (path / LOAD).is_file():
        return run_loop(_landed(run, place, profile))
    if not path.is_dir():
        part, known = open_part(local(path, "columns", "a table"), profile, run.relations.folder, run.tell)
        return [part], known
    run.tell(Started("source", place))
    found, tables = recognise_source(find([path]), Choice(profile=profile), run.relations.folder)
    if not tables:
        raise UsageError(f"{path} holds no table that laden knows: name the table itself, or a --profile")
    parts: list[Part] = []
    before = 0
    for source, shape in zip(tables, found.tables, strict=True):
        table = source.table.hold(run.relations.folder)
        table.column(shape.key)
        parts.append(Part(table, shape, before))
        before += count(table) if len(tables) > 1 else 0
    return parts, found.name


async def _landed(run: Run, destination: str, profile: str | None) -> tuple[list[Part], str]:
    """The table that the last load landed."""
    shown = without_secret(destination)
    async with opened(run, destination, lacking_for_verify, Renewal(None, None), connections=None) as there:
        run.tell(Started("listing", shown))
        await Listing(there.store, run.relations, run.tell).repeat()
        refuse_without_page(run.relations)
        page = await read_page(there.store, run.relations)
        if page is None or page.table is None:
            raise UsageError(f"no load left a table in {shown}: name the table itself")
        table: Table = await fetch_table(there.store, run.relations, page.table)
    known: Profile | None = open_profile(profile) if profile else known_profile(page.profile)
    shape = known.table if known is not None else None
    return [Part(table, shape)], known.name if known is not None and shape is not None else ""
