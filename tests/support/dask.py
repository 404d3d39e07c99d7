"""A real scheduler and real workers of Dask's on this machine, each a process with a log of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar
from urllib.request import urlopen

T = TypeVar("T")

_DEADLINE_S = 120


class Cluster:
    """A `with` block; workers are started by `worker`, and only what was started here is ended."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Keep logs and scratch files in `folder`; the scheduler gets the arguments."""
        self.folder = folder
        self._arguments = arguments
        self._environment = environment or {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.scheduler: subprocess.Popen[bytes] | None = None
        self._wanted = 0
        self.address = ""
        self.http = ""
        """The address of its pages."""

    def __enter__(self) -> Self:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        arguments = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
        arguments += ["--scheduler-file", str(file), *self._arguments]
        self.scheduler = self._start("dask_scheduler", "scheduler.log", arguments, {})
        facts = wait_for(lambda: json.loads(file.read_text()) if file.exists() and file.stat().st_size else None)
        self.address = facts["address"]
        self.http = f"http://127.0.0.1:{facts['services'].get('dashboard', 0)}"
        return self

    def worker(self, *arguments: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """One more worker, with one thread and no process that would start it anew."""
        name = f"worker-{len(self._processes)}"
        given = [
            self.address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--name",
            name,
            "--death-timeout",
            "20",
            "--memory-limit",
            "2GiB",
        ]
        given += ["--local-directory", str(self.folder), "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        return self._start("dask_worker", f"{name}.log", [*given, *arguments], environment or {})

    def workers(self, count: int, *arguments: str, **more: dict[str, str]) -> "list[subprocess.Popen[bytes]]":
        """So many more, once the scheduler knows all of them."""
        started = [self.worker(*arguments, **more) for _ in range(count)]
        self._wanted += count
        wait_for(lambda: self._known() >= self._wanted)
        return started

    def _known(self) -> int:
        with urlopen(f"{self.http}/json/counts.json", timeout=_DEADLINE_S) as answer:
            return int(json.load(answer)["workers"])

    def log(self) -> str:
        """All that scheduler and workers wrote."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _start(
        self, command: str, log: str, arguments: list[str], environment: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **self._environment, **environment},
            )
        self._processes.append(process)
        return process

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def wait_for(found: Callable[[], T | None]) -> T:
    """What a question answers, once it is something."""
    until_s = time.monotonic() + _DEADLINE_S
    while not (answer := found()):
        assert time.monotonic() < until_s, "it did not come"
        time.sleep(0.05)
    return answer
