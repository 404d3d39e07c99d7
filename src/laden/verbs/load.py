"""`load`: survey the source, list the container, plan, transfer, list again, compare, land table and manifest.

It keeps no state: run again, it sees what is there and sends the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

from laden.dataset.images import Level, Phi
from laden.report import Reporter
from laden.run.deadline import Deadline
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.receipts import Receipts
from laden.run.run import Run, never, running
from laden.stages.engine import Job, move, workers_for
from laden.stages.history import Deed
from laden.stages.inventory import Listing, is_listed, read_documents
from laden.stages.manifest import LOAD, Document
from laden.stages.plan import Plan
from laden.stages.proof import doubt_documents, oddities
from laden.stages.publish import Landing, Publisher
from laden.stages.survey import Choice, Survey, survey
from laden.stages.transfer import Settings
from laden.store import FolderDestination, without_secret
from laden.store.access import Ask, Renewal
from laden.store.cap import Cap, parse_cap
from laden.store.sas import lacking_for_load
from laden.store.slips import swapped
from laden.values.errors import AccessEnded, ExitCode, UsageError
from laden.values.events import Observer, PlanReady, Started, Summary, ignore
from laden.values.share import Share
from laden.verbs.asked import (
    Choosing,
    Paths,
    choice_of,
    level_of,
    one_of,
    path_of,
    paths,
    phi_of,
    refuse_same,
    refuse_secrets,
    share_of,
    shown,
)
from laden.verbs.concluding import conclude, lost_before, proved
from laden.verbs.identity import look_for_identity, recall_identity, refuse_unlooked
from laden.verbs.opening import Opened, opened
from laden.verbs.planning import nothing_here, planned
from laden.verbs.remembering import asked_of, counts_of, record


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a person asked of a load, beyond source and destination."""

    choice: Choice
    settings: Settings
    compare_all: bool
    send_strays: bool
    connections: int | None
    cap: Cap | None
    workers: int | None
    share: Share | None
    dry_run: bool
    renewal: Renewal
    confirm: Callable[[PlanReady], bool]
    asked: dict[str, Any]
    """For the history."""


