"""The cases about what comes back from a container: laden, AzCopy and rclone, each file held against its MD5.

The container is filled once, by a load; the endpoint gives the files' bytes from the workload's folder. Every run
writes into an empty folder of its own, and counts only where all files are there afterwards, as long as they are.

Many small files are removed only when all cases are done. ext4 does not give an inode away again for the first seconds
after its file was deleted, and looks at each such one whenever a file is made (`recently_deleted` in its ialloc.c): a
run right after another's 5,000 files were removed would mostly measure that.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import peers, workloads
from bench.cases import LATENCY, Setup, said
from bench.measure import Cost, run, summarise, warm
from bench.peers import AzCopy, Peer
from bench.server import Endpoint, endpoint
from bench.workloads import Workload

_MANY = 1000
"""Files, above which those of a run are kept to the end; a few large ones would only fill the disk."""

Build = Callable[[str, Path, Path], Peer | None]
"""Makes a peer's command from the container's URL, the folder to fill, and the run's scratch folder."""


def measure_get(key: str, setup: Setup) -> dict[str, Any]:
    """Run one of the cases, and return its table as `bench.cases.measure_case` does."""
    load = workloads.images(setup.work) if key == "get" else workloads.small(setup.work)
    options = LATENCY if key.endswith("30ms") else ()
    title = "1.2 GB of PNGs back to a folder" if key == "get" else f"{load.files:,} files of 20 kB back to a folder"
    costs: dict[str, list[Cost]] = {}
    flags: dict[str, str] = {}
    with endpoint("--serve", str(load.plain), *options) as served:
        served.empty()
        _fill(load, served, setup)
        warm(load.plain)
        for peer, cost in _in_turns(key, load, served, setup):
            costs.setdefault(peer.name, []).append(cost)
            flags[peer.name] = peer.flags
    table = {name: summarise(runs).to_json() for name, runs in costs.items()}
    table = {name: {**row, "flags": flags[name], "said": said(costs[name][-1].stdout)} for name, row in table.items()}
    return {
        "title": title + (" at 30 ms per request" if options else ""),
        "files": load.files,
        "size_bytes": load.size_bytes,
        "endpoint": " ".join(options),
        "peers": table,
    }


def _builds(setup: Setup) -> list[Build]:
    builds: list[Build] = [
        lambda url, folder, scratch: peers.laden_get(url, folder),
        lambda url, folder, scratch: peers.rclone_get(setup.rclone, url, folder, transfers=64),
    ]
    if setup.azcopy is not None:
        azcopy = AzCopy(setup.azcopy, True)
        builds.append(lambda url, folder, scratch: azcopy.get(url, folder, scratch))
    return builds


def _fill(load: Workload, served: Endpoint, setup: Setup) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=setup.work))
    try:
        filled = peers.laden(load.extracted, served.container_url, "--report", "none")
        cost = run(filled.command, scratch, filled.environment, served)
        assert cost.exit_code in (0, filled.findings_code), cost.stderr
    finally:
        shutil.rmtree(scratch)


def _in_turns(key: str, load: Workload, served: Endpoint, setup: Setup) -> Iterator[tuple[Peer, Cost]]:
    builds = _builds(setup)
    for turn in range(setup.runs):
        shift = turn % len(builds)
        for build in builds[shift:] + builds[:shift]:
            with ExitStack() as run_only:
                scratch = Path(tempfile.mkdtemp(prefix="run-", dir=setup.work))
                (setup.kept if load.files > _MANY else run_only).callback(shutil.rmtree, scratch)
                folder = scratch / "got"
                folder.mkdir()
                peer = build(served.container_url, folder, scratch)
                if peer is None:
                    continue
                os.sync()
                cost = run(peer.command, scratch, peer.environment, served)
                print(f"  {key}: {peer.name} {cost.wall_s:.2f} s, CPU {cost.cpu_s:.2f} s", flush=True)
                if not cost.exit_code and not _is_there(load, folder):
                    cost = replace(cost, exit_code=1, stderr="not all files are there")
                if cost.exit_code:
                    setup.failures.append(f"{key}: {peer.name}: exit {cost.exit_code}: {cost.stderr[-400:]}")
                yield peer, cost


def _is_there(load: Workload, folder: Path) -> bool:
    wanted = {path.name: path.stat().st_size for path in load.plain.iterdir() if path.suffix == ".png"}
    found = {path.name: path.stat().st_size for path in folder.rglob("*.png")}
    return wanted == found
