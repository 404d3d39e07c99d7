"""The log of a run: what happened and when, bounded, at the end of what is there, without secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from laden.run.logfile import LogFile
from laden.values.errors import UsageError
from laden.values.events import Event, Found, Started, Summary, Warned, ignore
from laden.values.ownfiles import is_own
from laden.values.records import Finding, Severity
from laden.values.signs import Outage, Progress

NIGHT_S = datetime(2026, 11, 26, 22, tzinfo=UTC).timestamp()


class Night:
    """A run whose clock a test moves."""

    def __init__(self, path: Path, **more: Any) -> None:
        self.now_s = NIGHT_S
        self.seen: list[Event] = []
        self.log = LogFile(path, self.seen.append, lambda: self.now_s, **more)

    def tell(self, event: Event, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.log.observe(event)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_has_its_time_and_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    night = Night(path)
    events: list[Event] = [Started("listing"), Outage(12.5, over=False, reason="busy"), Summary("load", sent=3)]
    with night.log:
        for event in events:
            night.tell(event, 0.25)
            # At once: what is killed leaves what happened.
            assert lines(path)[-1]["event"] == event.event
    assert night.seen == events
    first, *rest = lines(path)
    assert first["laden_log"][0] == 1
    assert [line["event"] for line in rest] == ["started", "outage", "summary"]
    assert rest[1]["time"] == "2026-11-26T22:00:00.500Z"
    assert rest[1]["seconds"] == 12.5


def test_a_long_night_stays_small_and_shows_its_course(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    night = Night(path)
    with night.log:
        for number in range(200_000):
            night.tell(Progress(number, 200_000, number, 200_000, number, 0), 0.3)
        night.tell(Summary("load"))
    progress = [line for line in lines(path) if line.get("event") == "progress"]
    assert 5_000 < len(progress) < 12_000
    assert path.stat().st_size < 3_000_000
    assert progress[-1]["images"] == 199_999
    assert max(later["images"] - sooner["images"] for sooner, later in pairwise(progress)) < 300


def test_whatever_happens_a_run_adds_no_more_than_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    night = Night(path, most_bytes=50_000)
    with night.log:
        for number in range(3_000):
            night.tell(Found(Finding("image-missing", Severity.ERROR, f"{number}" * 20)), 1)
            night.tell(Warned("x" * 500))
        night.tell(Summary("load", sent=7))
    assert path.stat().st_size < 60_000
    *_, summary, left_out = lines(path)
    assert summary["sent"] == 7
    kept = [line["event"] for line in lines(path)[1:]]
    assert left_out["finding"] + kept.count("finding") == 3_000
    assert left_out["warning"] + kept.count("warning") == 3_000


def test_runs_follow_each_other_also_behind_one_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    for sent in (1, 2):
        night = Night(path)
        with night.log:
            night.tell(Summary("load", sent=sent))
        with path.open("a") as file:
            file.write('{"time": "2026')
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line).get("sent") for line in whole] == [None, 1, None, 2]


def test_a_run_that_breaks_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    night = Night(path)

    def interrupted() -> None:
        with night.log:
            night.tell(Started("listing"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lines(path)[-1]["by"] == "KeyboardInterrupt"


def test_what_is_no_log_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("a,b\n")
    with pytest.raises(UsageError, match="--log"), LogFile(theirs, ignore):
        pass
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="--log"), LogFile(link, ignore):
        pass
    with pytest.raises(UsageError, match="--log"), LogFile(tmp_path / "no" / "a.jsonl", ignore):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.jsonl", "theirs.csv"]
    assert theirs.read_text() == "a,b\n"


def test_it_is_known_again_in_a_source(tmp_path: Path) -> None:
    path = tmp_path / "night.log"
    with LogFile(path, ignore):
        pass
    assert is_own(path)
    (tmp_path / "theirs.log").write_text("ward log\n")
    (tmp_path / "empty.log").write_text("")
    assert not is_own(tmp_path / "theirs.log")
    assert not is_own(tmp_path / "empty.log")


def test_a_full_disk_costs_the_log_and_not_the_run() -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("no device here is full")
    night = Night(device)
    with pytest.raises(UsageError, match="/dev/full is on is full"), night.log:
        pass


def test_secrets_are_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    with LogFile(path, ignore) as log:
        log.observe(Warned("https://a.blob.core.windows.net/c?sv=1&sig=abcdefghijklmnop%3D refused"))
    assert "abcdefgh" not in path.read_text()
