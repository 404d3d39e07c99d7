"""`check`: survey the source and plan; where asked, hash its files and look into its images. Nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

from laden.dataset.evidence import Trust, check_sums, find_sums
from laden.dataset.images import Level, Phi
from laden.dataset.source import Reader
from laden.remote.sources import Sources
from laden.report import Reporter
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.receipts import Receipts
from laden.run.run import Run, never, running
from laden.stages.consistency import contradictions, not_looked_into
from laden.stages.engine import Look, done_by, parted
from laden.stages.survey import Choice, Survey, survey
from laden.stages.transfer.examining import examine
from laden.store.access import Renewal
from laden.values.arguments import checked
from laden.values.errors import ExitCode, UsageError
from laden.values.events import Observer, Started, Summary, ignore
from laden.values.records import Item
from laden.verbs.asked import Choosing, Paths, choice_of, level_of, path_of, phi_of, refuse_same, share_of
from laden.verbs.engines import Engine, engine_of, hooks_of, refuse_unseen, rooted
from laden.verbs.held import agreement, held
from laden.verbs.identity import look_for_identity
from laden.verbs.planning import bits_of, planned
from laden.verbs.sources import begin, shown_sources, sources_of, tell_news


@checked
def check(
    source: Paths,
    *,
    checksums: bool = False,
    images: Level = "none",
    share: str | None = None,
    engine: Literal["dask"] | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    phi: Phi = "warn",
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    link_command: str | None = None,
    report_images: Literal["some", "none"] = "some",
    report_command: str = "",
    log_file: str | Path | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = never,
    **asked: Unpack[Choosing],
) -> Summary:
    """Hold a table against the archives' directories, and where asked look into every image it names.

    Result, errors and arguments are those of `load`, but no network is touched unless links are given, and of `images`
    the default is `none`: no member is read, but for the beginnings of some DICOM files (`phi`). `structure` reads
    every image that a row names, `pixels` decodes it too, on all cores; of a `share`, as in `"2/5"`, only those that
    fall to it; `engine`, `scheduler` and `executor` have others read them (`workers`: as `load` with an executor).
    `checksums` is whether all files are hashed that a publisher's checksum files name.
    """
    refuse_same(report_file, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    reporter = Reporter(path_of(report_file), log.observe, images=report_images, command=report_command)
    with (
        sources_of(source, asked.get("table"), link_command, stopping) as sources,
        log,
        reporter,
        running(
            Summary("check", source=shown_sources(source)),
            reporter.observe,
            findings_file=path_of(findings_file),
            stopping=stopping,
            conclude=reporter.conclude,
        ) as run,
    ):
        level, choice, phi = level_of(images), choice_of(asked), phi_of(phi)
        part = share_of(share)
        if part and level == "none":
            raise UsageError("--share divides the reading of images: give --images structure or pixels with it")
        elsewhere = engine_of(engine, scheduler, executor, workers)
        if (executor or engine) and level == "none":
            raise UsageError("an engine reads images: give --images structure or pixels with it")
        begin(run, sources, part)
        surveyed = survey(sources, choice, run.relations, run.log, run.tell, charts=reporter.wanted, lock="held")
        tell_news(run, sources)
        reporter.look_at_source(surveyed.profile, surveyed.root, [one.table for one in surveyed.tables], run.relations)
        plan, _ = planned(run, surveyed, share=part)
        look_for_identity(run, surveyed.root, phi, alone=level == "none")
        if checksums:
            _check_sums(run, surveyed, Trust(choice.trust))
        if level == "none":
            _hold(run, surveyed, choice, deep=False)
            return run.end()
        _examine(run, plan.items(), surveyed, sources, Look(rooted(surveyed.root), level, phi), elsewhere)
        if stopping() and run.outcomes().unfinished:
            return run.end(ExitCode.INTERRUPTED, "stopped as you asked: not every image was looked at")
        _hold(run, surveyed, choice, deep=True)
        run.add(contradictions(run.relations, "receipts", bits_of(surveyed)))
        run.add(not_looked_into(run.relations, "receipts"))
        if run.outcomes().failed:
            return run.end(ExitCode.SOURCE, "not every image could be read: run the same command again")
        return run.end()


def _check_sums(run: Run, surveyed: Survey, trust: Trust) -> None:
    """Hold the source's files against their publisher's checksum files."""
    run.tell(Started("checksums"))
    sums, unreadable = find_sums(surveyed.root, surveyed.found.files)
    run.add(unreadable)
    run.add(check_sums(surveyed.found, surveyed.archives, sums, trust, run.meter.reading))


def _hold(run: Run, surveyed: Survey, choice: Choice, *, deep: bool) -> None:
    """Hold what the archives' directories do not tell against the lock file, where there is one."""
    if surveyed.holding is not None:
        run.add(held(run, surveyed, choice, deep=deep))
        if not any(code.startswith("lock-") for code in run.log.counts):
            run.add([agreement(surveyed.holding, deep=deep)])


def _examine(
    run: Run, items: Iterable[Item], surveyed: Survey, sources: Sources, look: Look, elsewhere: Engine
) -> None:
    """Read every image that a row names, and look into it."""
    run.tell(Started("images", look.level))
    with Receipts(run, look.phi) as settled:
        if elsewhere.is_here:
            threads = os.cpu_count() or 1
            with Reader(surveyed.root) as reader:
                for receipt in examine(items, reader, look.level, threads=threads, phi=look.phi, stopping=run.stopping):
                    settled.add(receipt)
                    tell_news(run, sources)
        else:
            run_loop(_have_examined(run, items, surveyed, look, elsewhere, settled))


async def _have_examined(
    run: Run, items: Iterable[Item], surveyed: Survey, look: Look, elsewhere: Engine, settled: Receipts
) -> None:
    in_all_bytes = run.relations.one("SELECT coalesce(sum(size_bytes), 0) FROM todo")[0]
    async with elsewhere.pool(run, None, Renewal()) as pool:
        assert pool is not None
        refuse_unseen(pool, surveyed.root, surveyed.stamps)
        look = replace(look, root=parted(look.root, pool.workers))
        async for receipt in done_by(pool, look, items, hooks_of(run), in_all_bytes=in_all_bytes):
            settled.add(receipt)
