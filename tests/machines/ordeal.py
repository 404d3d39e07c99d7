"""Three machines load datasets together while processes are killed and stopped and links are cut, at random moments.

`unshare --net python -m tests.machines.ordeal shares|dask azurite|discarding SEED BLOWS FOLDER` prints one JSON object:
what was done to whom, and whether each destination is what one undisturbed machine made of another one. Shares are
commands of their own, started anew where they were killed; with Dask, the workers and the scheduler are, and the
command is run again where the scheduler's end ended it. A blow is a kill, a stop of some seconds, or once a link that
is down for 20 s. When a dataset is loaded, the machines go on with the next destination, until all blows are dealt.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.server import endpoint

from laden.demo.emulator import ACCOUNT, KEY, Emulator
from tests.machines.network import HUB, Machine, Passing, begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, landed, sas

MACHINES = 3
_DELAY_S = 0.04
_BROKEN_SHARE = 0.002
_PARTED_S = 20.0
_PARTS_FROM = 4
"""Blows: a link is cut in no shorter ordeal."""
_MOST_S = 900.0
"""Of one round."""
_HARMLESS = (0, -signal.SIGKILL, 130, 6, 2)
"""Done; killed; its scheduler is gone; its link was down for long; its scheduler or all workers are not there yet."""
_SCHEDULER_PORT = 28786
_WORKER_TTL_S = 5
"""Stopped for longer, a worker's batch is given to another, and is done twice."""
_LADEN = (sys.executable, "-m", "tests.machines.command")


@dataclass
class Running:
    """A program that must be there, and how it is started anew."""

    start: Callable[[], "subprocess.Popen[bytes]"]
    name: str
    needed: bool
    """Whether it comes to an end by itself, when its work is done."""
    process: "subprocess.Popen[bytes] | None" = None
    codes: list[int] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.needed and bool(self.codes) and self.codes[-1] == 0

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tend(self) -> None:
        """Start it, again where it ended before its work was done."""
        if self.process is not None and (code := self.process.poll()) is not None:
            assert code in _HARMLESS, f"{self.name} ended with {code}"
            self.codes.append(code)
            self.process = None
        if self.process is None and not self.is_done:
            self.process = self.start()

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


def load(source: Path, url: str, home: Path, *more: str) -> list[str]:
    findings = str(home / "findings.csv")
    return [*_LADEN, "load", str(source), url, "--yes", "--json", "--report", "none", "--findings", findings, *more]


class Account:
    """Where the loads go: Azurite, or the endpoint that discards bodies and keeps what a listing shows."""

    key = KEY
    account = ACCOUNT

    def __init__(self, port: int, *, keeps: bool) -> None:
        self.port = port
        self.keeps = keeps
        """Whether what was sent can be read back."""

    def url(self, container: str) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}/{container}"

    def state(self, url: str, folder: str = "") -> dict[str, Any]:
        """Lengths, MD5s and metadata of all that lies in a container or in a folder of it, and the manifest's bytes."""
        found = landed(self, url)  # type: ignore[arg-type]
        there = {name.removeprefix(folder): blob for name, blob in found.items() if name.startswith(folder)}
        with client(self, url) as opened:  # type: ignore[arg-type]
            return {**there, "manifest": opened.download_blob(f"{folder}_laden/manifest.parquet").readall()}


@contextmanager
def account(kind: str) -> Iterator[Account]:
    if kind == "azurite":
        with Emulator() as emulator:
            yield Account(emulator.port, keeps=True)
    else:
        with endpoint() as discarding:
            yield Account(discarding.port, keeps=False)