def load(
    source: Paths,
    destination: str,
    *,
    overwrite: Literal["never", "changed"] = "never",
    compare: Literal["auto", "all"] = "auto",
    strays: Literal["skip", "send"] = "skip",
    damaged: Literal["send", "skip"] = "send",
    images: Level = "structure",
    phi: Phi = "warn",
    connections: int | None = None,
    limit: str | None = None,
    workers: int | None = None,
    share: str | None = None,
    dry_run: bool = False,
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    log_file: str | Path | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
    confirm: Callable[[PlanReady], bool] = lambda _: True,
    stopping: Callable[[], bool] = never,
    **asked: Unpack[Choosing],
) -> Summary:
    """Load a dataset into a container or folder, verified; run it again to finish what was interrupted.

    Args:
        source: a folder of archives and a table, an extracted tree, or named files.
        destination: URL of a container or a prefix in it, or a folder.
        overwrite: what to do with a blob of other content: leave it and list it, or replace it.
        compare: when an image that is there is read at the source and compared by MD5: where CRC-32, size and time do
            not tell that it is the same, or always; then tables and copied files are read back too.
        strays: whether images without a row are sent.
        damaged: whether images that are broken inside, though whole as members, are sent as they are.
        images: how closely each image is looked at as it passes: not at all, its structure, or every pixel decoded.
        phi: what becomes of images whose header may say who a person is: they are told, told and not sent, or nobody
            looks.
        connections: requests in flight at most; None to find out what the link bears.
        limit: bytes a second that are sent at most, as in `"20M"`; by time of day, as in `"08:00-18:00=5M,20M"`.
        workers: processes that send; None to decide by the number and size of the images.
        share: only this part of it, as in `"2/5"`, or `"auto"` where a scheduler tells; lands no table and no
            manifest, which the load of all does once its shares are there.
        dry_run: plan only; nothing is written anywhere but to `findings_file`.
        findings_file: CSV file for all findings; None writes none.
        report_file: HTML file to show what was loaded, also where the load fails or is stopped; None writes none.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        sas_command: a program that prints a SAS for the destination; run without a shell before the last one ends,
            when one is refused, and at first where there is none.
        ask_sas: asked for another SAS when one is not accepted any more, with the reason and a function that tells
            whether the answer is no longer wanted; called from a thread; an empty answer gives up.
        observer: called with each event, in order; the last is the summary that is also returned.
        confirm: asked once the plan is known; False ends the run before anything is written.
        stopping: asked often; once true, what is in flight ends and the run stops.
        asked: what of the source, as `Choosing` says: `table`, `profile`, `archives`, `layout`, `where`,
            `images_file`, `sample`, `by`, `seed`, `first`, `table_name`, `trust`, `exclude`, `include`,
            `follow_links`, `names`.

    Returns:
        How it ended; `exit_code` says whether findings need a person.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    refuse_same(report_file, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    reporter = Reporter(None if dry_run else path_of(report_file), log.observe)
    deadline = Deadline(reporter.observe)
    with (
        log,
        reporter,
        running(
            Summary("load", source=shown(source), destination=without_secret(destination)),
            deadline,
            findings_file=path_of(findings_file),
            stopping=stopping,
            conclude=reporter.conclude,
        ) as run,
    ):
        settings = Settings(
            images=level_of(images),
            send_broken=one_of("damaged", damaged, ("send", "skip")) == "send",
            replace_other=one_of("overwrite", overwrite, ("never", "changed")) == "changed",
            phi=phi_of(phi),
        )
        refuse_unlooked(settings.phi, settings.images)
        wishes = _Wishes(
            choice_of(asked),
            settings,
            one_of("compare", compare, ("auto", "all")) == "all",
            one_of("strays", strays, ("skip", "send")) == "send",
            connections,
            None if limit is None else parse_cap(limit),
            workers,
            share_of(share),
            dry_run,
            Renewal(sas_command, ask_sas),
            confirm,
            asked_of(
                asked,
                overwrite=(overwrite, "never"),
                compare=(compare, "auto"),
                strays=(strays, "skip"),
                damaged=(damaged, "send"),
                images=(images, "structure"),
                phi=(phi, "warn"),
            ),
        )
        return run_loop(_load(run, paths(source), destination, wishes, reporter, deadline))


async def _load(
    run: Run, sources: list[Path], destination: str, wishes: _Wishes, reporter: Reporter, deadline: Deadline
) -> Summary:
    refuse_secrets(layout=wishes.choice.layout, table_name=wishes.choice.selection.table_name)
    if sentence := swapped(sources, destination):
        raise UsageError(sentence)
    sending = _Sending(run)
    async with opened(
        run,
        destination,
        lacking_for_load,
        wishes.renewal,
        connections=wishes.connections,
        cap=wishes.cap,
        stopping=sending.stopping,
    ) as there:
        deadline.ends_s = there.access.ends_s
        _refuse_share(wishes, there)
        run.tell(Started("listing", without_secret(destination)))
        listing = Listing(there.store, run.relations, run.tell)
        await listing.begin()
        surveyed = survey(sources, wishes.choice, run.relations, run.log, run.tell, charts=reporter.wanted)
        reporter.look_at_source(surveyed.profile, surveyed.root, [one.table for one in surveyed.tables], run.relations)
        await listing.finish()
        await listing.know()
        documents = await read_documents(there.store, run.relations)
        run.add(await listing.doubt(documents))
        earlier = documents or ()
        run.add(oddities(run.relations, earlier))
        if wishes.compare_all:
            run.add(await doubt_documents(there.store, run.relations, earlier))
        _refuse_inside(there, surveyed.root)
        landings = _landings(surveyed, wishes.choice)
        plan, ready = _planned(run, surveyed, there, wishes, landings, earlier)
        recall_identity(run, wishes.settings.phi)
        unlooked = wishes.dry_run or wishes.settings.images == "none"
        look_for_identity(run, surveyed.root, wishes.settings.phi, alone=unlooked)
        if wishes.dry_run or not _agreed(run, surveyed, ready, wishes):
            run.add(lost_before(run, surveyed, landings, earlier))
            return run.end() if wishes.dry_run else run.end(ExitCode.INTERRUPTED, "nothing was sent, as you said")
        if listing.absent:
            await there.store.create()
        asked = wishes.settings
        publisher = Publisher(
            there.store, run.relations, replace_other=asked.replace_other, earlier=earlier, phi=asked.phi
        )
        publisher.begin(landings)
        await _withdraw(run, ready, wishes, publisher, surveyed)
        if ready.to_settle:
            with sending:
                await _transfer(run, plan, ready, surveyed, there, wishes)
        outcomes = run.outcomes()
        if run.stopping() and outcomes.unfinished:
            return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        if outcomes.unlisted:
            run.tell(Started("verify"))
            await listing.repeat()
        if (broken := proved(run, surveyed)) is not None:
            return broken
        return await _ended(run, ready, surveyed, landings, publisher, wishes, there)


async def _ended(
    run: Run,
    ready: PlanReady,
    surveyed: Survey,
    landings: Sequence[Landing],
    publisher: Publisher,
    wishes: _Wishes,
    there: Opened,
) -> Summary:
    """What comes when all is proved: of a share nothing more, of a whole load its table, manifest and record."""
    if ready.share:
        run.note(share=ready.share)
        return run.end()
    await conclude(run, surveyed, landings, publisher, wishes.settings.images)
    await record(run, there.store, Deed("load", wishes.asked, surveyed.root.name, counts_of(run)))
    run.note(complete=True)
    return run.end()


def _planned(
    run: Run,
    surveyed: Survey,
    there: Opened,
    wishes: _Wishes,
    landings: Sequence[Landing],
    earlier: Sequence[Document],
) -> tuple[Plan, PlanReady]:
    return planned(
        run,
        surveyed,
        send_strays=wishes.send_strays,
        replace_other=wishes.settings.replace_other,
        compare_all=wishes.compare_all,
        # A service keeps the MD5 that it checked with the bytes; in a folder, anybody may write beside laden's notes.
        read_back=wishes.compare_all and isinstance(there.target, FolderDestination),
        selected_as=landings[0].subset if landings and landings[0].selection else None,
        documents=[*(landing.subset for landing in landings), *(document.name for document in earlier)],
        target=there.target,
        share=wishes.share,
    )


def _agreed(run: Run, surveyed: Survey, ready: PlanReady, wishes: _Wishes) -> bool:
    """Whether a person wants what is planned."""
    if not ready.images and not ready.share:
        raise nothing_here(run, surveyed)
    return run.answered(wishes.confirm, ready)


class _Sending:
    """Whether to stop, asked while images are being sent; table and manifest of a finished load are not held back."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._now = False

    def stopping(self) -> bool:
        return self._now and self._run.stopping()

    def __enter__(self) -> None:
        self._now = True

    def __exit__(self, *_: object) -> None:
        self._now = False


