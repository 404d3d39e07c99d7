"""The conductor: loads, checks and verifies by calling the stages in order; the only module that knows them all.

A load surveys the source, lists the container, plans, transfers, lists again, compares, then lands table and
manifest. It keeps no state: run again, it sees what is there and sends the difference. Every run ends with a
`Summary` event, also one that ends with an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laden.engine import Job, move, workers_for
from laden.errors import ExitCode, SourceError, UsageError
from laden.events import Observer, PlanReady, Started, Summary, ignore
from laden.evidence import Trust, check_sums, find_sums
from laden.findings import FindingLog
from laden.inventory import Listing, is_listed, read_documents, read_known, read_page
from laden.loop import run
from laden.manifest import LOAD, MANIFEST
from laden.plan import Plan
from laden.proof import compare, confirm, read_back, to_read_back
from laden.publish import Landing, Publisher
from laden.records import Finding, Receipt, Severity
from laden.relations import Relations
from laden.selection import Selection
from laden.source import Reader
from laden.store import Destination, FolderDestination, Store, open_store, parse_destination, without_secret
from laden.survey import Choice, Survey, survey
from laden.tally import Tally, told
from laden.transfer import Settings

Paths = str | Path | Sequence[str | Path]

_SAMPLE = 100
_RECEIPTS_PER_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a person asked of a load, beyond source and destination."""

    choice: Choice
    replace_other: bool
    send_strays: bool
    send_broken: bool
    connections: int | None
    workers: int | None
    dry_run: bool
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
    strays: Literal["skip", "send"] = "skip",
    damaged: Literal["send", "skip"] = "send",
    connections: int | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    trust: Sequence[str] = (),
    findings_file: str | Path | None = None,
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
        strays: whether images without a row are sent.
        damaged: whether images that are broken inside, though whole as members, are sent as they are.
        connections: requests in flight at most; None to find out what the link bears.
        workers: processes that send; None to decide by the number and size of the images.
        dry_run: plan only; nothing is written anywhere but to `findings_file`.
        trust: names of files that are right, whatever a listing or checksum file of their publisher says.
        findings_file: CSV file for all findings; None writes none.
        observer: called with each event, in order; the last is the summary that is also returned.
        confirm: asked once the plan is known; False ends the run before anything is written.
        stopping: asked often; once true, what is in flight ends and the run stops.

    Returns:
        How it ended; `exit_code` says whether findings need a person.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    with FindingLog(_path(findings_file), observer) as log:
        tally = Tally(Summary("load", source=_shown(source), destination=without_secret(destination)), observer, log)
        with told(tally), Relations() as relations:
            selection = Selection(where, _path(images_file), sample, by, seed, first, table_name)
            wishes = _Wishes(
                Choice(_path(table), profile, archives, layout, tuple(trust), selection),
                overwrite == "changed",
                strays == "send",
                damaged == "send",
                connections,
                workers,
                dry_run,
                confirm,
                stopping,
            )
            return run(_load(_paths(source), destination, wishes, tally, log, relations, observer))


def check(
    source: Paths,
    *,
    table: str | Path | None = None,
    profile: str | None = None,
    archives: str | None = None,
    where: str | None = None,
    images_file: str | Path | None = None,
    sample: int | None = None,
    by: str | None = None,
    seed: int | None = None,
    first: int | None = None,
    table_name: str | None = None,
    checksums: bool = False,
    trust: Sequence[str] = (),
    findings_file: str | Path | None = None,
    observer: Observer = ignore,
) -> Summary:
    """Hold a table against the archives' directories, without touching a network.

    Result, errors and all arguments but one are those of `load`; `checksums` is whether all files are hashed that a
    publisher's checksum files name.
    """
    with FindingLog(_path(findings_file), observer) as log:
        tally = Tally(Summary("check", source=_shown(source)), observer, log)
        with told(tally), Relations() as relations:
            selection = Selection(where, _path(images_file), sample, by, seed, first, table_name)
            choice = Choice(_path(table), profile, archives, trust=tuple(trust), selection=selection)
            surveyed = survey(_paths(source), choice, relations, log, observer)
            _plan(relations, surveyed, tally, log, send_strays=False, replace_other=False)
            if checksums:
                _check_sums(surveyed, Trust(trust), tally, log, observer)
            return tally.finish()


