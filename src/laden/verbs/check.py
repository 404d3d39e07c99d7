"""`check`: survey the source and plan; where asked, hash its files and look into its images. Nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from laden.dataset.evidence import Trust, check_sums, find_sums
from laden.dataset.images import Level
from laden.dataset.selection import Selection
from laden.dataset.source import Reader
from laden.relations import Relations
from laden.report import Reporter
from laden.run.findings import FindingLog
from laden.run.tally import Receipts, Tally
from laden.stages.consistency import contradictions
from laden.stages.plan import Plan
from laden.stages.survey import Choice, Survey, survey
from laden.stages.transfer.examining import examine
from laden.values.errors import ExitCode
from laden.values.events import Observer, Started, Summary, ignore
from laden.verbs.runs import Paths, begun, bits_of, level_of, path_of, paths, planned, read_again, shown


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
    images: Level = "none",
    findings_file: str | Path | None = None,
    report_file: str | Path | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = lambda: False,
) -> Summary:
    """Hold a table against the archives' directories, and where asked look into every image it names.

    Result, errors and arguments are those of `load`, but no network is touched, and of `images` the default is `none`:
    no member is read. `structure` reads every image that a row names, `pixels` decodes it too, on all cores.
    `checksums` is whether all files are hashed that a publisher's checksum files name.
    """
    reporter = Reporter(path_of(report_file), observer)
    with begun(Summary("check", source=shown(source)), findings_file, reporter, reporter.observe) as run_of:
        tally, log, relations = run_of
        level = level_of(images)
        selection = Selection(where, path_of(images_file), sample, by, seed, first, table_name)
        choice = Choice(path_of(table), profile, archives, trust=tuple(trust), selection=selection)
        surveyed = survey(paths(source), choice, relations, log, reporter.observe)
        reporter.look_at_source(surveyed.profile, surveyed.root, read_again(surveyed))
        plan, _ = planned(relations, surveyed, tally, log, send_strays=False, replace_other=False)
        if checksums:
            _check_sums(surveyed, Trust(trust), tally, log, reporter.observe)
        if level != "none":
            _examine(plan, surveyed, level, tally, relations, reporter.observe, stopping)
            if stopping() and tally.unfinished:
                return tally.finish(ExitCode.INTERRUPTED, "stopped as you asked: not every image was looked at")
            for finding in contradictions(relations, "receipts", bits_of(surveyed)):
                log.add(finding)
        if tally.failed_code:
            return tally.finish(ExitCode.SOURCE, "not every image could be read: run the same command again")
        return tally.finish()


def _check_sums(surveyed: Survey, trust: Trust, tally: Tally, log: FindingLog, observer: Observer) -> None:
    """Hold the source's files against their publisher's checksum files."""
    observer(Started("checksums"))
    sums, unreadable = find_sums(surveyed.root, surveyed.found.files)
    for finding in (*unreadable, *check_sums(surveyed.found, surveyed.archives, sums, trust, tally.reading)):
        log.add(finding)


def _examine(
    plan: Plan,
    surveyed: Survey,
    level: Level,
    tally: Tally,
    relations: Relations,
    observer: Observer,
    stopping: Callable[[], bool],
) -> None:
    observer(Started("images", level))
    settled = Receipts(tally, relations)
    with Reader(str(surveyed.root)) as reader:
        for receipt in examine(plan.items(), reader, level, threads=os.cpu_count() or 1, stopping=stopping):
            settled.add(receipt)
    settled.close()
