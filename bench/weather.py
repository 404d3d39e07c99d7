"""Bad weather over a real socket: laden and AzCopy against an endpoint that refuses, cuts, falls silent or is slow.

`python -m bench.weather [--only noise,burst-1s] [--full]` prints what each tool took beside its own time without any
weather and, for links, beside the ideal; `--simulate` prints the same kinds of cases in virtual time, in seconds.
Each tool runs once a case, AzCopy where `bench.peers` finds it. The quick cases take about six minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import peers
from bench.cases import Build, azcopy_builds
from bench.cases import Setup as BenchSetup
from bench.measure import Cost, run, warm
from bench.server import endpoint
from bench.workloads import Workload, small

LATENCY = ("--latency-ms", "30")
LINK_FILE_BYTES = 6_500_000
"""About a PADCHEST image."""


@dataclass(frozen=True)
class Weather:
    """A case: what befalls a load of small files, or a link that carries large ones."""

    key: str
    options: tuple[str, ...]
    mbit_per_s: float = 0.0
    files: int = 0
    """Of `LINK_FILE_BYTES`; 0 for the small ones."""

    @property
    def ideal_s(self) -> float:
        """What the link alone needs; 0.0 where there is none."""
        return self.files * LINK_FILE_BYTES * 8 / (self.mbit_per_s * 1e6) if self.mbit_per_s else 0.0


def _link(mbit_per_s: float, files: int) -> Weather:
    options = (*LATENCY, "--total-mbps", str(mbit_per_s / 8))
    return Weather(f"{mbit_per_s:g}mbit", options, mbit_per_s, files)


def cases(*, full: bool) -> list[Weather]:
    """The cases, in order; the first two are those that others are compared with."""
    return [
        Weather("clean", LATENCY),
        Weather("clean-0ms", ()),
        Weather("noise", (*LATENCY, "--refused-share", "0.08", "--cut-share", "0.04")),
        Weather("noise-0ms", ("--refused-share", "0.08", "--cut-share", "0.04")),
        Weather("burst-1s", (*LATENCY, "--down", "0.5,1")),
        Weather("burst-5s", (*LATENCY, "--down", "0.5,5")),
        _link(10, 80 if full else 12),
        _link(1, 12 if full else 3),
    ]


def large(work: Path, count: int) -> Workload:
    """Make `count` files of noise."""
    root = work / f"link-{count}"
    folder = root / "extracted"
    if not (root / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / f"{number:03d}.bin").write_bytes(np.random.default_rng(number).bytes(LINK_FILE_BYTES))
        (root / "done").touch()
    return Workload(root, count, count * LINK_FILE_BYTES)


def measure(weather: Weather, setup: BenchSetup, workload: Workload) -> dict[str, Cost]:
    """One run of each tool."""
    builds: list[Build] = [
        lambda url, _: peers.laden(workload.extracted, url, "--profile", "files"),
        *azcopy_builds(setup, lambda az, url, scratch: az.folder(workload.extracted, url, scratch), 8),
    ]
    found = {}
    warm(workload.extracted)
    with endpoint(*weather.options) as served:
        for build in builds:
            served.empty()
            with tempfile.TemporaryDirectory(prefix="weather-", dir=setup.work) as folder:
                peer = build(served.container_url, Path(folder))
                assert peer is not None
                cost = run(peer.command, Path(folder), peer.environment, served)
            if cost.exit_code not in (0, peer.findings_code):
                setup.failures.append(f"{weather.key}: {peer.name}: exit {cost.exit_code}: {cost.stdout[-400:]}")
            found[peer.name] = cost
    return found


def main() -> int:
    """Run the cases; the exit code is 1 if any run failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.weather", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the links with as many files as a night would bring")
    parser.add_argument("--only", default="", help="cases, separated by commas")
    parser.add_argument("--simulate", action="store_true", help="in virtual time instead")
    given = parser.parse_args()
    if given.simulate:
        from tests.store.simulator import main as simulate

        simulate()
        return 0
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "laden-bench"
    cache.mkdir(parents=True, exist_ok=True)
    setup = BenchSetup(cache, False, peers.find_azcopy(cache), None, 1)
    clean: dict[str, dict[str, float]] = {}
    print(f"{'case':10} {'tool':26} {'s':>8} {'clean s':>8} {'ideal s':>8} {'MB sent':>8} {'of MB':>8} {'refused':>8}")
    for weather in cases(full=given.full):
        if given.only and weather.key not in given.only.split(","):
            continue
        workload = large(cache, weather.files) if weather.files else small(cache)
        for name, cost in measure(weather, setup, workload).items():
            if weather.key.startswith("clean"):
                clean.setdefault(name, {})[weather.key] = cost.wall_s
            usual_s = clean.get(name, {}).get("clean-0ms" if weather.key.endswith("0ms") else "clean", 0.0)
            print(
                f"{weather.key:10} {name:26} {cost.wall_s:8.2f} {usual_s:8.2f} {weather.ideal_s:8.1f}"
                f" {cost.requests.get('bytes_in', 0) / 1e6:8.1f} {workload.size_bytes / 1e6:8.1f}"
                f" {cost.requests.get('refused', 0):8}",
                flush=True,
            )
    for failure in setup.failures:
        print(failure, file=sys.stderr)
    return 1 if setup.failures else 0


if __name__ == "__main__":
    sys.exit(main())
