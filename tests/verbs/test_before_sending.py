"""What a plan says before anything is sent: where to, how long, what is billed, whether there is room."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from laden.store import FolderDestination, parse_destination
from laden.values.events import Event, PlanReady, Progress, Started, Warned
from laden.verbs.load import load
from laden.verbs.planning import _priced
from tests.cli.test_cli import PLAN
from tests.support.dataset import make_dataset


def test_a_disk_without_room_is_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(tmp_path / "source")
    monkeypatch.setattr(FolderDestination, "free_bytes", lambda _: 10)
    seen: list[Event] = []
    load(dataset.folder, str(tmp_path / "there"), dry_run=True, observer=seen.append)
    (told,) = [event.message for event in seen if isinstance(event, Warned)]
    assert told.endswith("has room for 10 B")
    assert any(isinstance(event, PlanReady) for event in seen)


@pytest.mark.parametrize(
    ("destination", "writes", "timed"),
    [
        ("https://acct.blob.core.windows.net/padchest", 905, True),
        ("http://127.0.0.1:10000/devstoreaccount1/padchest", 0, True),
        ("./there", 0, False),
    ],
)
def test_only_a_cloud_bills_and_only_a_link_takes_time(destination: str, writes: int, timed: bool) -> None:
    plan = _priced(PLAN, parse_destination(destination))
    assert plan.writes == writes
    assert bool(plan.assumed_s) == timed
    assert plan.place


def test_neither_planning_nor_the_question_is_in_speed_and_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour goes by while the container is listed, and one until the person has answered."""
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    away_s = 0.0
    told: list[Progress] = []

    def observe(event: Event) -> None:
        nonlocal away_s
        if isinstance(event, Started) and event.stage == "listing":
            away_s += 3600
        if isinstance(event, Progress):
            told.append(event)

    def answer(plan: PlanReady) -> bool:
        nonlocal away_s
        away_s += 3600
        return True

    monkeypatch.setattr("laden.run.run._clock", lambda: time.monotonic() + away_s)
    summary = load(dataset.folder, str(tmp_path / "there"), confirm=answer, observer=observe)
    assert summary.sent == 3
    assert 3600 <= summary.seconds < 7200, "the question is a person's time, the listing is the run's"
    assert summary.moving_seconds < 3600
    assert told
    assert all(progress.seconds < 3600 for progress in told)
    assert told[-1].bytes_per_s >= told[-1].bytes / 3600
