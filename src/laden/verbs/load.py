"""`load`: survey the source, list the container, plan, transfer, list again, compare, land table and manifest.

It keeps no state: run again, it sees what is there and sends the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laden.dataset.images import Level
from laden.dataset.selection import Selection
from laden.dataset.source import Reader
from laden.relations import Relations
from laden.report import Reporter
from laden.run.deadline import Deadline
from laden.run.findings import FindingLog
from laden.run.loop import run
from laden.run.tally import Receipts, Tally
from laden.stages.consistency import contradictions
from laden.stages.engine import Job, move, workers_for
from laden.stages.inventory import Listing, is_listed, read_documents, read_known
from laden.stages.manifest import LOAD
from laden.stages.plan import Plan
from laden.stages.proof import confirm
from laden.stages.publish import Landing, Publisher
from laden.stages.survey import Choice, Survey, survey
from laden.stages.transfer import Settings
from laden.store import Destination, FolderDestination, Store, open_store, parse_destination, without_secret
from laden.store.access import Access, Ask, Renewal
from laden.store.sas import lacking_for_load
from laden.values.errors import AccessEnded, ExitCode, SourceError, UsageError
from laden.values.events import Observer, PlanReady, Started, Summary, ignore
from laden.verbs.runs import Paths, begun, bits_of, level_of, path_of, paths, planned, read_again, shown, teller


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a person asked of a load, beyond source and destination."""

    choice: Choice
    replace_other: bool
    compare_all: bool
    send_strays: bool
    send_broken: bool
    images: Level
    connections: int | None
    workers: int | None
    dry_run: bool
    renewal: Renewal
    confirm: Callable[[PlanReady], bool]
    stopping: Callable[[], bool]


def load(
    source: Paths,
    destination: str,
    *,
    table: str | Path | None = None,
    profile: str | None = None,
    archives: str | None = None,
    layout: str | None = None,
    where: str | None = None,
    images_file: str | Path | None = None,
    sample: int | None = None,
    by: str | None = None,
    seed: int | None = None,
    first: int | None = None,
    table_name: str | None = None,
    overwrite: Literal["never", "changed"] = "never",
    compare: Literal["auto", "all"] = "auto",
    strays: Literal["skip", "send"] = "skip",
    damaged: Literal["send", "skip"] = "send",
    images: Level = "structure",
    connections: int | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    trust: Sequence[str] = (),
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
    confirm: Callable[[PlanReady], bool] = lambda _: True,
    stopping: Callable[[], bool] = lambda: False,
) -> Summary:
    """Load a dataset into a container or folder, verified; run it again to finish what was interrupted.

    Args:
        source: a folder of archives and a table, an extracted tree, or named files.
        destination: URL of a container or a prefix in it, or a folder.
        table: the label table, where it does not lie in the source.
        profile: name of a built-in profile, or path of a TOML file; by default recognised.
        archives: only these, as in `"0-11,54"`.
        layout: template of blob names, by default the profile's; `"{ImageID}"` for a flat layout.
        where: only rows for which this SQL condition is true, as in `"ImageDir = 0"`; see docs/selecting.md.
        images_file: only images whose keys stand in this file, one a line.
        sample: only so many images, drawn by chance; of them, all rows.
        by: draw values of this column instead, as in `"PatientID"`, and take all images of each.
        seed: another seed, another sample; by default 1.
        first: only the first so many images.
        table_name: what the table of the selected rows is called; by default the profile's name for a subset.
        overwrite: what to do with a blob of other content: leave it and list it, or replace it.
        compare: when an image that is there is read at the source and compared by MD5: where CRC-32, size and time do
            not tell that it is the same, or always.
        strays: whether images without a row are sent.
        damaged: whether images that are broken inside, though whole as members, are sent as they are.
        images: how closely each image is looked at as it passes: not at all, its structure, or every pixel decoded.
        connections: requests in flight at most; None to find out what the link bears.
        workers: processes that send; None to decide by the number and size of the images.
        dry_run: plan only; nothing is written anywhere but to `findings_file`.
        trust: names of files that are right, whatever a listing or checksum file of their publisher says.
        findings_file: CSV file for all findings; None writes none.
        report_file: HTML file to show what was loaded, also where the load fails or is stopped; None writes none.
        sas_command: a program that prints a SAS for the destination; run without a shell before the last one ends,
            when one is refused, and at first where there is none.
        ask_sas: asked for another SAS when one is not accepted any more, with the reason and a function that tells
            whether the answer is no longer wanted; called from a thread; an empty answer gives up.
        observer: called with each event, in order; the last is the summary that is also returned.
        confirm: asked once the plan is known; False ends the run before anything is written.
        stopping: asked often; once true, what is in flight ends and the run stops.

    Returns:
        How it ended; `exit_code` says whether findings need a person.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    reporter = Reporter(None if dry_run else path_of(report_file), observer)
    deadline = Deadline(reporter.observe)
    summary = Summary("load", source=shown(source), destination=without_secret(destination))
    with begun(summary, findings_file, reporter, deadline) as (tally, log, relations):
        selection = Selection(where, path_of(images_file), sample, by, seed, first, table_name)
        choice = Choice(path_of(table), profile, archives, layout, tuple(trust), selection)
        wishes = _Wishes(
            choice,
            overwrite == "changed",
            compare == "all",
            strays == "send",
            damaged == "send",
            level_of(images),
            connections,
            workers,
            dry_run,
            Renewal(sas_command, ask_sas),
            confirm,
            stopping,
        )
        return run(_load(paths(source), destination, wishes, tally, log, relations, reporter, deadline))


async def _load(
    sources: list[Path],
    destination: str,
    wishes: _Wishes,
    tally: Tally,
    log: FindingLog,
    relations: Relations,
    reporter: Reporter,
    observer: Deadline,
) -> Summary:
    target = parse_destination(destination)
    sending = _Sending(wishes.stopping)
    access = Access(target, lacking_for_load, wishes.renewal, tell=teller(observer), stopping=wishes.stopping)
    observer.ends_s = access.ends_s
    store = open_store(
        target,
        connections=wishes.connections,
        on_retry=tally.retry,
        stopping=sending.stopping,
        sas=access.source,
    )
    try:
        listing = Listing(store, relations)
        observer(Started("listing", without_secret(destination)))
        await listing.begin()
        surveyed = survey(sources, wishes.choice, relations, log, observer)
        reporter.look_at_source(surveyed.profile, surveyed.root, read_again(surveyed))
        await listing.finish()
        await read_known(store, relations)
        earlier = await read_documents(store, relations)
        landings = _landings(surveyed, wishes.choice.selection)
        _refuse_inside(target, surveyed.root)
        plan, ready = planned(
            relations,
            surveyed,
            tally,
            log,
            send_strays=wishes.send_strays,
            replace_other=wishes.replace_other,
            compare_all=wishes.compare_all,
            selected_as=landings[0].subset if landings and landings[0].selection else None,
            documents=[*(landing.subset for landing in landings), *(document.name for document in earlier)],
        )
        if wishes.dry_run:
            return tally.finish()
        if not ready.images and log.counts["image-ambiguous"]:
            raise SourceError(f"no row has an image in {surveyed.root} that is certainly its own: see the findings")
        if not ready.images:
            raise SourceError(
                f"no row has its image in {surveyed.root}: put the archives there, or name another folder"
            )
        if not wishes.confirm(ready):
            return tally.finish(ExitCode.INTERRUPTED, "nothing was sent, as you said")
        if listing.absent:
            await store.create()
        publisher = Publisher(store, relations, replace_other=wishes.replace_other, earlier=earlier)
        may_replace = ready.replace or (ready.compare and wishes.replace_other)
        if may_replace and is_listed(relations, LOAD):
            await publisher.withdraw(surveyed.profile)
        if tally.unfinished:
            sending.now = True
            await _transfer(plan, surveyed, store, target, wishes, access, tally, relations, observer)
            sending.now = False
        if wishes.stopping() and tally.unfinished:
            return tally.finish(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        if tally.changed_destination:
            observer(Started("verify"))
            await listing.repeat()
        return await _conclude(surveyed, landings, publisher, tally, log, relations, observer)
    finally:
        access.close()
        await store.close()


class _Sending:
    """Asks whether to stop, while images are being sent; table and manifest of a finished load are not held back."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.now = False
        self._stopping = stopping

    def stopping(self) -> bool:
        return self.now and self._stopping()


