"""One run: whatever happens in it, one summary is told, last, and it says what the relations know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from laden.run.outcome import Outcomes, unlisted
from laden.run.receipts import Receipts
from laden.run.run import Run, running
from laden.stages.proof import disprove
from laden.values.errors import (
    AccessDenied,
    ExitCode,
    Interrupted,
    LadenError,
    SourceError,
    StoreError,
    TransientStoreError,
)
from laden.values.events import Event, PlanReady, Summary
from laden.values.records import (
    NOT_LOOKED_INTO,
    Action,
    Digests,
    Entry,
    ImageFacts,
    Item,
    Outcome,
    Receipt,
)

PLANNED = {"send": 3, "compare": 1, "done": 2, "conflict": 1}


def item(number: int, action: Action = Action.SEND) -> Item:
    return Item(Entry("0.zip", f"{number}.png", 10, number, None, 0, 10, 0), f"png/{number}.png", action, "", None)


def receipt(
    number: int, outcome: Outcome, action: Action = Action.SEND, image: ImageFacts = NOT_LOOKED_INTO
) -> Receipt:
    return Receipt(item(number, action), outcome, Digests(10, number, bytes(16)), image, "put-failed", "no room")


def planned(run: Run) -> None:
    run.relations.run("CREATE TABLE todo (blob VARCHAR, id BIGINT, size_bytes BIGINT, action VARCHAR)")
    actions = [action for action, count in PLANNED.items() for _ in range(count)]
    run.relations.feed("todo", ((f"png/{number}.png", number, 10, action) for number, action in enumerate(actions)))
    run.plan(
        PlanReady(
            profile="p", table="t", rows=8, matched=7, missing=1, images=7, send=3, replace=0, compare=1,
            bytes_to_send=30, bytes_in_all=70,
        )
    )  # fmt: skip


def test_a_summary_asks_the_relations() -> None:
    told: list[Event] = []
    with running(Summary("load"), told.append) as run:
        planned(run)
        with Receipts(run) as settled:
            settled.add(receipt(0, Outcome.SENT))
            settled.add(receipt(1, Outcome.SENT, image=ImageFacts("png", 1, 1, 8, "png-truncated")))
            settled.add(receipt(2, Outcome.FAILED))
            settled.add(receipt(3, Outcome.ALREADY_THERE, Action.COMPARE))
        assert run.standing() == "5 of 7 images are there"
        assert run.outcomes() == Outcomes(
            unfinished=1,
            there=5,
            sent=2,
            already_there=3,
            conflicts=1,
            damaged=1,
            failed=1,
            unseen=2,
            bytes_sent=20,
        )
        assert unlisted(run.relations) == 2
        summary = run.end()
    assert told[-1] is summary
    assert (summary.rows, summary.matched, summary.missing, summary.images) == (8, 7, 1, 7)
    assert (summary.sent, summary.already_there, summary.conflicts, summary.failed) == (2, 3, 1, 1)
    assert (summary.damaged, summary.bytes_sent, summary.exit_code) == (1, 20, ExitCode.FINDINGS)
    assert summary.findings == {"png-truncated": 1, "put-failed": 1}


def test_a_run_that_raises_ends_with_a_summary_of_what_was_done() -> None:
    told: list[Event] = []

    def broken() -> None:
        with running(Summary("load"), told.append) as run:
            planned(run)
            with Receipts(run) as settled:
                settled.add(receipt(0, Outcome.SENT))
                raise SourceError("the disk is gone")

    with pytest.raises(SourceError):
        broken()
    summaries = [event for event in told if isinstance(event, Summary)]
    assert [(one.sent, one.message, one.exit_code) for one in summaries] == [(1, "the disk is gone", 5)]
    assert told[-1] is summaries[0]


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (TransientStoreError("the service answered 503 ServerBusy"), ": run the same command again"),
        (TransientStoreError("127.0.0.1:7321 did not answer in time"), ": run the same command again"),
        (TransientStoreError("its name is free again in a minute"), ": run the same command again"),
        (TransientStoreError("acct does not accept connections: check the address and the firewall"), ""),
        (Interrupted("stopped while waiting to ask again"), ": run the same command again"),
        (Interrupted("stopped as you asked: run the same command again to go on"), ""),
        (StoreError("the service refused it with 400"), ""),
        (AccessDenied("acct refused the SAS to write"), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:30],
)
@pytest.mark.parametrize("command", ["load", "get", "status"])
def test_an_end_that_the_same_command_may_get_beyond_says_so(error: LadenError, more: str, command: str) -> None:
    told: list[Event] = []
    with pytest.raises(LadenError), running(Summary(command), told.append):
        raise error
    assert isinstance(told[-1], Summary)
    goes_on = " to go on" if more and command != "status" else ""
    assert told[-1].message == f"{error}{more}{goes_on}"
    assert told[-1].exit_code == error.exit_code


def test_a_run_that_ended_tells_nothing_more_by_itself() -> None:
    told: list[Event] = []

    async def work() -> None:
        with running(Summary("load"), told.append) as run:
            planned(run)
            run.meter.step(1)
            run.meter.step(1)
            assert run.meter._later is not None
            run.end()
            assert run.meter._later is None

    asyncio.run(work())
    assert isinstance(told[-1], Summary)


def test_a_run_that_a_mistake_ends_tells_its_summary_all_the_same() -> None:
    told: list[Event] = []

    def broken(**options: Any) -> None:
        with running(Summary("load"), told.append, **options) as run:
            planned(run)
            raise KeyError("a label")

    def fail(*_: object) -> Summary:
        raise IndexError

    with pytest.raises(KeyError):
        broken()
    assert isinstance(told[-1], Summary)
    assert (told[-1].message, told[-1].exit_code) == ("a bug in laden ended it (KeyError)", ExitCode.BUG)
    with pytest.raises(KeyError):
        broken(conclude=fail)


def test_a_run_without_a_plan_counts_nothing() -> None:
    with running(Summary("verify"), lambda _: None) as run:
        assert run.outcomes() == Outcomes()
        assert run.end().exit_code == ExitCode.COMPLETE


def test_what_a_listing_contradicts_has_failed_and_counts_as_nothing_else() -> None:
    """Sent, found equal, known before: of each one that is there and one that is not."""
    with running(Summary("load"), lambda _: None) as run:
        planned(run)
        with Receipts(run) as settled:
            settled.add(receipt(0, Outcome.SENT))
            settled.add(receipt(1, Outcome.SENT))
            settled.add(receipt(2, Outcome.ALREADY_THERE))
            settled.add(receipt(3, Outcome.ALREADY_THERE, Action.COMPARE))
        disprove(run.relations, ["png/1.png", "png/3.png", "png/5.png"])
        summary = run.end()
        assert run.outcomes().unfinished == 3
    assert (summary.sent, summary.already_there, summary.conflicts, summary.failed) == (1, 2, 1, 3)
    assert summary.sent + summary.already_there + summary.conflicts + summary.failed == summary.images
    assert summary.bytes_sent == 10


def test_the_last_word_belongs_to_what_concludes() -> None:
    seen: list[Summary] = []

    def conclude(summary: Summary, relations: object) -> Summary:
        assert relations is not None
        return Summary("check", report_file="page.html", seconds=summary.seconds)

    with running(Summary("check"), lambda event: seen.append(event), conclude=conclude) as run:  # type: ignore[arg-type,return-value]
        run.end()
    assert [one.report_file for one in seen] == ["page.html"]
