"""Runs one command and says what it cost: wall time, CPU time, memory, requests, bytes, disk.

CPU time comes from the kernel's accounting of the process and of all children it waited for (`wait4`,
getrusage(2)). Memory is the largest sum of resident sets over the process tree, sampled from /proc twenty
times a second, or the kernel's peak of one process (VmHWM, proc(5)) where that is more; `ru_maxrss` is no
use, as it counts what the process was before it became the command. Standard input is a pipe that stays
open and empty, as AzCopy burns a core reading an input that has ended.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.server import Endpoint

SAMPLE_S = 0.05


@dataclass(slots=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    memory_bytes: int
    exit_code: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    requests: dict[str, Any] = field(default_factory=dict)
    """The endpoint's counts."""
    disk_bytes: int = 0
    """What the run left in its scratch folder: extracted files, plans, logs."""


def run(
    command: Sequence[str | Path], scratch: Path, environment: dict[str, str], served: Endpoint | None = None
) -> Cost:
    """Run `command` in the folder `scratch` and wait for it.

    A command that fails is a result as well: see `exit_code`, `stdout` and `stderr`.
    """
    if served is not None:
        served.reset()
    out_path, err_path = scratch / "stdout", scratch / "stderr"
    with out_path.open("wb") as out, err_path.open("wb") as err:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=scratch,
            env={**os.environ, **environment},
        )
        sampler = _MemorySampler(process.pid)
        status, usage = _wait(process)
        wall_s = time.perf_counter() - began_s
        # wait4 has collected the process already; Popen must not wait for it again.
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
        assert process.stdin is not None
        process.stdin.close()
    return Cost(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory_bytes=sampler.peak_bytes,
        exit_code=process.returncode,
        stdout=out_path.read_text(errors="replace"),
        stderr=err_path.read_text(errors="replace"),
        requests=served.stats() if served is not None else {},
        disk_bytes=disk_bytes(scratch),
    )


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        # Interrupted: the command must not go on alone.
        process.kill()
        raise
    return status, usage


class _MemorySampler:
    """Watch the resident memory of a process and all its descendants in a thread."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_S):
            family = [_resident_bytes(pid) for pid in _family(self._pid)]
            together_bytes = sum(now for now, _ in family)
            self.peak_bytes = max(self.peak_bytes, together_bytes, *(peak for _, peak in family))


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _resident_bytes(pid: int) -> tuple[int, int]:
    """Read a process's resident set now and at its peak; zeros once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS", "VmHWM")))
    now, peak = (int(found.get(key, "0 kB").split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return now, peak


def disk_bytes(folder: Path) -> int:
    """Disk space that the files below a folder take."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def warm(folder: Path) -> None:
    """Read every file once, so that all tools find the page cache alike."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(8 << 20):
                    pass


@dataclass(frozen=True, slots=True)
class Summary:
    """Median and range over the runs of one command."""

    runs: int
    wall_s: float
    wall_range_s: tuple[float, float]
    cpu_s: float
    cpu_range_s: tuple[float, float]
    memory_bytes: int
    requests: int
    refused: int
    bytes_in: int
    disk_bytes: int
    failed: int
    """How many of the runs ended with an exit code other than 0, or did not leave what they should."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return asdict(self)


def summarise(costs: Sequence[Cost], expected_blobs: int | None = None) -> Summary:
    """Medians of a command's runs; a run that left fewer blobs than expected counts as failed."""
    walls, cpus = sorted(cost.wall_s for cost in costs), sorted(cost.cpu_s for cost in costs)
    return Summary(
        runs=len(costs),
        wall_s=statistics.median(walls),
        wall_range_s=(walls[0], walls[-1]),
        cpu_s=statistics.median(cpus),
        cpu_range_s=(cpus[0], cpus[-1]),
        memory_bytes=max(cost.memory_bytes for cost in costs),
        requests=_median_int(cost.requests.get("requests_total", 0) for cost in costs),
        refused=_median_int(cost.requests.get("refused", 0) for cost in costs),
        bytes_in=_median_int(cost.requests.get("bytes_in", 0) for cost in costs),
        disk_bytes=_median_int(cost.disk_bytes for cost in costs),
        failed=sum(_failed(cost, expected_blobs) for cost in costs),
    )


def _median_int(values: Any) -> int:
    return int(statistics.median(values))


def _failed(cost: Cost, expected_blobs: int | None) -> bool:
    left = sum(cost.requests.get("blobs", {}).values())
    return cost.exit_code != 0 or (expected_blobs is not None and left < expected_blobs)