def _refuse_inside(there: Opened, root: Path) -> None:
    """Refuse a destination folder within the source: the next load would take it for data."""
    target = there.target
    if isinstance(target, FolderDestination) and target.path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"the destination {target.path} lies in the source {root}: choose a folder outside of it")


def _landings(surveyed: Survey, choice: Choice) -> list[Landing]:
    """The tables that are to land: as far as images are there, or only their selected rows."""
    selection = choice.selection
    steps = surveyed.steps if selection.lands_alone else ()
    names = [placed.shape.subset for placed in surveyed.tables]
    names[:1] = [selection.table_name or name for name in names[:1]]
    return [
        Landing(placed.table, placed.shape, name, placed.rows, steps)
        for placed, name in zip(surveyed.tables, names, strict=True)
    ]


async def _withdraw(run: Run, ready: PlanReady, wishes: _Wishes, publisher: Publisher, surveyed: Survey) -> None:
    """Say, before a blob may be replaced, that an earlier manifest does not hold for now."""
    may_replace = ready.replace or (ready.compare and wishes.settings.replace_other)
    if may_replace and is_listed(run.relations, LOAD):
        await publisher.withdraw(surveyed.profile)


async def _transfer(run: Run, plan: Plan, ready: PlanReady, surveyed: Survey, there: Opened, wishes: _Wishes) -> None:
    run.tell(Started("transfer"))
    moving = move(
        Job(str(surveyed.root), there.target, wishes.connections, wishes.settings, wishes.cap),
        plan.items(),
        there.store,
        workers=wishes.workers or workers_for(ready.to_settle, ready.bytes_to_send),
        on_retry=run.meter.retried,
        on_limit=run.meter.limited,
        stopping=run.stopping,
        sas=there.access.source,
    )
    try:
        with Receipts(run, wishes.settings.phi) as settled:
            async for receipt in moving:
                settled.add(receipt)
    except AccessEnded as error:
        # Asked to stop while it waited for another credential: that is how the run ends.
        if not run.stopping():
            remedy = there.access.remedy
            raise AccessEnded(f"{error}. {run.standing()}, and the same command with {remedy} goes on") from None


def _refuse_share(wishes: _Wishes, there: Opened) -> None:
    """Refuse what several machines cannot do at once."""
    if wishes.share is None:
        return
    if isinstance(there.target, FolderDestination):
        raise UsageError("a share of a load goes to a container: a folder's notes have one writer")
    if wishes.settings.replace_other:
        raise UsageError("--share only creates: run --overwrite changed on one machine, without --share")