def verify(
    destination: str,
    *,
    deep: Literal["sample", "all"] | None = None,
    connections: int | None = None,
    findings_file: str | Path | None = None,
    observer: Observer = ignore,
) -> Summary:
    """Hold a container against the manifest in it: is all of it still there, unchanged?

    Args:
        destination: as in `load`.
        deep: read blobs back and hash them: all, or a sample of 100; by default the listing's MD5 is compared.
        connections: requests in flight at most; None to find out what the link bears.
        findings_file: CSV file for all findings; None writes none.
        observer: called with each event.

    Returns:
        `images` in the manifest, of which `deleted` and `changed`; `foreign` blobs it does not know.

    Raises:
        LadenError: the destination cannot be read.
    """
    with FindingLog(_path(findings_file), observer) as log:
        tally = Tally(Summary("verify", destination=without_secret(destination)), observer, log)
        with told(tally), Relations() as relations:
            return run(_verify(destination, deep, connections, tally, log, relations, observer))


def _check_sums(surveyed: Survey, trust: Trust, tally: Tally, log: FindingLog, observer: Observer) -> None:
    """Hold the source's files against their publisher's checksum files."""
    observer(Started("checksums"))
    sums, unreadable = find_sums(surveyed.root, surveyed.found.files)
    for finding in (*unreadable, *check_sums(surveyed.found, surveyed.archives, sums, trust, tally.reading)):
        log.add(finding)


async def _load(
    sources: list[Path],
    destination: str,
    wishes: _Wishes,
    tally: Tally,
    log: FindingLog,
    relations: Relations,
    observer: Observer,
) -> Summary:
    target = parse_destination(destination)
    sending = _Sending(wishes.stopping)
    store = open_store(target, connections=wishes.connections, on_retry=tally.retry, stopping=sending.stopping)
    try:
        listing = Listing(store, relations)
        observer(Started("listing", without_secret(destination)))
        await listing.begin()
        surveyed = survey(sources, wishes.choice, relations, log, observer)
        await listing.finish()
        await read_known(store, relations)
        earlier = await read_documents(store, relations)
        landings = _landings(surveyed, wishes.choice.selection)
        _refuse_inside(target, surveyed.root)
        plan, ready = _plan(
            relations,
            surveyed,
            tally,
            log,
            send_strays=wishes.send_strays,
            replace_other=wishes.replace_other,
            documents=[*(landing.subset for landing in landings), *(document.name for document in earlier)],
        )
        if wishes.dry_run:
            return tally.finish()
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
            await _transfer(plan, surveyed, store, target, wishes, tally, relations, observer)
            sending.now = False
        if wishes.stopping() and tally.unfinished:
            return tally.finish(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        if tally.changed_destination:
            observer(Started("verify"))
            await listing.repeat()
        return await _conclude(surveyed, landings, publisher, tally, log, relations, observer)
    finally:
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
        Landing(placed.table, name, placed.rows, steps) for placed, name in zip(surveyed.tables, names, strict=True)
    ]


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
    tally.note(complete=True)
    return tally.finish()