class Ordeal:
    """One of them."""

    def __init__(self, kind: str, onto: str, seed: int, blows: int, folder: Path) -> None:
        self.kind, self.onto, self.blows, self.folder = kind, onto, blows, folder
        self.chance = random.Random(f"{kind} {onto} {seed}")
        self.done: list[str] = []
        self.parted = blows < _PARTS_FROM

    def run(self) -> dict[str, object]:
        """Do it, and tell."""
        begin()
        begun_s = time.monotonic()
        images = min(120, 30 + 20 * self.blows)
        dataset = make_dataset(self.folder / "source", {str(number): images for number in range(6)}, size=80)
        with account(self.onto) as self.account, ExitStack() as stack:
            self._prepare(dataset)
            self.machines = [
                stack.enter_context(Machine(number + 1, self.folder / f"machine-{number + 1}"))
                for number in range(MACHINES)
            ]
            for machine in self.machines:
                machine.reach(self.account.port, _DELAY_S, _BROKEN_SHARE)
            self.standing = self._standing()
            stack.callback(lambda: [program.end() for program in self.standing])
            rounds = []
            while len(self.done) < self.blows:
                rounds.append(self._round(dataset, f"round-{len(rounds) + 1}/"))
        return {
            "kind": f"{self.kind} onto {self.onto}",
            "blows": self.done,
            "counts": Counter(blow.split()[0] for blow in self.done),
            "images": len(dataset.blobs),
            "seconds": round(time.monotonic() - begun_s),
            "rounds": rounds,
            "ended": {program.name: Counter(map(str, program.codes)) for program in self.standing},
        }

    def _prepare(self, dataset: Dataset) -> None:
        """What one undisturbed machine makes of it, and the way to the servers."""
        port, url, alone = self.account.port, self.account.url("together"), self.account.url("alone")
        with client(self.account, url) as container:  # type: ignore[arg-type]
            container.create_container()
        self.environment = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""}
        if self.account.keeps:
            self.environment["LADEN_SAS"] = sas(self.account, url)  # type: ignore[arg-type]
        subprocess.run(load(dataset.folder, alone, self.folder), check=True, stdout=subprocess.DEVNULL)
        self.expected = self.account.state(alone)
        threading.Thread(target=Passing((HUB, port), ("127.0.0.1", port), 0, 0).serve, daemon=True).start()

    def _round(self, dataset: Dataset, folder: str) -> dict[str, object]:
        """One load by all machines, and what a plain load does after it."""
        url = f"{self.account.url('together')}/{folder}"
        programs = self._programs(dataset.folder, url)
        before = len(self.done)
        try:
            self._torment([*self.standing, *programs])
        finally:
            for program in programs:
                program.end()
        last = subprocess.run(load(dataset.folder, url, self.folder), check=False, stdout=subprocess.PIPE)
        deep = 0
        if self.account.keeps:
            command = [*_LADEN, "verify", url, "--deep", "all", "--quiet", "--findings", str(self.folder / "deep.csv")]
            deep = subprocess.run(command, check=False).returncode
        return {
            "blows": len(self.done) - before,
            "ended": {program.name: Counter(map(str, program.codes)) for program in programs},
            "last": last.returncode,
            "sent_by_last": json.loads(last.stdout.splitlines()[-1])["sent"],
            "deep": deep,
            "same": self.account.state(self.account.url("together"), folder) == self.expected,
        }

    def _programs(self, source: Path, url: str) -> list[Running]:
        """What ends by itself when the round is done."""
        if self.kind == "dask":
            asked = ["--engine", "dask", "--scheduler", f"tcp://{HUB}:{_SCHEDULER_PORT}"]
            command = load(source, url, self.folder, *asked)
            return [Running(lambda: self._hub(command, "load.log"), "load", needed=True)]
        return [
            Running(
                lambda machine=machine, number=number: machine.start(  # type: ignore[misc]
                    *load(source, url, machine.home, "--share", f"{number}/{MACHINES}"),
                    log="load.log",
                    environment=self.environment,
                ),
                f"share {number}",
                needed=True,
            )
            for number, machine in enumerate(self.machines, 1)
        ]

    def _standing(self) -> list[Running]:
        """What is there through all rounds."""
        if self.kind != "dask":
            return []
        scheduler = ["--host", HUB, "--port", str(_SCHEDULER_PORT), "--no-dashboard"]
        worker = [f"tcp://{HUB}:{_SCHEDULER_PORT}", "--nthreads", "1", "--memory-limit", "2GiB", "--no-nanny"]
        self.environment["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = f"{_WORKER_TTL_S}s"
        program = (sys.executable, "-m", "distributed.cli.dask_scheduler", *scheduler)
        return [
            Running(lambda: self._hub(program, "scheduler.log"), "scheduler", needed=False),
            *(
                Running(
                    lambda machine=machine: machine.start(  # type: ignore[misc]
                        *(sys.executable, "-m", "distributed.cli.dask_worker", *worker, "--no-dashboard"),
                        log="work.log",
                        environment=self.environment,
                    ),
                    f"worker {number}",
                    needed=False,
                )
                for number, machine in enumerate(self.machines, 1)
            ),
        ]

    def _hub(self, command: "list[str] | tuple[str, ...]", log: str) -> "subprocess.Popen[bytes]":
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
            )  # fmt: skip

    def _torment(self, programs: list[Running]) -> None:
        until_s = time.monotonic() + _MOST_S
        while not all(program.is_done for program in programs if program.needed):
            assert time.monotonic() < until_s, f"it does not come to its end: {self.done}"
            for program in programs:
                program.tend()
            time.sleep(self.chance.uniform(0.2, 1.5))
            alive = [program for program in programs if program.lives]
            if alive and len(self.done) < self.blows:
                self._blow(self.chance.choice(alive))

    def _blow(self, victim: Running) -> None:
        assert victim.process is not None
        if not self.parted and len(self.done) >= self.blows // 2:
            self.parted = True
            machine = self.chance.choice(self.machines)
            self.done.append(f"part {machine.address}")
            machine.part(_PARTED_S)
        elif self.chance.random() < 0.5:
            self.done.append(f"kill {victim.name}")
            victim.process.kill()
        else:
            self.done.append(f"stop {victim.name}")
            victim.process.send_signal(signal.SIGSTOP)
            time.sleep(self.chance.uniform(1, 2 * _WORKER_TTL_S if victim.name.startswith("worker") else 3))
            victim.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    print(json.dumps(Ordeal(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])).run()))
