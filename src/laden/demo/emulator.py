"""Runs Azurite, Microsoft's emulator of Blob Storage, on this machine: for the demo and the tests.

In order: the first time, Azurite is installed; its blob service starts on a free loopback port, and is waited
for until it says that it listens; on the way out that one process is ended. It also ends by itself when the
process that started it dies: it watches its standard input, a pipe that closes then (`azurite/guard.js`).

It creates no containers and sends no requests: that is the store's part.
"""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Self

from laden.demo.install import VERSION, install, node
from laden.values.errors import LadenError

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account and key that every Azurite has; public, in its README under "Default Storage Account"."""

_START_TIMEOUT_S = 30
_STOP_TIMEOUT_S = 5
_LISTENS = "successfully listens on "


class Emulator:
    """Azurite's blob service, running for as long as the `with` block lasts.

    Not to be entered twice. Nothing but this process's own emulator is ever ended.
    """

    account = ACCOUNT
    key = KEY

    def __init__(
        self,
        folder: Path | None = None,
        port: int = 0,
        *,
        https: tuple[Path, Path] | None = None,
        memory_mb: int = 2048,
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare one; nothing runs yet.

        `folder` is where blobs are kept (None: in memory, gone at the end, `memory_mb` MiB at most); `port` 0
        takes a free one; `https` is the certificate and its key as PEM files, and lets bearer tokens in; `accounts` are
        names and keys in Base64, where there are to be others than the one.
        """
        self._folder = folder
        self._https = https
        self._memory_mb = memory_mb
        self._accounts = accounts or {}
        self._process: subprocess.Popen[str] | None = None
        self._follower: Thread | None = None
        self.port = port
        """The port it listens on, once it runs."""
        self.pid = 0
        """Process id, once it runs."""

    def url(self, container: str = "") -> str:
        """Return the address of the account, or of a container in it (which need not exist)."""
        scheme = "https" if self._https else "http"
        return f"{scheme}://127.0.0.1:{self.port}/{ACCOUNT}/{container}"

    def __enter__(self) -> Self:
        """Start it and wait until it listens. Raises `LadenError` when it does not."""
        self._process = self._start(install())
        listens: Future[str] = Future()
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._follower = Thread(target=_follow, args=(self._process.stdout, listens), daemon=True)
        self._follower.start()
        try:
            self.port = int(listens.result(_START_TIMEOUT_S).rpartition(":")[2])
        except FutureTimeoutError as error:
            self._stop()
            raise LadenError(f"The emulator did not start within {_START_TIMEOUT_S} s; run it again.") from error
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._stop()

    def _start(self, installed: Path) -> subprocess.Popen[str]:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            self._command(installed),
            cwd=installed,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self._environment(),
            # Ctrl-C is for laden, which has requests to finish: the emulator must outlive them.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURITE_")}
        if self._accounts:
            kept["AZURITE_ACCOUNTS"] = ";".join(f"{name}:{key}" for name, key in self._accounts.items())
        return kept

    def _command(self, installed: Path) -> list[str]:
        main = installed / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        command = [str(node()), "--require", str(installed / "guard.js"), str(main)]
        command += ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--disableTelemetry", "--silent"]
        if self._folder is None:
            command += ["--inMemoryPersistence", "--extentMemoryLimit", str(self._memory_mb)]
        else:
            command += ["--location", str(self._folder.absolute())]
        if self._https:
            certificate, key = (str(path.absolute()) for path in self._https)
            command += ["--cert", certificate, "--key", key, "--oauth", "basic"]
        return command

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert self._follower is not None
        # Closing its input makes Azurite write down what a folder should keep, and end; memory keeps nothing.
        process.stdin.close()
        if self._folder is None:
            process.kill()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._follower.join()


def _follow(output: IO[str], listens: Future[str]) -> None:
    """Read all that it prints, so that its pipe never fills; settle `listens` by it."""
    last_lines: deque[str] = deque(maxlen=20)
    with output:
        for line in output:
            last_lines.append(line.strip())
            if _LISTENS in line and not listens.done():
                listens.set_result(line.partition(_LISTENS)[2].strip())
    if not listens.done():
        told = next((line for line in reversed(last_lines) if "rror:" in line), "it ended at once")
        reason = told.removeprefix("Exit due to unhandled error: ")
        listens.set_exception(LadenError(f"The emulator (Azurite {VERSION}) did not start: {reason}."))
