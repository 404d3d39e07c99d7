"""The cases that are measured: which workload, which endpoint, which tools; and the loop that runs them in turns.

Every round runs each tool once, starting with another one each time, on an emptied endpoint and in a
scratch folder of its own; the workload is read once before, so that all find it in the page cache.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import peers, workloads
from bench.measure import Cost, run, summarise, warm
from bench.peers import AzCopy, Peer
from bench.server import Endpoint, endpoint
from bench.workloads import Workload

LATENCY = ("--latency-ms", "30")
LINK = (*LATENCY, "--connection-mbps", "60", "--total-mbps", "1000")
THROTTLED_REQUESTS_PER_S = 2000
THROTTLED_LATENCIES_MS = (0, 1, 5, 30)
QUICK_SMALL_FILES = 5000
FIRST_LOAD = "laden, first load"
CONNECTIONS_TRIED = (8, 16, 32, 64, 128)
Build = Callable[[str, Path], Peer | None]
"""Makes a peer's command from the container's URL and the run's scratch folder."""


@dataclass(frozen=True, slots=True)
class Case:
    """One workload against one endpoint."""

    key: str
    title: str
    workload: Workload
    source: Path
    """What is read before, to warm the page cache."""
    builds: list[Build]
    options: tuple[str, ...] = ()
    """Of the endpoint."""
    again: bool = False
    """Blobs stay from run to run, and are there before the first: see `_measure_again`."""


@dataclass(slots=True)
class Setup:
    """What the run was asked for."""

    work: Path
    full: bool
    azcopy: Path | None
    rclone: Path | None
    runs: int
    failures: list[str] = field(default_factory=list)
    kept: ExitStack = field(default_factory=ExitStack)
    """Removes what must stay until all cases are done."""


def azcopy_builds(setup: Setup, make: Callable[[AzCopy, str, Path], Peer], largest_mb: int = 16) -> list[Build]:
    """Build AzCopy tuned, and in full mode with its defaults; nothing where it isn't installed."""
    if setup.azcopy is None:
        return []
    settings = [AzCopy(setup.azcopy, True, largest_mb)] + ([AzCopy(setup.azcopy, False)] if setup.full else [])
    return [lambda url, scratch, az=az: make(az, url, scratch) for az in settings]  # type: ignore[misc]


def zip_case(setup: Setup, shape: str = "images") -> Case:
    """From zips to verified blobs; `images` or `loose` (whose zips really have to be inflated)."""
    load = workloads.images(setup.work, loose=shape == "loose")
    builds: list[Build] = [
        lambda url, scratch: peers.laden(load.deflated, url),
        lambda url, scratch: peers.floor_send(load.plain, url),
        lambda url, scratch: peers.floor_digest(load.deflated),
        *azcopy_builds(setup, lambda az, url, scratch: az.unzip_then_copy(load.deflated, url, scratch)),
    ]
    if setup.azcopy is not None:
        tuned = AzCopy(setup.azcopy, True)
        builds.append(lambda url, scratch: tuned.unzip_overlapped(load.split, url, scratch))
    builds.append(lambda url, scratch: peers.rclone(setup.rclone, load.deflated / "0.zip", url, transfers=16))
    if setup.full:
        builds.append(lambda url, scratch: peers.shortest(load.deflated, url))
        builds.append(lambda url, scratch: peers.laden(load.stored, url, name="laden, stored zip"))
    title = (
        "1.2 GB of PNGs in a deflated zip, with PADCHEST's table"
        if shape == "images"
        else "1.2 GB in a zip that has to be inflated, with PADCHEST's table"
    )
    return Case("zip" if shape == "images" else "zip-loose", title, load, load.root, builds)


def folder_case(setup: Setup) -> Case:
    """From an extracted folder."""
    load = workloads.images(setup.work)
    builds: list[Build] = [
        lambda url, scratch: peers.laden(load.extracted, url),
        *azcopy_builds(setup, lambda az, url, scratch: az.folder(load.plain, url, scratch)),
    ]
    if setup.full:
        builds.append(lambda url, scratch: peers.rclone(setup.rclone, load.plain, url))
        builds.append(lambda url, scratch: peers.rclone(setup.rclone, load.plain, url, transfers=16))
        builds.append(lambda url, scratch: peers.sdk(load.plain, url))
    return Case("folder", "1.2 GB of PNGs in a folder, with PADCHEST's table", load, load.extracted, builds)


def small_case(setup: Setup, options: tuple[str, ...]) -> Case:
    """Small files, with and without latency."""
    load = workloads.small(setup.work, workloads.SMALL_FILES if setup.full else QUICK_SMALL_FILES)
    builds: list[Build] = [
        lambda url, scratch: peers.laden(load.extracted, url),
        lambda url, scratch: peers.rclone(setup.rclone, load.extracted, url, transfers=64),
        *azcopy_builds(setup, lambda az, url, scratch: az.folder(load.extracted, url, scratch), 8),
    ]
    if setup.full:
        builds.append(lambda url, scratch: peers.sdk(load.extracted, url, 64))
    key, where = ("small-30ms", "at 30 ms per request") if options else ("small-0ms", "at 0 ms")
    return Case(key, f"{load.files:,} files of 20 kB {where}", load, load.extracted, builds, options)


def again_case(setup: Setup) -> Case:
    """Run again, with everything there already."""
    load = workloads.there(setup.work)
    builds: list[Build] = [lambda url, scratch: peers.laden(load.split, url)]
    if setup.azcopy is not None:
        azcopy = AzCopy(setup.azcopy, False)
        builds.append(lambda url, scratch: azcopy.sync(load.extracted, url, scratch))
    return Case("again", "160,861 files that are there already", load, load.root, builds, again=True)


