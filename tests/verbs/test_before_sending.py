"""What a plan says before anything is sent: where to, how long, what is billed, whether there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from laden.store import FolderDestination, parse_destination
from laden.values.events import Event, PlanReady, Warned
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