def _plan(
    relations: Relations,
    surveyed: Survey,
    tally: Tally,
    log: FindingLog,
    *,
    send_strays: bool,
    replace_other: bool,
    documents: Sequence[str] = (),
) -> tuple[Plan, PlanReady]:
    tables = [name for placed in surveyed.tables for name in (placed.table.name, placed.shape.subset)]
    plan = Plan(
        relations,
        send_strays=send_strays,
        replace=replace_other,
        documents=[*tables, *documents, *surveyed.sidecars],
        many_rows=any(placed.shape.many for placed in surveyed.tables),
    )
    ready = plan.summary(
        profile=surveyed.profile.name,
        table=surveyed.table.name if surveyed.table else "",
        absent=surveyed.absent,
        selection=surveyed.steps,
    )
    tally.plan(ready)
    for finding in plan.findings(surveyed.absent, surveyed.unreadable):
        log.add(finding)
    for blob, archive, member, state in plan.broken_inside():
        tally.broken_inside(blob, archive, member, state)
    return plan, ready


async def _transfer(
    plan: Plan,
    surveyed: Survey,
    store: Store,
    target: Destination | FolderDestination,
    wishes: _Wishes,
    tally: Tally,
    relations: Relations,
    observer: Observer,
) -> None:
    observer(Started("transfer"))
    settings = Settings(send_broken=wishes.send_broken, replace_other=wishes.replace_other)
    job = Job(str(surveyed.root), target, wishes.connections, settings)
    workers = wishes.workers or workers_for(*tally.to_settle)
    moving = move(job, plan.items(), store, workers=workers, on_retry=tally.retry, stopping=wishes.stopping)
    settled: list[tuple[object, ...]] = []
    async for receipt in moving:
        tally.receipt(receipt)
        settled.append(_receipt_row(receipt))
        if len(settled) >= _RECEIPTS_PER_BATCH:
            relations.feed("receipts", settled)
            settled.clear()
    relations.feed("receipts", settled)
    tally.progress(last=True)


def _receipt_row(receipt: Receipt) -> tuple[object, ...]:
    entry, digests = receipt.item.entry, receipt.digests
    found = (digests.size_bytes, digests.md5.hex(), digests.crc32) if digests else (None, None, None)
    return (receipt.item.blob, entry.archive, entry.member, receipt.outcome.value, *found, *receipt.image)


async def _verify(
    destination: str,
    depth: Literal["sample", "all"] | None,
    connections: int | None,
    tally: Tally,
    log: FindingLog,
    relations: Relations,
    observer: Observer,
) -> Summary:
    store = open_store(parse_destination(destination), connections=connections, on_retry=tally.retry)
    try:
        observer(Started("listing", without_secret(destination)))
        await Listing(store, relations).repeat()
        page = await read_page(store, relations)
        if page is None or not await read_known(store, relations):
            log.add(
                Finding(
                    "manifest-missing",
                    Severity.ERROR,
                    "there is no manifest: no load was completed here",
                    blob=MANIFEST,
                )
            )
            return tally.finish()
        observer(Started("verify"))
        counts: Counter[str] = Counter()
        for finding in compare(relations, page):
            counts[finding.code] += 1
            log.add(finding)
        tally.note(images=relations.one("SELECT count(*) FROM known")[0], foreign=counts["blob-foreign"])
        if depth is not None:
            wanted = to_read_back(relations, _SAMPLE if depth == "sample" else None)
            async for found in read_back(store, wanted):
                if found is not None:
                    counts[found.code] += 1
                    log.add(found)
        tally.note(
            deleted=counts["blob-deleted"],
            changed=counts["blob-changed"] + counts["blob-bytes"],
            complete=True,
        )
        return tally.finish()
    finally:
        await store.close()


def _failed_exit(tally: Tally) -> ExitCode:
    """Whose turn it is when single items failed: the destination's, or the source's."""
    at_store = tally.failed_code.startswith(("put-", "verify-"))
    return ExitCode.DESTINATION if at_store else ExitCode.SOURCE


def _paths(source: Paths) -> list[Path]:
    given = [source] if isinstance(source, str | Path) else source
    return [Path(path).expanduser() for path in given]


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _shown(source: Paths) -> str:
    return ", ".join(map(str, _paths(source)))