def link_case(setup: Setup) -> Case:
    """Load over a link like the cloud's, with laden's own choice of connections and with fixed ones."""
    load = workloads.images(setup.work)

    def fixed(count: int) -> Build:
        options, name = ("--connections", str(count)), f"laden --connections {count}"
        return lambda url, scratch: peers.laden(load.deflated, url, *options, name=name)

    builds: list[Build] = [lambda url, scratch: peers.laden(load.deflated, url)]
    builds += [fixed(count) for count in CONNECTIONS_TRIED]
    return Case("link", "1.2 GB at 30 ms, 60 MB/s per connection", load, load.deflated, builds, LINK)


def throttled_case(setup: Setup, latency_ms: int) -> Case:
    """Load into a service that refuses more than 2,000 requests a second.

    With no latency at all, one request at a time is more than that. Laden alone: AzCopy's waits of up to a minute (20
    tries, 1 s to 60 s) would take most of the benchmark's time.
    """
    load = workloads.there(setup.work, 20_000)
    options = ("--requests-per-s", str(THROTTLED_REQUESTS_PER_S), "--latency-ms", str(latency_ms))
    builds: list[Build] = [lambda url, scratch: peers.laden(load.split, url)]
    title = f"20,000 files at {latency_ms} ms, 503 above 2,000 requests/s"
    return Case(f"throttled-{latency_ms}ms", title, load, load.root, builds, options)


def memory_case(setup: Setup) -> Case:
    """Load 12 GB in 52 archives; its memory is compared with that of `zip`."""
    load = workloads.mix(setup.work)
    builds: list[Build] = [lambda url, scratch: peers.laden(load.split, url)]
    return Case("memory", "12 GB in 52 zips", load, load.split, builds)


def measure_case(case: Case, setup: Setup) -> dict[str, Any]:
    """Run one case and return its table as JSON: `{"title", "files", "size_bytes", "peers": {name: ...}}`."""
    warm(case.source)
    costs: dict[str, list[Cost]] = {}
    flags: dict[str, str] = {}
    runs_in_turn = _measure_again if case.again else _measure_in_turns
    with endpoint(*case.options) as served:
        for peer, cost in runs_in_turn(case, served, setup):
            costs.setdefault(peer.name, []).append(cost)
            flags[peer.name] = peer.flags
    table = {}
    for name, runs in costs.items():
        wants_blobs = None if name.startswith("floor: inflate") else case.workload.files
        summary = summarise(runs, wants_blobs).to_json()
        table[name] = {**summary, "flags": flags[name], "said": said(runs[-1].stdout)}
    return {
        "title": case.title,
        "files": case.workload.files,
        "size_bytes": case.workload.size_bytes,
        "endpoint": " ".join(case.options),
        "peers": table,
    }


def _measure_in_turns(case: Case, served: Endpoint, setup: Setup) -> Iterator[tuple[Peer, Cost]]:
    for turn in range(setup.runs):
        shift = turn % len(case.builds)
        for build in case.builds[shift:] + case.builds[:shift]:
            served.empty()
            done = _run_once(case, build, served, setup)
            if done is not None:
                yield done


def _measure_again(case: Case, served: Endpoint, setup: Setup) -> Iterator[tuple[Peer, Cost]]:
    """Give each tool a container that holds what it would leave there itself, then run it several times.

    Laden loads it once, which shows as a tool of its own; the others find the folder's names and sizes.
    """
    for build in case.builds:
        served.empty()
        first = build(served.container_url, setup.work)
        if first is not None and first.name == "laden":
            filled = _run_once(case, build, served, setup)
            assert filled is not None
            yield replace(first, name=FIRST_LOAD), filled[1]
        else:
            folder = case.workload.extracted
            files = [path for path in folder.rglob("*") if path.is_file()]
            served.preload(
                blobs=[{"name": str(path.relative_to(folder)), "size": path.stat().st_size} for path in files]
            )
        for _ in range(setup.runs):
            done = _run_once(case, build, served, setup)
            if done is not None:
                yield done


def _run_once(case: Case, build: Build, served: Endpoint, setup: Setup) -> tuple[Peer, Cost] | None:
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=setup.work))
    try:
        peer = build(served.container_url, scratch)
        if peer is None:
            return None
        # What earlier runs left to be written to disk is not charged to this one.
        os.sync()
        began_s = time.perf_counter()
        cost = run(peer.command, scratch, peer.environment, served)
        if peer.timed_by_itself and cost.exit_code == 0:
            cost.wall_s = said(cost.stdout).get("seconds", cost.wall_s)
        print(
            f"  {case.key}: {peer.name} {cost.wall_s:.2f} s ({time.perf_counter() - began_s:.1f} s)",
            flush=True,
        )
        if cost.exit_code == peer.findings_code:
            cost.exit_code = 0
        if cost.exit_code:
            setup.failures.append(f"{case.key}: {peer.name}: exit {cost.exit_code}: {cost.stderr[-400:]}")
        return peer, cost
    finally:
        shutil.rmtree(scratch)


def said(stdout: str) -> dict[str, Any]:
    """Return the numbers of the last JSON line: laden's summary, a floor's seconds; else nothing."""
    for line in reversed(stdout.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            return {key: value for key, value in found.items() if isinstance(value, int | float)}
    return {}
