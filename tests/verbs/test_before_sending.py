"""What a plan says before anything is sent: where to, how long, what is billed, whether there is room."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from laden.cli import run_command
from laden.demo.emulator import Emulator
from laden.run.loop import run as run_loop
from laden.stages.loadpage import LOAD
from laden.store import FolderDestination, parse_destination
from laden.store.folder import FolderStore
from laden.values.errors import TransientStoreError
from laden.values.events import Event, Measured, PlanReady, Started, Warned
from laden.values.signs import Progress
from laden.verbs.load import load
from laden.verbs.measuring import Pace, measure
from laden.verbs.planning import _priced
from tests.cli.test_cli import PLAN
from tests.support.dataset import make_dataset
from tests.support.harness import landed


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


def test_before_somebody_is_asked_the_way_is_measured_and_nothing_is_left(
    emulator: Emulator, container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person's patience with a link, not with a machine that is busy with other tests.
    monkeypatch.setattr("laden.verbs.measuring._PATIENCE_S", 600.0)
    dataset = make_dataset(tmp_path / "source")
    seen: list[Event] = []
    asked: list[PlanReady] = []
    ended = load(dataset.folder, container, observer=seen.append, confirm=lambda plan: bool(asked.append(plan)))
    assert ended.exit_code == 130
    (told,) = [event for event in seen if isinstance(event, Measured)]
    assert told.bytes_per_s > 0
    assert seen.index(told) > seen.index(asked[0])
    assert landed(emulator, container) == {}
    # Nobody is asked: nobody waits for a measurement.
    load(dataset.folder, container, observer=seen.append)
    assert len([event for event in seen if isinstance(event, Measured)]) == 1


def test_where_there_is_nothing_to_measure_the_assumption_is_told(emulator: Emulator, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source")
    seen: list[Event] = []
    load(dataset.folder, emulator.url("not-yet"), observer=seen.append, confirm=lambda _: False)
    (plan,) = [event for event in seen if isinstance(event, PlanReady)]
    assert [event for event in seen if isinstance(event, Measured)] == [Measured(0.0, plan.assumed_s)]


class Slow(FolderStore):
    """A place behind a line of so many bytes a second; time passes only here."""

    def __init__(self, path: Path, bytes_per_s: float, latency_s: float) -> None:
        super().__init__(path)
        self.now_s = 0.0
        self.sent_bytes = 0
        self._bytes_per_s, self._latency_s = bytes_per_s, latency_s

    async def put_block(self, name: str, block_id: str, data: object, md5: bytes) -> None:
        assert isinstance(data, bytes)
        self.sent_bytes += len(data)
        self.now_s += len(data) / self._bytes_per_s + self._latency_s / 4


@pytest.mark.parametrize("bytes_per_s", [30e3, 1e6, 12.5e6, 1e9])
def test_a_slow_line_is_not_measured_for_long(
    bytes_per_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(tmp_path, bytes_per_s, 0.02)
    monkeypatch.setattr("laden.verbs.measuring.time.perf_counter", lambda: slow.now_s)
    pace = run_loop(measure(slow))
    # What a few requests of 4 MiB carry at most is told, where the line could do more.
    assert bytes_per_s >= pace.bytes_per_s > 0.5 * min(bytes_per_s, 4e8)
    assert slow.sent_bytes <= max(2.5 * bytes_per_s, 256 << 10)
    assert slow.now_s < 10


def test_a_limit_is_part_of_how_long_it_takes(
    container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_dataset(tmp_path / "s").folder
    seen: list[Event] = []
    load(source, container, observer=seen.append, confirm=lambda _: False, limit="1k")
    (plan,) = [event for event in seen if isinstance(event, PlanReady)]
    (told,) = [event for event in seen if isinstance(event, Measured)]
    assert plan.limited_s == told.seconds == pytest.approx(plan.bytes_to_send / 1000)
    assert run_command(["load", str(source), container, "--limit", "1k", "--dry-run", "--report", "none"]) == 0
    assert "within --limit" in capsys.readouterr().out


def test_many_small_images_are_bound_by_their_number() -> None:
    pace = Pace(1e9, 0.08)
    assert pace.seconds(160_000, 10**9) == pytest.approx(800)
    assert pace.seconds(10, 10**12) == pytest.approx(1000)


def test_a_way_that_fails_is_no_measurement_and_no_end(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> Pace:
        raise TransientStoreError("the service is busy")

    monkeypatch.setattr("laden.verbs.measuring.measure", failing)
    seen: list[Event] = []
    assert load(make_dataset(tmp_path / "s").folder, container, observer=seen.append, confirm=lambda _: True).complete
    (told,) = [event for event in seen if isinstance(event, Measured)]
    assert told.bytes_per_s == 0


def test_nothing_is_written_in_a_stage_that_only_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the service is slow to take the first page, the stage says what is waited for."""
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    stage = ""
    written: dict[str, set[str]] = {}

    def observe(event: Event) -> None:
        nonlocal stage
        stage = event.stage if isinstance(event, Started) else stage

    def noted(method: Any) -> Any:
        async def act(self: FolderStore, *given: Any) -> Any:
            written.setdefault(stage, set()).add(given[0] if given else "the folder")
            return await method(self, *given)

        return act

    for name in ("create", "put"):
        monkeypatch.setattr(FolderStore, name, noted(getattr(FolderStore, name)))
    assert load(dataset.folder, str(tmp_path / "there"), observer=observe).complete
    assert set(written) == {"word", "transfer", "manifest"}
    assert written["word"] == {"the folder", LOAD}
