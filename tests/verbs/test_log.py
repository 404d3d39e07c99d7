"""`log_file` of load, check and verify: the runs of a night in one file."""

from __future__ import annotations

import json
from pathlib import Path

from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.dataset import make_dataset


def test_the_runs_of_a_night_follow_each_other_in_one_file(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source")
    night = tmp_path / "night.jsonl"
    check(dataset.folder, log_file=night)
    load(dataset.folder, str(tmp_path / "there"), log_file=night)
    verify(str(tmp_path / "there"), log_file=night)
    lines = [json.loads(line) for line in night.read_text().splitlines()]
    assert [line["command"] for line in lines if line.get("event") == "summary"] == ["check", "load", "verify"]
    assert sum("laden_log" in line for line in lines) == 3
    times = [line["time"] for line in lines if "time" in line]
    assert len(times) == len(lines) - 3
    kinds = {line.get("event") for line in lines}
    assert {"started", "plan", "progress", "summary"} <= kinds
