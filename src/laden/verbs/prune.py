"""`prune`: a plan of what a source no longer has, written to a file; and that very plan, carried out.

The plan: list the destination, read what loads left there, survey the source as a load does; what the manifest owns
and neither source nor any table names is written down, with the ETag that was listed. Nothing is changed.

Carrying it out (`pruning`) is another command, which takes the file and nothing else.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Unpack

from laden._version import VERSION
from laden.dataset.profile import Profile
from laden.dataset.selection import Selection
from laden.remote.sources import Sources
from laden.run.loop import run as run_loop
from laden.run.run import Run
from laden.stages.acting import told_undo
from laden.stages.landed import refuse_lost
from laden.stages.loadpage import COMPLETE
from laden.stages.pruning import (
    PLAN_START,
    About,
    Going,
    find_superfluous,
    going,
    keep,
    keep_other_layouts,
    read_plan,
    write_plan,
)
from laden.stages.survey import Choice, survey
from laden.store import FolderDestination, named_fully, place_of, without_secret
from laden.store.manage import Undo
from laden.store.sas import lacking_for_prune, lacking_for_verify
from laden.values.arguments import Count, checked
from laden.values.commands import command
from laden.values.errors import SourceError, UsageError
from laden.values.events import ActReady, Started, Summary, Warned
from laden.values.ownfiles import begins, placed, refuse
from laden.values.records import Finding, Severity
from laden.values.room import writing_to
from laden.values.units import amount, plural
from laden.verbs.asked import Choosing, Paths, choice_of
from laden.verbs.begun import Doing, begun, renewal_of
from laden.verbs.chosen import pick, read_loaded, rows_of
from laden.verbs.opening import Opened, managed, opened
from laden.verbs.pruning import carry_out, needed, refuse_elsewhere
from laden.verbs.sources import begin, shown_sources, sources_of
from laden.verbs.wholeness import not_whole

_EXAMPLES = 3


class Whole(Doing, total=False):
    """How a source is read, by keyword, as in `laden.load`; nothing that would leave a part of it out."""

    table: str | Path | None
    profile: str | None
    layout: str | None
    follow_links: bool
    names: str | None


@checked
def plan_prune(
    destination: str | Path, source: Paths, *, plan_file: str | Path, dry_run: bool = False, **doing: Unpack[Whole]
) -> Summary:
    """Write down what would go from a destination: images of its manifest that nothing names any more.

    Args:
        destination: as in `load`.
        source: as in `load`; all that the destination should hold, whole.
        plan_file: where the plan goes; an earlier plan there is replaced.
        dry_run: tell what would go, and write no plan.
        doing: as `Whole` and `Doing` say. One event is `ActReady`, with the counts.

    Returns:
        `images` in the manifest; `complete` says that the plan was made.

    Raises:
        LadenError: the destination or the source cannot be read, or the source was not seen whole.
    """
    destination = place_of(destination)
    path = Path(plan_file).expanduser()
    if not dry_run:
        refuse(path, begins(PLAN_START), "plan", "--plan")
    asked: Choosing = {
        "table": doing.get("table"),
        "profile": doing.get("profile"),
        "layout": doing.get("layout"),
        "follow_links": doing.get("follow_links", False),
        "names": doing.get("names"),
    }
    summary = Summary("prune", source=shown_sources(source), destination=without_secret(destination))
    with (
        sources_of(source, asked["table"], None, lambda: False) as sources,
        begun(summary, doing) as run,
    ):
        begin(run, sources)
        return run_loop(_plan(run, sources, destination, choice_of(asked), None if dry_run else path, doing))


@checked
def prune(
    plan_file: str | Path,
    *,
    destination: str | Path | None = None,
    most: Count | None = None,
    without_undo: bool = False,
    dry_run: bool = False,
    **doing: Unpack[Doing],
) -> Summary:
    """Carry out a plan of `plan_prune`, exactly; run again to finish what was interrupted.

    Args:
        plan_file: the plan, as it was written, not older than a day.
        destination: the plan's, where its address needs a SAS in it; by default the plan says it.
        most: blobs that may go; by default 1,000, and 1 % of the manifest's images.
        without_undo: whether blobs may go that cannot be brought back, as far as is known.
        dry_run: see that it can be done, and do nothing.
        doing: as `Doing` says.

    Returns:
        `acted`: blobs that were deleted; `left`: those that had changed, or that the service kept.

    Raises:
        LadenError: it could not be done; where it is refused, nothing was changed.
    """
    plan = read_plan(Path(plan_file).expanduser())
    refuse_elsewhere(plan, destination := place_of(destination) if destination else None)
    place = destination or plan.about.destination

    async def work(run: Run) -> Summary:
        connections, renewal = doing.get("connections"), renewal_of(doing)
        async with (
            opened(run, place, lacking_for_prune, renewal, connections=connections, stopping=run.stopping) as there,
            managed(there) as manage,
        ):
            return await carry_out(run, there, manage, plan, most=most, without_undo=without_undo, dry_run=dry_run)

    with begun(Summary("prune", destination=without_secret(place)), doing) as run:
        return run_loop(work(run))


async def _plan(
    run: Run, sources: Sources, destination: str, choice: Choice, path: Path | None, doing: Doing
) -> Summary:
    async with opened(
        run, destination, lacking_for_verify, renewal_of(doing), connections=doing.get("connections")
    ) as there:
        run.tell(Started("listing", without_secret(destination)))
        await _read(run, there, choice.profile)
        surveyed = survey(sources, choice, run.relations, run.log, run.tell)
        if why := not_whole(run, surveyed, choice):
            raise SourceError(
                f"the source was not seen whole: {why}; what it does not show may be there all the same, so nothing is"
                " planned"
            )
        run.tell(Started("plan"))
        (images,) = run.relations.one("SELECT count(*) FROM known")
        found = _superfluous(run, there, surveyed.profile, images)
        about = About(
            named_fully(destination),
            ", ".join(sources),
            int(time.time()),
            _page_md5(run),
            images,
            len(found),
            sum(one.size_bytes for one in found),
            surveyed.profile.name,
            VERSION,
        )
        async with managed(there) as manage:
            undo = await manage.undo()
        run.tell(_ready(there, about, found, undo))
        run.note(images=images, complete=path is not None)
        if path is not None:
            _write(path, about, found)
            options = needed(about, undo)
            if found and options:
                run.tell(Warned(f"to carry it out, say so: {command('prune', '--apply', path, *options)}"))
        return run.end()


def _superfluous(run: Run, there: Opened, profile: Profile, images: int) -> list[Going]:
    """What would go of so many images; what stays for another reason than the source is told."""
    count = find_superfluous(run.relations)
    if images and count == images:
        raise UsageError(
            f"the source names none of the {images:,} images in {there.place}: it is the source of something else"
        )
    run.add(_kept(keep(run.relations, "links"), "a table that landed still names", "load --update lands the new one"))
    strange = keep_other_layouts(run.relations, profile)
    run.add(_kept(strange, "this dataset gives no such names to", "they are of another load; name its source"))
    found, changed = going(run.relations)
    run.add(_kept(changed, "somebody changed since they were loaded", "see laden verify"))
    return found


async def _read(run: Run, there: Opened, profile: str | None) -> None:
    """List, bring in manifest and tables of a completed load, and fill `links` with what these name.

    Raises:
        UsageError: there is none, or a table in it that nobody can read.
        NotAsLanded: manifest or table are gone, or not the load's.
    """
    loaded = await read_loaded(run, there.store, profile, tables=True)
    if loaded.page is None or loaded.page.state != COMPLETE:
        raise UsageError(f"no load was completed in {there.place}: load it first, to its end")
    refuse_lost(run.relations, loaded.lost)
    pick(run, loaded, Selection())
    for landed in loaded.tables:
        if not len(rows_of(run.relations, landed, "SELECT row FROM links WHERE blob IS NOT NULL")):
            raise UsageError(
                f"nobody knows which images the table {landed.name} in {there.place} names: give the TOML file of its"
                " profile with --profile"
            )


def _page_md5(run: Run) -> str:
    """MD5 of the page about the load, as it was listed."""
    (md5,) = run.relations.one("SELECT coalesce(any_value(md5), '') FROM blobs WHERE name = '_laden/load.json'")
    return str(md5)


def _kept(count: int, what: str, todo: str) -> list[Finding]:
    if not count:
        return []
    return [Finding("prune-kept", Severity.INFO, f"{plural(count, 'image')} stay, which {what}: {todo}")]


def _ready(there: Opened, about: About, found: list[Going], undo: Undo) -> ActReady:
    gone = sum(1 for one in found if not one.etag)
    sentence = f"{plural(about.blobs, 'image')} would go from {there.place}"
    sentence += f", of which {amount(gone)} are gone already" if gone else ""
    return ActReady(
        action="delete",
        sentence=sentence,
        blobs=about.blobs,
        bytes=about.bytes,
        of=about.images,
        undo=told_undo(undo, folder=isinstance(there.target, FolderDestination)) if found else "",
        examples=tuple(one.blob for one in found[:_EXAMPLES]),
    )


def _write(path: Path, about: About, found: list[Going]) -> None:
    with writing_to(path, "plan", "--plan"), placed(path, begins(PLAN_START)) as file:
        write_plan(about, found, file)
