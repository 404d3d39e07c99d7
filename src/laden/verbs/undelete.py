"""`undelete`: bring back what the manifest names and is gone, or what a plan of `prune` deleted, where the service can.

Order: list, read what the load left, ask the service for each blob that is missing, list again, and hold what came
back against what it must be. A service keeps what was deleted for some days (soft delete), or as earlier versions;
where it keeps nothing, nothing comes back, and that is told. Nothing that is there is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from laden.run.loop import run as run_loop
from laden.run.run import Run
from laden.stages.acting import Target, act
from laden.stages.history import Deed
from laden.stages.inventory import Listing
from laden.stages.landed import read_proved
from laden.stages.pruning import read_plan
from laden.store import FolderDestination, parse_destination, place_of, without_secret
from laden.store.manage import Manage
from laden.store.sas import lacking_for_undelete
from laden.values.arguments import checked
from laden.values.errors import AccessDenied, ExitCode, Interrupted, UsageError
from laden.values.events import ActReady, Started, Summary, Warned
from laden.values.records import Finding, Severity
from laden.values.units import plural
from laden.verbs.begun import Doing, begun, renewal_of
from laden.verbs.opening import Opened, managed, opened
from laden.verbs.pruning import refuse_elsewhere
from laden.verbs.remembering import Word

_AT_ONCE = 32


@checked
def undelete(
    destination: str | Path, *, plan_file: str | Path | None = None, dry_run: bool = False, **doing: Unpack[Doing]
) -> Summary:
    """Bring deleted blobs back: those that the manifest names, or those of a plan that was carried out.

    Args:
        destination: as in `load`.
        plan_file: a plan of `plan_prune`; None for what the manifest names.
        dry_run: tell what is gone, and change nothing.
        doing: as `Doing` says.

    Returns:
        `acted`: blobs that are back, with the content that they had; `left`: those of which nothing was kept.

    Raises:
        LadenError: it could not be done.
    """
    destination = place_of(destination)
    if isinstance(parse_destination(destination), FolderDestination):
        raise UsageError(
            f"{destination} is a folder, which keeps nothing of what was deleted, so nothing of it can be brought back:"
            " load it again, which sends what is missing"
        )
    with begun(Summary("undelete", destination=without_secret(destination)), doing) as run:
        return run_loop(_undelete(run, destination, plan_file, doing, dry_run=dry_run))


async def _undelete(
    run: Run, destination: str, plan_file: str | Path | None, doing: Doing, *, dry_run: bool
) -> Summary:
    _take_plan(run, plan_file, destination)
    connections, renewal = doing.get("connections"), renewal_of(doing)
    async with (
        opened(run, destination, lacking_for_undelete, renewal, connections=connections) as there,
        managed(there) as manage,
    ):
        run.tell(Started("listing", without_secret(destination)))
        page = await read_proved(there.store, run.relations)
        if page is None:
            raise UsageError(f"no load was completed in {there.place}, so nobody knows what is gone")
        if plan_file is None:
            run.relations.run("INSERT INTO gone SELECT blob, size_bytes, md5 FROM known")
            run.relations.feed("gone", (document[:3] for document in page.documents))
        targets = _tell_gone(run, there)
        if dry_run:
            return run.end()
        word = Word(run, there.store, Deed("undelete", {}, "", {"wanted": len(targets)}))
        if targets:
            run.tell(Started("word"))
            await word.begin()
        back = await _bring_back(run, manage, targets)
        if targets:
            await word.end({"back": back, "wanted": len(targets)})
        if run.stopping():
            return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        run.tell(Started("verify"))
        await Listing(there.store, run.relations, run.tell).repeat()
        _judge(run, len(targets))
        if plan_file is not None and targets:
            run.tell(Warned("the manifest names again what came back as soon as the next load has ended"))
        run.note(complete=True)
        return run.end()


def _take_plan(run: Run, plan_file: str | Path | None, destination: str) -> None:
    """Fill the relation `gone` with what a plan named."""
    run.relations.run("CREATE TABLE gone (name VARCHAR, size_bytes BIGINT, md5 VARCHAR)")
    if plan_file is None:
        return
    plan = read_plan(Path(plan_file).expanduser())
    refuse_elsewhere(plan, destination)
    run.relations.feed("gone", ((one.blob, one.size_bytes, one.md5) for one in plan.going))


def _tell_gone(run: Run, there: Opened) -> list[Target]:
    """What of `gone` is not there, and that it would come back."""
    run.relations.run("DELETE FROM gone WHERE name IN (SELECT name FROM blobs)")
    targets = [
        Target(name, "", size_bytes)
        for name, size_bytes in run.relations.stream("SELECT name, size_bytes FROM gone ORDER BY name")
    ]
    (images,) = run.relations.one("SELECT count(*) FROM known")
    run.note(images=images)
    run.tell(
        ActReady(
            action="undelete",
            sentence=f"{plural(len(targets), 'blob')} would come back to {there.place}, where they were kept",
            blobs=len(targets),
            bytes=sum(target.size_bytes for target in targets),
            of=images,
            examples=tuple(target.name for target in targets[:3]),
        )
    )
    return targets


async def _bring_back(run: Run, manage: Manage, targets: list[Target]) -> int:
    """Ask for each; returns how many the service brought back."""
    run.tell(Started("acting"))
    run.meter.begin(len(targets), sum(target.size_bytes for target in targets))

    async def work(target: Target) -> None:
        await manage.undelete(target.name)

    back = 0
    async for acted in act(work, targets, at_once=_AT_ONCE, stopping=run.stopping):
        run.meter.step(acted.target.size_bytes)
        back += acted.outcome == "done"
        if isinstance(acted.error, AccessDenied):
            raise acted.error
        if acted.outcome in ("failed", "unknown") and not isinstance(acted.error, Interrupted):
            run.add([Finding("blob-left", Severity.ERROR, str(acted.error), blob=acted.target.name)])
    run.meter.tell(last=True)
    return back


def _judge(run: Run, wanted: int) -> None:
    """What came back as it was, and what did not."""
    left = 0
    for name, there in run.relations.stream(
        "SELECT g.name, b.name IS NOT NULL FROM gone g LEFT JOIN blobs b ON b.name = g.name"
        " WHERE b.name IS NULL OR b.size_bytes <> g.size_bytes OR b.md5 IS DISTINCT FROM g.md5 ORDER BY g.name"
    ):
        left += 1
        if there:
            message = "what came back has other content than it had: load it again with --overwrite changed"
        else:
            message = (
                "nothing of it was kept here (soft delete and versions are off, or its time is over): load it again"
            )
        run.add([Finding("undelete-gone", Severity.ERROR, message, blob=name)])
    run.note(acted=wanted - left, left=left)
