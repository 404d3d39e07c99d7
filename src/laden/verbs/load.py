"""`load`: survey the source, list the container, plan, transfer, list again, compare, land table and manifest.

It keeps no state: run again, it sees what is there and sends the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Unpack

from laden.dataset.images import Level, Phi
from laden.dataset.source import name_of
from laden.remote.sources import Sources
from laden.report import Reporter
from laden.run.deadline import Deadline
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.outcome import unlisted
from laden.run.run import Run, never, running
from laden.stages.engine import Pool
from laden.stages.history import Deed
from laden.stages.inventory import Listing, is_listed, read_earlier
from laden.stages.loadpage import LOAD, Document, LoadPage
from laden.stages.plan import Plan
from laden.stages.plan.dealing import spans_of
from laden.stages.proof import doubt_documents, oddities
from laden.stages.properties import Values, wishes_of
from laden.stages.publish import Landing, Publisher, tables_in_the_way
from laden.stages.publish.others import other_dataset
from laden.stages.survey import Survey, survey
from laden.stages.survey.unchanged import changed_tables
from laden.store import FolderDestination, place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.cap import parse_cap
from laden.store.sas import lacking_for_load, lacking_for_tags
from laden.values.arguments import Connections, Workers, checked
from laden.values.errors import ExitCode
from laden.values.events import Observer, PlanReady, Started, Summary, ignore
from laden.values.records import Finding
from laden.verbs.above import refuse_within
from laden.verbs.asked import (
    Choosing,
    Paths,
    choice_of,
    one_of,
    path_of,
    refuse_same,
    refuse_secrets,
    share_of,
)
from laden.verbs.concluding import conclude, landings_of, lost_before, proved, tell_concluded
from laden.verbs.engines import engine_of
from laden.verbs.held import held
from laden.verbs.identity import look_for_identity, recall_identity
from laden.verbs.measuring import agreed
from laden.verbs.opening import Opened, opened
from laden.verbs.planning import nothing_here, planned
from laden.verbs.remembering import Word, asked_of, counts_of
from laden.verbs.sending import Sending, send
from laden.verbs.sources import begin, listening, refuse_inside, refuse_swapped, shown_sources, sources_of
from laden.verbs.undisturbed import undisturbed
from laden.verbs.wholeness import not_whole
from laden.verbs.wishes import LoadWishes, refuse_share, settings_of, tell_no_longer, tell_properties, values_of


@checked
def load(
    source: Paths,
    destination: str | Path,
    *,
    overwrite: Literal["never", "changed"] = "never",
    compare: Literal["auto", "all"] = "auto",
    strays: Literal["skip", "send"] = "skip",
    damaged: Literal["send", "skip"] = "send",
    images: Level = "structure",
    phi: Phi = "warn",
    connections: Connections | None = None,
    limit: str | None = None,
    workers: Workers | None = None,
    engine: Literal["dask"] | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    share: str | None = None,
    dry_run: bool = False,
    update: bool = False,
    tier: str | None = None,
    tags: Sequence[str] = (),
    metadata: Sequence[str] = (),
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    report_images: Literal["some", "none"] = "some",
    report_command: str = "",
    log_file: str | Path | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    link_command: str | None = None,
    observer: Observer = ignore,
    confirm: Callable[[PlanReady], bool] | None = None,
    stopping: Callable[[], bool] = never,
    **asked: Unpack[Choosing],
) -> Summary:
    """Load a dataset into a container or folder, verified; run it again to finish what was interrupted.

    Args:
        source: a folder of archives and a table, an extracted tree, or named files; also links to archives and tables,
            to a share or a container that holds them, and files of links, one a line (docs/sources.md).
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
        workers: processes that send; None to decide by the number and size of the images. With `executor`, how many
            calls it does at once; None to ask it.
        engine: `"dask"` to have the workers of a Dask scheduler send (docs/machines.md); None for this machine.
        scheduler: its address, as in `"tcp://10.0.0.4:8786"`.
        executor: has its workers send: any `concurrent.futures.Executor` whose workers have laden, of this version, and
            a credential of their own.
        share: only this part of it, as in `"2/5"`, or `"auto"` where a scheduler tells; lands no table and no
            manifest, which the load of all does once its shares are there.
        dry_run: plan only; nothing is written anywhere but to `findings_file`.
        update: also replace images of earlier loads that have other content at the source now, and tell what the
            source no longer has. What others put there stays, and nothing is deleted.
        tier: access tier of the images that are sent: `Hot`, `Cool`, `Cold` or `Archive`; None for the account's.
        tags: index tags of them, as in `"projection={Projection}"`: a name, and a text with columns of the table.
        metadata: the same for metadata.
        findings_file: CSV file for all findings; None writes none.
        report_file: HTML file to show what was loaded, also where the load fails or is stopped; None writes none.
        report_images: whether the report shows sample images and damaged ones.
        report_command: what the report says was typed; nothing of it is hidden there but what looks like a secret.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        sas_command: a program that prints a SAS for the destination; run without a shell before the last one ends,
            when one is refused, and at first where there is none.
        ask_sas: asked for another SAS when one is not accepted any more, with the reason and a function that tells
            whether the answer is no longer wanted; called from a thread; an empty answer gives up.
        link_command: a program that prints another link where one of the source is refused; `{name}` and `{link}` in it
            stand for the file's name and for its first link without the query.
        observer: called with each event, in order; the last is the summary that is also returned.
        confirm: asked once the plan is known, and how long it may take was measured; False ends the run before
            anything is written. None goes on.
        stopping: asked often; once true, what is in flight ends and the run stops.
        asked: what of the source, as `Choosing` says: `table`, `profile`, `archives`, `layout`, `where`,
            `images_file`, `sample`, `by`, `seed`, `first`, `table_name`, `trust`, `exclude`, `include`,
            `follow_links`, `names`, `lock`.

    Returns:
        How it ended; `exit_code` says whether findings need a person.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    destination = place_of(destination)
    told = {
        "overwrite": overwrite, "compare": compare, "strays": strays, "damaged": damaged, "images": images, "phi": phi
    }  # fmt: skip
    refuse_same(report_file, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    reporter = Reporter(
        None if dry_run else path_of(report_file), log.observe, images=report_images, command=report_command
    )
    deadline = Deadline(reporter.observe)
    with (
        sources_of(source, asked.get("table"), link_command, stopping) as sources,
        log,
        reporter,
        running(
            Summary("load", source=shown_sources(source), destination=without_secret(destination)),
            deadline,
            findings_file=path_of(findings_file),
            stopping=stopping,
            conclude=reporter.conclude,
        ) as run,
    ):
        properties = wishes_of(tier, tags, metadata)
        wishes = LoadWishes(
            choice_of(asked),
            settings_of(images, damaged, overwrite, phi, update=update, tier=properties.tier),
            one_of("compare", compare, ("auto", "all")) == "all",
            one_of("strays", strays, ("skip", "send")) == "send",
            connections,
            None if limit is None else parse_cap(limit),
            engine_of(engine, scheduler, executor, workers),
            share_of(share),
            dry_run,
            update,
            properties,
            Renewal(sas_command, ask_sas),
            confirm,
            asked_of(asked, **{name: (told[name], usual) for name, usual in _USUAL.items()}),
        )
        return run_loop(_load(run, sources, destination, wishes, reporter, deadline))


_USUAL = {
    "overwrite": "never", "compare": "auto", "strays": "skip", "damaged": "send", "images": "structure", "phi": "warn"
}  # fmt: skip
"""What the history does not tell of how a load was asked for."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is known when the plan is made."""

    there: Opened
    listing: Listing
    page: LoadPage | None
    """Of the last load."""
    earlier: Sequence[Document]
    surveyed: Survey
    landings: Sequence[Landing]
    plan: Plan
    ready: PlanReady
    values: Values
    """What each image is given beside its bytes."""


async def _load(
    run: Run, sources: Sources, destination: str, wishes: LoadWishes, reporter: Reporter, deadline: Deadline
) -> Summary:
    refuse_secrets(layout=wishes.choice.layout, table_name=wishes.choice.selection.table_name)
    refuse_swapped(sources, destination)
    begin(run, sources, wishes.share)
    sending = Sending(run)
    async with (
        listening(run, sources),
        opened(
            run,
            destination,
            lacking_for_tags if wishes.properties.tags else lacking_for_load,
            wishes.renewal,
            connections=wishes.connections,
            cap=wishes.cap,
            stopping=sending.stopping,
        ) as there,
        wishes.engine.pool(run, there, wishes.renewal, wishes.settings.window_bytes) as pool,
    ):
        deadline.ends_s = there.access.ends_s
        refuse_share(wishes, there)
        run.tell(Started("listing", without_secret(destination)))
        ground = await _explored(run, there, sources, wishes, reporter)
        if wishes.dry_run:
            run.add(await _foreseen(run, ground, wishes))
            return run.end()
        if not ground.ready.images and not ground.ready.share:
            raise nothing_here(run, ground.surveyed)
        if not await agreed(run, ground.ready, wishes.confirm, there.store, absent=ground.listing.absent):
            run.add(await _foreseen(run, ground, wishes))
            return run.end(ExitCode.INTERRUPTED, "nothing was sent, as you said")
        return await _carried_out(run, ground, wishes, sending, pool)


async def _foreseen(run: Run, ground: _Ground, wishes: LoadWishes) -> list[Finding]:
    """What earlier loads landed and is lost, and tables in the way; a share does not list all that there is."""
    ready = ground.ready
    if ready.share:
        return []
    lost = list(lost_before(run, ground.surveyed, ground.landings, ground.earlier))
    if wishes.overwrites or ground.listing.absent:
        return lost
    whole = ready.matched == ready.rows
    return lost + await tables_in_the_way(ground.there.store, run.relations, ground.landings, whole=whole)


async def _explored(run: Run, there: Opened, sources: Sources, wishes: LoadWishes, reporter: Reporter) -> _Ground:
    """List, survey and plan; nothing is written."""
    listing = Listing(there.store, run.relations, run.tell)
    await listing.begin()
    surveyed = survey(sources, wishes.choice, run.relations, run.log, run.tell, charts=reporter.wanted, lock="believed")
    if surveyed.holding is not None:
        run.add(held(run, surveyed, wishes.choice, deep=False))
    unseen = not_whole(run, surveyed, wishes.choice)
    reporter.look_at_source(surveyed.profile, surveyed.root, [one.table for one in surveyed.tables], run.relations)
    if wishes.share is not None:
        listing.narrow(spans_of(run.relations, wishes.share))
    await listing.finish()
    await listing.know()
    page, earlier = await read_earlier(there.store, run.relations)
    await refuse_within(there, run.relations, page)
    run.add(await listing.doubt(earlier, page))
    run.add(oddities(run.relations, earlier))
    if wishes.compare_all:
        run.add(await doubt_documents(there.store, run.relations, earlier))
    refuse_inside(there.target, surveyed.root)
    values = values_of(run, surveyed, there, wishes.properties)
    landings = landings_of(surveyed, wishes.choice)
    plan, ready = _planned(run, surveyed, there, wishes, landings, earlier)
    tell_properties(run, ready, wishes.properties, replaces=wishes.settings.replace_other)
    contents = {name: one.table.content for one in landings for name in (one.table.name, one.subset)}
    run.add(other_dataset(run.relations, page, surveyed.profile.name, contents))
    if wishes.update:
        tell_no_longer(run, plan, unseen)
    if ready.already_there:
        recall_identity(run, wishes.settings.phi)
    unlooked = wishes.dry_run or wishes.settings.images == "none"
    look_for_identity(run, surveyed.root, wishes.settings.phi, alone=unlooked)
    return _Ground(there, listing, page, earlier, surveyed, landings, plan, ready, values)


async def _carried_out(run: Run, ground: _Ground, wishes: LoadWishes, sending: Sending, pool: Pool | None) -> Summary:
    """Send, list again, compare, and land what tells of it."""
    store, surveyed, ready = ground.there.store, ground.surveyed, ground.ready
    if ground.listing.absent or ready.to_settle:
        run.tell(Started("word"))
    if ground.listing.absent:
        await store.create()
    publisher = Publisher(
        store,
        run.relations,
        replace_other=wishes.overwrites,
        update=wishes.update,
        earlier=ground.earlier,
        phi=wishes.settings.phi,
    )
    publisher.begin(ground.landings)
    meant = {"images": ready.images, "sent": ready.send + ready.replace}
    word = Word(run, store, Deed("load", wishes.asked, name_of(surveyed.root), meant))
    if wishes.update and meant["sent"] and not ready.share:
        # Of any other load that is killed, the page tells that it is unfinished.
        await word.begin()
    withdrawn = await _withdrawn(run, ground, wishes, publisher)
    if ready.to_settle:
        await publisher.announce(surveyed.profile, ready, ground.page)
        with sending:
            await send(run, ground.values.attach(ground.plan.items()), ready, surveyed, ground.there, wishes, pool)
    if run.stopping() and run.outcomes().unfinished:
        return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
    if withdrawn or unlisted(run.relations):
        run.tell(Started("verify"))
        await ground.listing.repeat()
    if ready.share:
        if (broken := proved(run, surveyed)) is not None:
            return broken
        run.add(changed_tables(surveyed.table_files))
        run.note(share=ready.share)
        return run.end()
    if (broken := await _landed(run, ground, publisher)) is not None:
        return broken
    tell_concluded(run, surveyed, wishes.settings.images)
    changed = publisher.changed or run.outcomes().sent > 0
    await word.end(counts_of(run), changed=changed, listed=True, needing=run.log)
    run.note(complete=True)
    return run.end()


def _planned(
    run: Run,
    surveyed: Survey,
    there: Opened,
    wishes: LoadWishes,
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
        cap=wishes.cap,
        measure=wishes.dry_run,
        share=wishes.share,
    )


async def _landed(run: Run, ground: _Ground, publisher: Publisher) -> Summary | None:
    """Land table and manifest of what is proved; how the run ends where it is not."""

    async def land() -> Summary | None:
        if (broken := proved(run, ground.surveyed)) is not None:
            return broken
        await conclude(run, ground.surveyed, ground.landings, publisher)
        return None

    return await undisturbed(run, ground.there.store, ground.listing, publisher, land)


async def _withdrawn(run: Run, ground: _Ground, wishes: LoadWishes, publisher: Publisher) -> bool:
    """Say, before a blob may be replaced, that an earlier manifest does not hold for now; False where none may be."""
    ready, profile = ground.ready, ground.surveyed.profile
    may_replace = ready.replace or (ready.compare and wishes.settings.replace_other)
    if not (may_replace and is_listed(run.relations, LOAD)):
        return False
    await undisturbed(run, ground.there.store, ground.listing, publisher, lambda: publisher.withdraw(profile))
    return True
