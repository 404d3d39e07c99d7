"""`load`: survey the source, list the container, plan, transfer, list again, compare, land table and manifest.

It keeps no state: run again, it sees what is there and sends the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Unpack

from laden.dataset.images import Level, Phi
from laden.dataset.selection import Part
from laden.dataset.source import Reader
from laden.report import Reporter
from laden.run.deadline import Deadline
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.receipts import Receipts
from laden.run.run import Run, never, running
from laden.stages.consistency import contradictions, not_looked_into
from laden.stages.costs import of_tier
from laden.stages.engine import Job, move, workers_for
from laden.stages.inventory import Listing, is_listed, read_documents, read_known
from laden.stages.manifest import LOAD, Document, losses
from laden.stages.plan import Plan
from laden.stages.proof import confirm
from laden.stages.properties import Values, Wishes, wishes_of
from laden.stages.publish import Landing, Publisher
from laden.stages.survey import Choice, Survey, survey
from laden.stages.survey.unchanged import changed
from laden.stages.transfer import Settings
from laden.store import FolderDestination, without_secret
from laden.store.access import Ask, Renewal
from laden.store.cap import Cap, parse_cap
from laden.store.sas import lacking_for_load, lacking_for_tags
from laden.store.slips import swapped
from laden.values.errors import AccessEnded, ExitCode, UsageError
from laden.values.events import Observer, PlanReady, Started, Summary, Warned, ignore
from laden.values.records import Item
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
    shown,
)
from laden.verbs.identity import look_for_identity, refuse_unlooked
from laden.verbs.opening import Opened, opened
from laden.verbs.planning import bits_of, nothing_here, planned, read_again
from laden.verbs.wholeness import not_whole


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
    dry_run: bool
    update: bool
    properties: Wishes
    renewal: Renewal
    confirm: Callable[[PlanReady], bool]

    @property
    def overwrites(self) -> bool:
        """Whether also what others put there gives way."""
        return self.settings.replace_other and not self.update


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
    dry_run: bool = False,
    update: bool = False,
    tier: str | None = None,
    tags: Sequence[str] = (),
    metadata: Sequence[str] = (),
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
            not tell that it is the same, or always.
        strays: whether images without a row are sent.
        damaged: whether images that are broken inside, though whole as members, are sent as they are.
        images: how closely each image is looked at as it passes: not at all, its structure, or every pixel decoded.
        phi: what becomes of images whose header may say who a person is: they are told, told and not sent, or nobody
            looks.
        connections: requests in flight at most; None to find out what the link bears.
        limit: bytes a second that are sent at most, as in `"20M"`; by time of day, as in `"08:00-18:00=5M,20M"`.
        workers: processes that send; None to decide by the number and size of the images.
        dry_run: plan only; nothing is written anywhere but to `findings_file`.
        update: also replace images of earlier loads that have other content at the source now, and tell what the
            source no longer has. What others put there stays, and nothing is deleted.
        tier: access tier of the images that are sent: `Hot`, `Cool`, `Cold` or `Archive`; None for the account's.
        tags: index tags of them, as in `"projection={Projection}"`: a name, and a text with columns of the table.
        metadata: the same for metadata.
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
        running(
            Summary("load", source=shown(source), destination=without_secret(destination)),
            deadline,
            findings_file=path_of(findings_file),
            stopping=stopping,
            conclude=reporter.conclude,
        ) as run,
    ):
        if update and overwrite != "never":
            raise UsageError(
                "--update replaces what laden put there, --overwrite changed what others did too: give one"
            )
        properties = wishes_of(tier, tags, metadata)
        settings = Settings(
            images=level_of(images),
            send_broken=one_of("damaged", damaged, ("send", "skip")) == "send",
            replace_other=update or one_of("overwrite", overwrite, ("never", "changed")) == "changed",
            phi=phi_of(phi),
            tier=properties.tier,
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
            dry_run,
            update,
            properties,
            Renewal(sas_command, ask_sas),
            confirm,
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
        lacking_for_tags if wishes.properties.tags else lacking_for_load,
        wishes.renewal,
        connections=wishes.connections,
        cap=wishes.cap,
        stopping=sending.stopping,
    ) as there:
        deadline.ends_s = there.access.ends_s
        run.tell(Started("listing", without_secret(destination)))
        listing = Listing(there.store, run.relations, run.tell)
        await listing.begin()
        surveyed = survey(sources, wishes.choice, run.relations, run.log, run.tell)
        unseen = not_whole(run, surveyed, wishes.choice)
        reporter.look_at_source(surveyed.profile, surveyed.root, read_again(surveyed))
        await listing.finish()
        await read_known(there.store, run.relations)
        earlier = await read_documents(there.store, run.relations)
        run.add(await listing.doubt(earlier))
        _refuse_inside(there, surveyed.root)
        values = _values(run, surveyed, there, wishes.properties)
        landings = _landings(surveyed, wishes.choice)
        plan, ready = _planned(run, surveyed, there, wishes, landings, earlier)
        if wishes.update:
            _tell_no_longer(run, plan, unseen)
        unlooked = wishes.dry_run or wishes.settings.images == "none"
        look_for_identity(run, surveyed.root, wishes.settings.phi, alone=unlooked)
        if wishes.dry_run:
            return run.end()
        if not ready.images:
            raise nothing_here(run, surveyed)
        if not wishes.confirm(ready):
            return run.end(ExitCode.INTERRUPTED, "nothing was sent, as you said")
        if listing.absent:
            await there.store.create()
        publisher = Publisher(
            there.store, run.relations, replace_other=wishes.overwrites, update=wishes.update, earlier=earlier
        )
        await _withdraw(run, ready, wishes, publisher, surveyed)
        if ready.to_settle:
            with sending:
                await _transfer(run, values.attach(plan.items()), ready, surveyed, there, wishes)
        outcomes = run.outcomes()
        if run.stopping() and outcomes.unfinished:
            return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        if outcomes.unlisted:
            run.tell(Started("verify"))
            await listing.repeat()
        return await _conclude(run, surveyed, landings, publisher, wishes.settings.images)


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
        own_only=wishes.update,
        compare_all=wishes.compare_all,
        # A service keeps the MD5 that it checked with the bytes; in a folder, anybody may write beside laden's notes.
        read_back=wishes.compare_all and isinstance(there.target, FolderDestination),
        selected_as=landings[0].subset if landings and landings[0].selection else None,
        documents=[*(landing.subset for landing in landings), *(document.name for document in earlier)],
        target=there.target,
    )


def _tell_no_longer(run: Run, plan: Plan, unseen: str) -> None:
    """Tell what the source no longer has; of one that was not seen whole, nobody knows."""
    if unseen:
        run.tell(Warned(f"what the source no longer has is not told, for it was not seen whole: {unseen}"))
    else:
        run.add(plan.no_longer())


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


def _values(run: Run, surveyed: Survey, there: Opened, wishes: Wishes) -> Values:
    """What each image is told; with what a tier costs, before anything is sent."""
    if isinstance(there.target, FolderDestination) and (wishes.tier or wishes.tags):
        raise UsageError("--tier and --tag are for a container: a folder has neither")
    for sentence in of_tier(wishes.tier):
        run.tell(Warned(sentence))
    parts = [Part(placed.table, placed.shape, placed.rows.start - 1) for placed in surveyed.tables]
    values = Values(run.relations, wishes, parts, "rows")
    run.add(values.findings())
    return values


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


async def _transfer(
    run: Run, items: Iterable[Item], ready: PlanReady, surveyed: Survey, there: Opened, wishes: _Wishes
) -> None:
    run.tell(Started("transfer"))
    moving = move(
        Job(str(surveyed.root), there.target, wishes.connections, wishes.settings, wishes.cap),
        items,
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


async def _conclude(
    run: Run, surveyed: Survey, landings: Sequence[Landing], publisher: Publisher, level: Level
) -> Summary:
    """Hold source and last listing against what was sent; only if all is proved, land table and manifest."""
    before = run.log.counts.total()
    run.add(changed(run.relations, surveyed.root, surveyed.stamps))
    if run.log.counts.total() > before:
        return run.end(ExitCode.SOURCE, "the source changed while it was loaded: run the same command again")
    run.add(confirm(run.relations))
    at_store = any(code.startswith(_AT_STORE) for code in run.log.counts)
    if at_store or run.outcomes().failed:
        message = "not everything could be sent: run the same command again to send the rest"
        return run.end(ExitCode.DESTINATION if at_store else ExitCode.SOURCE, message)
    run.tell(Started("manifest"))
    with Reader(str(surveyed.root)) as reader:
        run.add(await publisher.publish(surveyed.profile, landings, surveyed.sidecars, reader))
    run.add(losses(run.relations))
    run.add(contradictions(run.relations, "loaded", bits_of(surveyed)))
    if level != "none":
        run.add(not_looked_into(run.relations, "loaded"))
    run.note(complete=True)
    return run.end()


_AT_STORE = ("put-", "verify-")
"""How the codes of findings begin of which the destination is the cause."""
