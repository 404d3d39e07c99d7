"""A load from links, killed at a request, any number of times: it ends identical, and what had landed is not fetched.

`LADEN_LONG=1` kills at fifty moments, `LADEN_SEED` at others.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from laden.values.errors import ExitCode
from laden.verbs.load import load
from tests.remote.server import Call, Play, Server
from tests.remote.test_load import landed, serve
from tests.support.dataset import make_dataset

_KILLS = 50 if os.environ.get("LADEN_LONG") else 2
_SEED = int(os.environ.get("LADEN_SEED", "0"))


@pytest.mark.parametrize("seed", range(_SEED, _SEED + _KILLS))
def test_killed_at_a_request_and_run_again(server: Server, tmp_path: Path, seed: int) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 40, "1": 40}, size=180, deflate=False)
    links = serve(server, dataset)
    drawn = random.Random(seed)
    # Slowly, so that images land while others are on their way.
    pieces = 256 << 10
    running: list[subprocess.Popen[bytes]] = []
    moment = drawn.randrange(6, 22)

    def kill(call: Call) -> Play | None:
        if call.number == moment:
            running[0].send_signal(signal.SIGKILL)
        return Play(delay_s=0.05)

    server.play = kill
    program = (
        "import laden.remote.shelf as s, sys; s.PIECE_BYTES = int(sys.argv.pop(1)); from laden.cli import main; main()"
    )
    command = [sys.executable, "-c", program, str(pieces), "load", *links, str(tmp_path / "there"), "--report", "none"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        running.append(process)
        assert process.wait(120) in (-signal.SIGKILL, ExitCode.COMPLETE)
    there = landed(tmp_path / "there")
    assert there.items() <= dataset.blobs.items()
    server.play = lambda _: None
    server.calls.clear()
    summary = load(links, str(tmp_path / "there"))
    assert summary.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    assert (summary.already_there, summary.sent) == (len(there), len(dataset.blobs) - len(there))
    missing = sum(len(content) for name, content in dataset.blobs.items() if name not in there)
    # First bytes and ends (with the directories), tables, and what lies between members that are missing.
    beside = 2 * ((8 << 10) + (256 << 10)) + 2 * len(dataset.table.read_bytes()) + len(there) * 2_000 + 80 * 400
    gaps = 2 * (128 << 10)
    assert server.sent_bytes <= missing + beside + gaps
