"""Several machines, one load: how much faster than one, and what handing batches out costs.

`unshare --net python -m bench.machines scaling [MBIT]` gives each machine, a network namespace, a link of so many
Mbit/s to the endpoint that discards what it gets, and loads the same archives by one machine and by four shares: whole
commands, until the last of the four has ended. `python -m bench.machines engines` loads over one link by two processes
(`--workers 2`), by an executor of two and by two of Dask's workers, in turns. Each prints one JSON object.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import md5
from pathlib import Path
from statistics import median

from tests.machines.network import HUB, Machine, Passing, begin

from bench.server import endpoint
from laden.verbs.load import load

_MACHINES = 4
_ARCHIVES = 16
_MEMBERS = 20
_MEMBER_BYTES = 2_000_000
_SCALING_MBIT = 40
_ENGINES_MBPS = "40"
_LADEN = str(Path(sys.executable).with_name("laden"))
_ROOT = Path(__file__).resolve().parents[1]


def _archives(folder: Path) -> int:
    """Archives of incompressible members, as many for each of four shares; returns bytes in all.

    A terabyte has a thousand runs, which fall to shares evenly; so few would not, hence their names are chosen so.
    """
    folder.mkdir()
    left = dict.fromkeys(range(_MACHINES), _ARCHIVES // _MACHINES)
    names = iter(f"{number}.zip" for number in range(10_000))
    while any(left.values()):
        name = next(names)
        # As `laden.stages.plan.dealing` has it: the lower half of the MD5, little-endian.
        share = int.from_bytes(md5(name.encode()).digest()[8:], "little") % _MACHINES
        if not left[share]:
            continue
        left[share] -= 1
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in range(_MEMBERS):
                archive.writestr(f"{name[:-4]}-{member}.bin", os.urandom(_MEMBER_BYTES))
    return _ARCHIVES * _MEMBERS * _MEMBER_BYTES


def _command(source: Path, url: str, home: Path, *more: str) -> list[str]:
    findings = str(home / "findings.csv")
    return [_LADEN, "load", str(source), url, "--profile", "files", "--yes", "--report", "none", "--quiet",
            "--findings", findings, *more]  # fmt: skip


def scaling(mbit: int) -> dict[str, object]:
    """One machine against four shares."""
    begin()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, endpoint() as target, ExitStack() as stack:
        work = Path(scratch)
        size_bytes = _archives(work / "source")
        threading.Thread(
            target=Passing((HUB, target.port), ("127.0.0.1", target.port), 0, 0).serve, daemon=True
        ).start()
        machines = [stack.enter_context(Machine(number + 1, work / f"m{number + 1}")) for number in range(_MACHINES)]
        for machine in machines:
            machine.limit(mbit)
            machine.reach(target.port, 0, 0)

        def run(shares: int) -> float:
            target.empty()
            began_s = time.monotonic()
            running = [
                machine.start(
                    *_command(work / "source", target.container_url, machine.home,
                              *(["--share", f"{number}/{shares}"] if shares > 1 else [])),
                    log="load.log",
                )
                for number, machine in enumerate(machines[:shares], 1)
            ]  # fmt: skip
            codes = [process.wait() for process in running]
            assert not any(codes), [(machine.home / "load.log").read_text() for machine in machines[:shares]]
            return round(time.monotonic() - began_s, 2)

        one_s, four_s = run(1), run(_MACHINES)
    return {"bytes": size_bytes, "mbit": mbit, "one_s": one_s, "four_s": four_s, "times": round(one_s / four_s, 2)}


@contextmanager
def _dask() -> Iterator[str]:
    """Two of Dask's workers; the address of their scheduler."""
    from tests.support.dask import Cluster

    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, Cluster(Path(scratch)) as cluster:
        cluster.workers(2)
        yield cluster.address


def engines(rounds: int = 2) -> dict[str, object]:
    """Two processes, an executor of two, two of Dask's workers: seconds of the whole load, in turns."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
        endpoint("--total-mbps", _ENGINES_MBPS) as target,
        _dask() as scheduler,
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor,
    ):
        source = Path(scratch, "source")
        size_bytes = _archives(source)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])
        ways: dict[str, Callable[[], object]] = {
            "workers": lambda: load(str(source), target.container_url, profile="files", workers=2),
            "executor": lambda: load(str(source), target.container_url, profile="files", executor=executor),
            "dask": lambda: load(
                str(source), target.container_url, profile="files", engine="dask", scheduler=scheduler
            ),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                target.empty()
                began_s = time.monotonic()
                way()
                taken[name].append(round(time.monotonic() - began_s, 2))
    base = median(taken["workers"])
    overhead = {name: round(100 * (median(seconds) / base - 1), 1) for name, seconds in taken.items()}
    return {"bytes": size_bytes, "mbps": _ENGINES_MBPS, "seconds": taken, "overhead_percent": overhead}


def main() -> None:
    """Measure what is asked for."""
    if sys.argv[1] == "scaling":
        print(json.dumps(scaling(int(sys.argv[2]) if len(sys.argv) > 2 else _SCALING_MBIT)))
    else:
        print(json.dumps(engines()))


if __name__ == "__main__":
    main()
