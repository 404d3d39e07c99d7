"""What the commands share: how a run begins and ends, the plan, arguments as people give them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast, get_args

from laden.dataset.images import Level
from laden.relations import Relations
from laden.report import ReadTable, Reporter
from laden.run.findings import FindingLog
from laden.run.tally import Tally, told
from laden.stages.plan import Plan, Written
from laden.stages.survey import Survey
from laden.values.errors import UsageError
from laden.values.events import Observer, PlanReady, Summary, Warned

Paths = str | Path | Sequence[str | Path]


@contextmanager
def begun(
    summary: Summary, findings_file: str | Path | None, reporter: Reporter, observer: Observer
) -> Iterator[tuple[Tally, FindingLog, Relations]]:
    """What every run needs: the count, the list of findings, the database.

    One that raises ends with a summary and a report all the same, while they are open.
    """
    with FindingLog(path_of(findings_file), observer) as log:
        tally = Tally(summary, observer, log, reporter.conclude)
        with told(tally), Relations() as relations, log.kept_in(relations):
            reporter.relations = relations
            with told(tally):
                yield tally, log, relations


def planned(
    relations: Relations,
    surveyed: Survey,
    tally: Tally,
    log: FindingLog,
    *,
    send_strays: bool,
    replace_other: bool,
    documents: Sequence[str] = (),
    compare_all: bool = False,
    selected_as: str | None = None,
) -> tuple[Plan, PlanReady]:
    """The plan and its counts, told to the tally with all that a person should know of it.

    `selected_as` is the name under which the first table's selected rows land, where only those do.
    """
    tables = [name for placed in surveyed.tables for name in (placed.table.name, placed.shape.subset)]
    plan = Plan(
        relations,
        send_strays=send_strays,
        replace=replace_other,
        documents=[*tables, *documents, *surveyed.sidecars],
        written=_written(surveyed, selected_as),
        places=len(surveyed.profile.place_fields),
        compare_all=compare_all,
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
    for blob, archive, member, state in plan.found_before():
        tally.look(blob, archive, member, state)
    return plan, ready


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


def read_again(surveyed: Survey) -> list[ReadTable]:
    """The tables of a source, as a report reads them."""
    return [ReadTable(placed.table, placed.shape, placed.rows.start - 1) for placed in surveyed.tables]


def bits_of(surveyed: Survey) -> int | None:
    """What the profile says of the depth of the dataset's images."""
    return surveyed.profile.table.bits if surveyed.profile.table else None


def level_of(images: str) -> Level:
    """The level of that name; raises UsageError."""
    for level in get_args(Level):
        if images == level:
            return cast("Level", level)
    raise UsageError(f"images is {images!r}: give one of {', '.join(get_args(Level))}")


def teller(observer: Observer) -> Callable[[str], None]:
    """Tells the observer a warning, from whichever thread it comes."""
    loop = asyncio.get_running_loop()

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(observer, Warned(text))

    return tell


def paths(source: Paths) -> list[Path]:
    """One path or several, as a list."""
    given = [source] if isinstance(source, str | Path) else source
    return [Path(path).expanduser() for path in given]


def path_of(path: str | Path | None) -> Path | None:
    """A path, where one was given."""
    return None if path is None else Path(path)


def shown(source: Paths) -> str:
    """The source as a summary names it."""
    return ", ".join(map(str, paths(source)))
