"""`verify`: list the container and hold it against its manifest; where asked, read blobs back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Literal, NamedTuple

from laden.dataset.profile import known_profile
from laden.report import Reporter
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.run import Run, never, running
from laden.run.tasks import unless_stopped
from laden.stages.engine import Pool, ReadBack, done_by
from laden.stages.history import behind
from laden.stages.inventory import is_believed, lacks_manifest, lacks_page, read_page
from laden.stages.landed import read_load, read_table
from laden.stages.loadpage import LOAD, LoadPage
from laden.stages.manifest import MANIFEST
from laden.stages.proof import compare, documents_to_read_back, read_back, to_read_back
from laden.stages.sent import count_sent
from laden.store import FolderDestination, place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, Workers, checked
from laden.values.errors import UsageError
from laden.values.events import Observer, Started, Summary, ignore
from laden.values.records import Finding, Severity
from laden.values.share import Share
from laden.verbs.asked import one_of, path_of, refuse_same, share_of
from laden.verbs.earlier import verify_at
from laden.verbs.engines import Engine, engine_of, hooks_of
from laden.verbs.opening import Opened, opened

Depth = Literal["sample", "all"]

_SAMPLE = 100


@checked
def verify(
    destination: str | Path,
    *,
    deep: Depth | None = None,
    share: str | None = None,
    at: int | None = None,
    engine: Literal["dask"] | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    workers: Workers | None = None,
    connections: Connections | None = None,
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    report_images: Literal["some", "none"] = "some",
    report_command: str = "",
    log_file: str | Path | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = never,
) -> Summary:
    """Hold a container against the manifest in it: is all of it still there, unchanged?

    Args:
        destination: as in `load`.
        deep: read blobs back and hash them: all images, or a sample of 100, and tables and copied files always; by
            default the listing's MD5 is compared, which in a folder is the one noted with a file's length and time.
        share: of `deep="all"`, read only this part, as in `"2/5"`, or `"auto"` where a scheduler tells.
        at: number of a record of the history: hold what the service keeps, versions too, against that state instead.
        engine: of `deep="all"`, who reads, as in `load`; so `scheduler` and `executor`.
        scheduler: as in `load`.
        executor: as in `load`.
        workers: how many calls the executor does at once; None to ask it.
        connections: requests in flight at most; None to find out what the link bears.
        findings_file: CSV file for all findings; None writes none.
        report_file: HTML file to show what is there, sample images read back; None writes none.
        report_images: as in `load`.
        report_command: as in `load`.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        sas_command: a program that prints a SAS for the destination; run without a shell before the last one ends,
            when one is refused, and at first where there is none.
        ask_sas: asked for another SAS when one is not accepted any more, with the reason and a function that tells
            whether the answer is no longer wanted; called from a thread; an empty answer gives up.
        observer: called with each event.
        stopping: asked several times a second; once true, it is given up wherever it is.

    Returns:
        `images` in the manifest, of which `deleted` and `changed`, and `examined` were read back; `foreign` blobs it
        does not know. Of an earlier state, `deleted` are those whose content of then is not kept.

    Raises:
        LadenError: the destination cannot be read; `Interrupted` where it was given up.
    """
    destination = place_of(destination)
    if deep is not None:
        one_of("deep", deep, ("sample", "all"))
    refuse_same(report_file, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    reporter = Reporter(path_of(report_file), log.observe, images=report_images, command=report_command)
    with (
        log,
        reporter,
        running(
            Summary("verify", destination=without_secret(destination)),
            reporter.observe,
            findings_file=path_of(findings_file),
            stopping=stopping,
            conclude=reporter.conclude,
        ) as run,
    ):
        asked = _Asked(
            deep,
            share_of(share),
            engine_of(engine, scheduler, executor, workers),
            connections,
            Renewal(sas_command, ask_sas),
        )
        if asked.share and deep != "all":
            raise UsageError("--share divides the reading of all blobs: give --deep all with it")
        if at is not None:
            if deep is not None or report_file is not None:
                raise UsageError(
                    "--at goes by the MD5s that the service keeps, and shows no images: leave the others out"
                )
            return run_loop(unless_stopped(verify_at(run, destination, at, connections, asked.renewal), stopping))
        if (executor or engine) and deep != "all":
            raise UsageError("an engine reads all blobs back: give --deep all with it")
        return run_loop(unless_stopped(_verify(run, destination, asked, reporter), stopping))


class _Asked(NamedTuple):
    """What a person asked of a verification."""

    depth: Depth | None
    share: Share | None
    engine: Engine
    connections: int | None
    renewal: Renewal


async def _verify(run: Run, destination: str, asked: _Asked, reporter: Reporter) -> Summary:
    async with (
        opened(run, destination, lacking_for_verify, asked.renewal, connections=asked.connections) as there,
        asked.engine.pool(run, there, asked.renewal) as pool,
    ):
        run.tell(Started("listing", without_secret(destination)))
        page = await read_load(there.store, run.relations, run.tell)
        if page is None:
            lacks = lacks_manifest(run.relations, await read_page(there.store, run.relations))
            images = count_sent(run.relations).images
            run.add([_NO_PAGE if lacks_page(run.relations) else _no_manifest(images, lacks=lacks)])
            return run.end()
        # A service has the MD5 of the bytes that it keeps; in a folder, anybody may write beside laden's notes.
        run.tell(Started("noted" if isinstance(there.target, FolderDestination) else "verify"))
        believed = is_believed(run.relations, page)
        run.add(compare(run.relations, page, believed=believed))
        run.add(await behind(there.store, run.relations))
        if asked.depth is not None:
            await _read_back(run, there, asked, page, pool)
        _note(run, page, believed=believed)
        if reporter.wanted:
            table = await read_table(there.store, run.relations, page)
            await reporter.look_at_destination(there.store, run.relations, known_profile(page.profile), table)
        return run.end()


async def _read_back(run: Run, there: Opened, asked: _Asked, page: LoadPage, pool: Pool | None) -> None:
    """Read blobs back and hash them: tables, copied files and the manifest too, which are few."""
    run.tell(Started("reading"))
    share = asked.share
    wanted = to_read_back(run.relations, _SAMPLE if asked.depth == "sample" else None, share)
    run.note(examined=len(wanted))
    if share is None or share.number == 1:
        wanted += documents_to_read_back(run.relations, page.documents)
    in_all_bytes = sum(target.size_bytes for target in wanted)
    run.meter.begin(len(wanted), in_all_bytes)
    reading = read_back(there.store, wanted)
    if pool is not None:
        work = ReadBack(there.target, asked.connections, asked.renewal.command)
        reading = done_by(pool, work, wanted, hooks_of(run), in_all_bytes=in_all_bytes)
    async for target, found in reading:
        run.meter.step(target.size_bytes)
        run.add([found] if found else [])


def _note(run: Run, page: LoadPage, *, believed: bool) -> None:
    counts = run.log.counts
    run.note(
        images=run.relations.one("SELECT count(*) FROM known")[0],
        foreign=counts["blob-foreign"],
        deleted=counts["blob-deleted"],
        changed=counts["blob-changed"] + counts["blob-bytes"],
        rows=page.rows,
        matched=page.rows_with_image,
        missing=page.rows - page.rows_with_image,
        complete=believed,
    )


_NO_PAGE = Finding(
    "blob-deleted",
    Severity.ERROR,
    "the page about the load is gone, which vouches for the manifest beside it, so no image was held against that: the"
    " same load again makes it anew, of what is there and in the source",
    blob=LOAD,
)


def _no_manifest(images: int, *, lacks: bool) -> Finding:
    """Of a place where that many images are; `lacks` where a completed load's page names a manifest."""
    message = "there is no manifest: no load was completed here"
    there = "image is" if images == 1 else "images are"
    if lacks:
        message = (
            f"the manifest is gone, of a load that was completed: {images:,} {there} there, and nobody knows whether"
        )
        message += " these are all; the same load again makes it anew, of what is there and in the source"
    elif images:
        message = f"the load is unfinished: {images:,} {there} there, and no manifest yet; the same load again goes on"
    return Finding("manifest-missing", Severity.ERROR, message, blob=MANIFEST)
