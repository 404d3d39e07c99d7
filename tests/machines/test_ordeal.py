"""Machines that are killed, stopped and cut off at random moments make what one undisturbed machine makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CACHE
from tests.machines import network

LONG = bool(os.environ.get("LADEN_LONG"))
BLOWS = 50 if LONG else 2
ORDEALS = [("shares", "azurite"), ("dask", "azurite")]
if LONG:
    ORDEALS += [("shares", "discarding"), ("dask", "discarding")]


@pytest.fixture(scope="module", autouse=True)
def machines() -> None:
    if reason := network.possible():
        pytest.skip(reason)


@pytest.mark.parametrize(("kind", "onto"), ORDEALS)
def test_machines_that_suffer_make_what_one_undisturbed_machine_makes(kind: str, onto: str, tmp_path: Path) -> None:
    if kind == "dask":
        pytest.importorskip("distributed", reason="the extra dask is not installed")
    command = ["unshare", "--net", sys.executable, "-m", "tests.machines.ordeal", kind, onto, "1", str(BLOWS)]
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "LADEN_CACHE": str(CACHE)}
    ran = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, env=environment, cwd=root, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    print(ran.stdout)
    told = json.loads(ran.stdout.splitlines()[-1])
    assert len(told["blows"]) == BLOWS
    assert all((one["same"], one["last"], one["deep"]) == (True, 0, 0) for one in told["rounds"]), told
