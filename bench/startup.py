"""Start-up: `laden --help`, and ten files to a local Azurite (Microsoft's emulator, run by node)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from bench.measure import Cost, run, summarise
from bench.server import CONTAINER
from bench.workloads import SMALL_SIDE_PIXELS, png

TIMES = 7
FILES = 10
_MAIN_JS = Path("node_modules") / "azurite" / "dist" / "src" / "blob" / "main.js"


def help_case() -> dict[str, Any]:
    """Time `laden --help`."""
    program = Path(sys.executable).with_name("laden")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        costs = [run([program, "--help"], Path(scratch), {}) for _ in range(TIMES)]
    return _as_case("laden --help", costs, 0)


def azurite_case(cache: Path) -> dict[str, Any] | None:
    """Time ten small files to Azurite; None where neither `AZURITE` (its main.js) nor the cache has it, or node."""
    main_js, node = Path(os.environ.get("AZURITE", cache / _MAIN_JS)), shutil.which("node")
    if node is None or not main_js.exists():
        return None
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _azurite(node, main_js) as url:
        source = Path(folder) / "files"
        source.mkdir()
        for i in range(FILES):
            (source / f"{i}.png").write_bytes(png(i, SMALL_SIDE_PIXELS, level=0))
        costs = []
        for turn in range(TIMES):
            # As a person would: with all that a load does by itself, and the emulator's key, which it knows.
            command = [Path(sys.executable).with_name("laden"), "load", source, f"{url}/{CONTAINER}{turn}", "--yes"]
            costs.append(run(command, Path(folder), {}))
    return _as_case("10 files to Azurite", costs, FILES)


def _as_case(title: str, costs: list[Cost], files: int) -> dict[str, Any]:
    row = {**summarise(costs).to_json(), "flags": "", "said": {}}
    return {"title": title, "files": files, "size_bytes": 0, "endpoint": "", "peers": {"laden": row}}


@contextmanager
def _azurite(node: str, main_js: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    command = [node, str(main_js), *options, "--skipApiVersionCheck"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/")
            yield f"http://127.0.0.1:{port}/devstoreaccount1"
        finally:
            process.terminate()


def _wait_for(url: str, limit_s: float = 30.0) -> None:
    """Wait until something answers, with whatever status; raises TimeoutError after the limit."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        try:
            with urlopen(url, timeout=1):
                return
        except URLError as problem:
            if hasattr(problem, "code"):
                return
            time.sleep(0.1)
    raise TimeoutError(f"nothing answered at {url} within {limit_s:.0f} s")
