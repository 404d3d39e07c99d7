"""The command line of the benchmark; see `bench` for what it does.

`python -m bench [--quick | --full] [--only zip,folder] [--work DIR] [--out DIR]`
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import cases, getting, peers, report, startup
from bench.cases import Case, Setup
from bench.copies import copy_case
from bench.plan_scale import measure_plan
from bench.targets import judge

RUNS = 3
_ROOT = Path(__file__).resolve().parents[1]
_COMPARED: dict[str, Callable[[Setup], Case]] = {
    "zip": cases.zip_case,
    "zip-loose": lambda setup: cases.zip_case(setup, "loose"),
    "folder": cases.folder_case,
    "small-0ms": lambda setup: cases.small_case(setup, ()),
    "small-30ms": lambda setup: cases.small_case(setup, cases.LATENCY),
    "again": cases.again_case,
    **{
        f"throttled-{ms}ms": lambda setup, ms=ms: cases.throttled_case(setup, ms)  # type: ignore[misc]
        for ms in cases.THROTTLED_LATENCIES_MS
    },
    "link": cases.link_case,
    "memory": cases.memory_case,
}
_GETS = ("get", "get-small-0ms", "get-small-30ms")
_QUICK = ("zip", "folder", "small-0ms", "small-30ms", "again", "plan", "help", "azurite", *_GETS)
_ONCE = {"memory"}
_ONCE_IF_QUICK = {"again"}
"""Too long to repeat."""


def main() -> int:
    """Run the cases; the exit code is 1 if any run failed."""
    given = _parse()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "laden-bench"
    work = given.work or cache
    work.mkdir(parents=True, exist_ok=True)
    setup = Setup(work, given.full, peers.find_azcopy(cache), peers.find_rclone(cache), given.runs)
    everything = (*_COMPARED, "plan", "help", "azurite", *_GETS, "copy")
    chosen = given.only.split(",") if given.only else everything if given.full else _QUICK
    unknown = sorted(set(chosen) - set(everything))
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are {', '.join(everything)}", file=sys.stderr)
        return 2
    found: dict[str, Any] = {}
    with setup.kept:
        for key in chosen:
            measured = _measure(key, setup, cache)
            if measured is not None:
                found[key] = measured
    described = {
        **report.machine(setup.azcopy, setup.rclone),
        "mode": "full" if given.full else "quick",
        "runs": setup.runs,
    }
    targets = judge(found)
    report.show(found, targets)
    report.save(given.out / "latest.json", described, found, targets)
    if not given.only:
        report.chart(_ROOT / "docs" / "bench.svg", described, found)
    for failure in setup.failures:
        print(failure, file=sys.stderr)
    return 1 if setup.failures else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure laden beside other tools.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the default: the main cases")
    size.add_argument("--full", action="store_true", help="every case and tool")
    parser.add_argument("--only", default="", help="cases, separated by commas; the chart is then left as it is")
    parser.add_argument("--work", type=Path, help="where workloads are made and kept (about 5 GB; full: 30 GB)")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each tool in each case")
    parser.add_argument("--out", type=Path, default=_ROOT / "bench" / "results", help="for latest.json")
    return parser.parse_args()


def _measure(key: str, setup: Setup, cache: Path) -> dict[str, Any] | None:
    print(f"{key}:", flush=True)
    if key == "plan":
        return measure_plan()
    if key == "help":
        return startup.help_case()
    if key == "copy":
        return copy_case(setup)
    if key == "azurite":
        return startup.azurite_case(cache)
    if key in _GETS:
        return getting.measure_get(key, setup)
    is_once = key in _ONCE or (key in _ONCE_IF_QUICK and not setup.full)
    chosen = replace(setup, runs=1) if is_once else setup
    return cases.measure_case(_COMPARED[key](chosen), chosen)


if __name__ == "__main__":
    sys.exit(main())
