"""Three machines load one dataset together while processes are killed and stopped and links are cut, at random moments.

`unshare --net python -m tests.machines.ordeal shares|dask SEED BLOWS FOLDER` prints one JSON object: what was done to
whom, and whether the container is what one undisturbed machine made of another one. Shares are commands of their own,
started anew where they were killed; with Dask, the workers and the scheduler are, and the command is run again where
the scheduler's end ended it. A blow is a kill, a stop of one to three seconds, or once a link that is down for 20 s.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from laden.demo.emulator import Emulator
from tests.machines.network import HUB, Machine, Passing, begin
from tests.support.dataset import make_dataset
from tests.support.harness import COMMAND, client, content, landed, sas

MACHINES = 3
_DELAY_S = 0.04
_BROKEN_SHARE = 0.002
_PARTED_S = 20.0
_PARTS_FROM = 4
"""Blows: a link is cut in no shorter ordeal."""
_MOST_S = 900.0
_HARMLESS = (0, -signal.SIGKILL, 130, 6, 2)
"""Done; killed; its scheduler is gone; its link was down for long; its scheduler or all workers are not there yet."""
_SCHEDULER_PORT = 28786


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

    def tend(self) -> None:
        """Start it, again where it ended before its work was done."""
        if self.process is not None and (code := self.process.poll()) is not None:
            assert code in _HARMLESS, f"{self.name} ended with {code}"
            self.codes.append(code)
            self.process = None
        if self.process is None and not self.is_done:
            self.process = self.start()


def load(source: Path, url: str, home: Path, *more: str) -> list[str]:
    findings = str(home / "findings.csv")
    return [
        str(COMMAND),
        "load",
        str(source),
        url,
        "--yes",
        "--json",
        "--report",
        "none",
        "--findings",
        findings,
        *more,
    ]


class Ordeal:
    """One of them."""

    def __init__(self, kind: str, seed: int, blows: int, folder: Path) -> None:
        self.kind, self.blows, self.folder = kind, blows, folder
        self.chance = random.Random(seed)
        self.done: list[str] = []

    def run(self) -> dict[str, object]:
        """Do it, and tell."""
        begin()
        # So many that they are not over before the blows are.
        images = 40 + 10 * self.blows
        dataset = make_dataset(self.folder / "source", {str(number): images for number in range(6)}, size=80)
        with Emulator() as emulator, ExitStack() as stack:
            url, alone = emulator.url("together"), emulator.url("alone")
            with client(emulator, url) as container:
                container.create_container()
            environment = {"LADEN_SAS": sas(emulator, url), "PYTHONUNBUFFERED": "1"}
            subprocess.run(load(dataset.folder, alone, self.folder), check=True, stdout=subprocess.DEVNULL)
            self._pass_on(emulator.port)
            machines = [
                stack.enter_context(Machine(number + 1, self.folder / f"machine-{number + 1}"))
                for number in range(MACHINES)
            ]
            for machine in machines:
                machine.reach(emulator.port, _DELAY_S, _BROKEN_SHARE)
            begun_s = time.monotonic()
            programs = self._programs(dataset.folder, url, machines, environment)
            try:
                self._torment(programs, machines)
            finally:
                for program in programs:
                    if program.process is not None:
                        program.process.send_signal(signal.SIGCONT)
                        program.process.kill()
                        program.process.wait()
            last = subprocess.run(
                load(dataset.folder, url, self.folder), check=False, stdout=subprocess.PIPE, env=os.environ
            )
            deep = subprocess.run([str(COMMAND), "verify", url, "--deep", "all", "--quiet"], check=False)
            one, other = landed(emulator, alone), landed(emulator, url)
            return {
                "kind": self.kind,
                "blows": self.done,
                "codes": {program.name: program.codes for program in programs},
                "seconds": round(time.monotonic() - begun_s),
                "last": last.returncode,
                "sent_by_last": json.loads(last.stdout.splitlines()[-1])["sent"],
                "deep": deep.returncode,
                "images": len(dataset.blobs),
                "same": {name: blob.md5 for name, blob in one.items()}
                == {name: blob.md5 for name, blob in other.items()}
                and content(emulator, alone, "_laden/manifest.parquet")
                == content(emulator, url, "_laden/manifest.parquet"),
            }

    def _pass_on(self, port: int) -> None:
        """The hub's address stands for its loopback."""
        import threading

        threading.Thread(target=Passing((HUB, port), ("127.0.0.1", port), 0, 0).serve, daemon=True).start()

    def _programs(self, source: Path, url: str, machines: list[Machine], environment: dict[str, str]) -> list[Running]:
        if self.kind == "shares":
            return [
                Running(
                    lambda machine=machine, number=number: machine.start(  # type: ignore[misc]
                        *load(source, url, machine.home, "--share", f"{number}/{MACHINES}"),
                        log="load.log",
                        environment=environment,
                    ),
                    f"share {number}",
                    needed=True,
                )
                for number, machine in enumerate(machines, 1)
            ]
        address = f"tcp://{HUB}:{_SCHEDULER_PORT}"
        scheduler = ["--host", HUB, "--port", str(_SCHEDULER_PORT), "--no-dashboard"]
        worker = [address, "--nthreads", "1", "--memory-limit", "2GiB", "--no-nanny", "--no-dashboard"]
        asked = ["--engine", "dask", "--scheduler", address]
        waits = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s", **environment}
        return [
            Running(lambda: self._here("dask_scheduler", scheduler, waits), "scheduler", needed=False),
            *(
                Running(
                    lambda machine=machine: machine.start(  # type: ignore[misc]
                        sys.executable, "-m", "distributed.cli.dask_worker", *worker, log="work.log", environment=waits
                    ),
                    f"worker {number}",
                    needed=False,
                )
                for number, machine in enumerate(machines, 1)
            ),
            Running(lambda: self._hub(load(source, url, self.folder, *asked), "load.log", waits), "load", needed=True),
        ]

    def _here(self, command: str, arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        return self._hub(
            [sys.executable, "-m", f"distributed.cli.{command}", *arguments], f"{command}.log", environment
        )

    def _hub(self, command: list[str], log: str, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
                env={**os.environ, **environment},
            )  # fmt: skip

    def _torment(self, programs: list[Running], machines: list[Machine]) -> None:
        until_s = time.monotonic() + _MOST_S
        parted = False
        while not all(program.is_done for program in programs if program.needed):
            assert time.monotonic() < until_s, "it does not come to its end"
            for program in programs:
                program.tend()
            time.sleep(self.chance.uniform(0.2, 1.5))
            if len(self.done) >= self.blows:
                continue
            alive = [one for one in programs if one.process is not None and one.process.poll() is None]
            if not alive:
                continue
            victim = self.chance.choice(alive)
            assert victim.process is not None
            if not parted and self.blows >= _PARTS_FROM and len(self.done) >= self.blows // 2:
                parted = True
                machine = self.chance.choice(machines)
                self.done.append(f"part {machine.address}")
                machine.part(_PARTED_S)
            elif self.chance.random() < 0.6:
                self.done.append(f"kill {victim.name}")
                victim.process.kill()
            else:
                self.done.append(f"stop {victim.name}")
                victim.process.send_signal(signal.SIGSTOP)
                time.sleep(self.chance.uniform(1, 7 if victim.name.startswith("worker") else 3))
                victim.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    print(json.dumps(Ordeal(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])).run()))
