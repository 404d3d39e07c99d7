"""The plan as `load` and `check` draw it: the joins, their counts told, and all that a person should know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from laden.dataset.source import Elsewhere
from laden.run.deadline import assumed_s
from laden.run.receipts import looked
from laden.run.run import Run
from laden.stages.nearness import near_names
from laden.stages.plan import Plan, Written
from laden.stages.survey import Survey
from laden.store import Destination, FolderDestination
from laden.store.cap import Cap
from laden.values.errors import SourceError
from laden.values.events import PlanReady, Started, Warned
from laden.values.share import Share
from laden.values.units import size

_REFUSED = frozenset(
    {"name-refused", "member-encrypted", "member-method", "member-size", "member-overlap", "member-link", "member-kind"}
)
"""Findings of the source that keep a member from being loaded."""


def planned(
    run: Run,
    surveyed: Survey,
    *,
    send_strays: bool = False,
    replace_other: bool = False,
    own_only: bool = False,
    documents: Sequence[str] = (),
    compare_all: bool = False,
    read_back: bool = False,
    selected_as: str | None = None,
    target: Destination | FolderDestination | None = None,
    cap: Cap | None = None,
    measure: bool = False,
    share: Share | None = None,
) -> tuple[Plan, PlanReady]:
    """The plan and its counts.

    Args:
        run: its relations hold survey, listing and earlier manifest; it is told.
        surveyed: the source.
        send_strays: whether entries without a row are wanted too.
        replace_other: whether a blob with other content is replaced.
        own_only: whether only such that laden put there are.
        documents: further names that laden may write.
        compare_all: whether every image that is there is read and compared.
        read_back: whether what is there is read for that, too.
        selected_as: the name under which the first table's selected rows land, where only those do.
        target: where it goes.
        cap: what may be sent at most; None for no limit.
        measure: whether a bit of a source on another machine is read to know its pace.
        share: what of it is to be done; None for all.
    """
    run.tell(Started("plan"))
    tables = [name for placed in surveyed.tables for name in (placed.table.name, placed.shape.subset)]
    plan = Plan(
        run.relations,
        send_strays=send_strays,
        replace=replace_other,
        own_only=own_only,
        documents=[*tables, *documents, *surveyed.sidecars],
        written=_written(surveyed, selected_as),
        places=len(surveyed.profile.place_fields),
        compare_all=compare_all,
        read_back=read_back,
        share=share,
        many_rows=any(placed.shape.many for placed in surveyed.tables),
    )
    counts = plan.summary(
        profile=surveyed.profile.name,
        table=surveyed.table.name if surveyed.table else "",
        absent=surveyed.absent,
        selection=surveyed.steps,
    )
    ready = _priced(replace(counts, excluded=surveyed.excluded), target, cap)
    if not isinstance(surveyed.root, Path) and ready.to_settle:
        ready = _fetched(ready, plan, surveyed.root, measure=measure)
    run.plan(ready)
    _tell(run, plan, ready, surveyed, target)
    return plan, ready


def _tell(
    run: Run, plan: Plan, ready: PlanReady, surveyed: Survey, target: Destination | FolderDestination | None
) -> None:
    """All that a person should know of a plan."""
    if isinstance(target, FolderDestination) and ready.bytes_to_send > (free_bytes := target.free_bytes()):
        run.tell(
            Warned(f"{size(ready.bytes_to_send)} are to be sent, and {target.path} has room for {size(free_bytes)}")
        )
    if ready.missing and ready.stray and (near := near_names(run.relations)) is not None:
        run.add([near])
    run.add(plan.findings(surveyed.absent, surveyed.unreadable))
    for found in plan.found_before() if ready.already_there else ():
        run.add(looked(*found, stored=run.command == "load"))


def _priced(plan: PlanReady, target: Destination | FolderDestination | None, cap: Cap | None = None) -> PlanReady:
    """The plan with where it goes, how long that may take, and what is billed."""
    if target is None:
        return plan
    items = plan.send + plan.replace
    if isinstance(target, FolderDestination) or not items:
        return replace(plan, place=target.about)
    return replace(
        plan,
        place=target.about,
        writes=0 if target.is_local else items,
        assumed_s=assumed_s(items, plan.bytes_to_send),
        limited_s=cap.seconds(plan.bytes_to_send, datetime.now().astimezone().time()) if cap else 0.0,
    )


def _fetched(ready: PlanReady, plan: Plan, root: Elsewhere, *, measure: bool) -> PlanReady:
    """The plan with what has to come from other machines for it."""
    size_bytes, requests = root.cost(item.entry for item in plan.items())
    pace = root.pace(item.entry for item in plan.items()) if measure else 0.0
    return replace(
        ready,
        source_bytes=size_bytes,
        source_requests=requests,
        source_s=size_bytes / pace if pace else 0.0,
    )


def _written(surveyed: Survey, selected_as: str | None) -> list[Written]:
    """All that a load may write beside the images and laden's own notes."""
    written: list[Written] = []
    for number, placed in enumerate(surveyed.tables):
        subset = selected_as if selected_as and not number else placed.shape.subset
        whole = () if selected_as else (placed.table.name,)
        # A table that is called like its own subset has one name.
        written += [Written(name, f"the table {placed.table.name}") for name in dict.fromkeys((*whole, subset))]
    written += [Written(name, f"{entry.place}, which is copied as it is,") for name, entry in surveyed.sidecars.items()]
    return written


def nothing_here(run: Run, surveyed: Survey) -> SourceError:
    """Why no row has its image, in one sentence, where a plan has none to send."""
    if run.log.counts["image-ambiguous"]:
        return SourceError(f"no row has an image in {surveyed.root} that is certainly its own: see the findings")
    if (near := near_names(run.relations)) is not None:
        return SourceError(near.message)
    wanted, usable = run.relations.one("SELECT count(*), count(*) FILTER (usable) FROM rows WHERE selected")
    if not usable:
        return SourceError(f"none of the {wanted:,} rows that are wanted can be loaded: see the findings on rows")
    if surveyed.unreadable:
        names = ", ".join(surveyed.unreadable[:3])
        return SourceError(f"no row has its image in what can be read of {surveyed.root}: see the findings on {names}")
    if run.log.counts.keys() & _REFUSED:
        return SourceError(f"nothing that could be loaded is in {surveyed.root}: see the findings on its members")
    return SourceError(f"no row has its image in {surveyed.root}: put the archives there, or name another folder")


def bits_of(surveyed: Survey) -> int | None:
    """What the profile says of the depth of the dataset's images."""
    return surveyed.profile.table.bits if surveyed.profile.table else None