def _refuse_inside(target: Destination | FolderDestination, root: Path) -> None:
    """Refuse a destination folder within the source: the next load would take it for data."""
    if isinstance(target, FolderDestination) and target.path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"the destination {target.path} lies in the source {root}: choose a folder outside of it")


def _landings(surveyed: Survey, selection: Selection) -> list[Landing]:
    """The tables that are to land: as far as images are there, or only their selected rows."""
    steps = surveyed.steps if selection.lands_alone else ()
    names = [placed.shape.subset for placed in surveyed.tables]
    names[:1] = [selection.table_name or name for name in names[:1]]
    return [
        Landing(placed.table, placed.shape, name, placed.rows, steps)
        for placed, name in zip(surveyed.tables, names, strict=True)
    ]


async def _transfer(
    plan: Plan,
    surveyed: Survey,
    store: Store,
    target: Destination | FolderDestination,
    wishes: _Wishes,
    access: Access,
    tally: Tally,
    relations: Relations,
    observer: Observer,
) -> None:
    observer(Started("transfer"))
    settings = Settings(images=wishes.images, send_broken=wishes.send_broken, replace_other=wishes.replace_other)
    job = Job(str(surveyed.root), target, wishes.connections, settings)
    workers = wishes.workers or workers_for(*tally.to_settle)
    moving = move(
        job,
        plan.items(),
        store,
        workers=workers,
        on_retry=tally.retry,
        stopping=wishes.stopping,
        sas=access.source,
    )
    settled = Receipts(tally, relations)
    try:
        async for receipt in moving:
            settled.add(receipt)
    except AccessEnded as error:
        # Asked to stop while it waited for another credential: that is how the run ends.
        if not wishes.stopping():
            raise AccessEnded(
                f"{error}. {tally.standing()}, and the same command with {access.remedy} goes on"
            ) from None
    finally:
        settled.close()


async def _conclude(
    surveyed: Survey,
    landings: Sequence[Landing],
    publisher: Publisher,
    tally: Tally,
    log: FindingLog,
    relations: Relations,
    observer: Observer,
) -> Summary:
    """Hold the last listing against the receipts; only if all is proved, land table and manifest."""
    for finding in confirm(relations):
        tally.unproven(finding)
    if tally.failed_code:
        message = "not everything could be sent: run the same command again to send the rest"
        return tally.finish(_failed_exit(tally), message)
    observer(Started("manifest"))
    with Reader(str(surveyed.root)) as reader:
        for finding in await publisher.publish(surveyed.profile, landings, surveyed.sidecars, reader):
            log.add(finding)
    for finding in contradictions(relations, "loaded", bits_of(surveyed)):
        log.add(finding)
    tally.note(complete=True)
    return tally.finish()


def _failed_exit(tally: Tally) -> ExitCode:
    """Whose turn it is when single items failed: the destination's, or the source's."""
    at_store = tally.failed_code.startswith(("put-", "verify-"))
    return ExitCode.DESTINATION if at_store else ExitCode.SOURCE
