"""The recipes for several machines: their commands, with the variables of their scheduler, do one load together."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from tests.support.dataset import make_dataset
from tests.support.harness import landed, sas

EXAMPLES = Path(__file__).parents[2] / "examples" / "machines"


def slurm() -> str:
    return (EXAMPLES / "slurm.sh").read_text("utf-8")


def kubernetes() -> str:
    text = (EXAMPLES / "kubernetes.yaml").read_text("utf-8")
    (command,) = re.findall(r"args:\n +- (.*)\n", text)
    return command


def azureml() -> str:
    text = (EXAMPLES / "azureml.yaml").read_text("utf-8")
    (folded,) = re.findall(r"command: >-\n((?:  .*\n)+)", text)
    command = " ".join(folded.split())
    return command.replace("${{inputs.source}}", "$SOURCE").replace("${{inputs.dest}}", "$DEST")


def batch() -> str:
    command = json.loads((EXAMPLES / "batch-task.json").read_text("utf-8"))["commandLine"]
    (inner,) = re.findall(r"/bin/sh -c '(.*)'", command)
    return str(inner)


@pytest.mark.skipif(sys.platform == "win32", reason="the recipes are shell commands")
@pytest.mark.parametrize(
    ("recipe", "variables"),
    [
        (slurm, {"SLURM_ARRAY_TASK_ID": "{one}", "SLURM_ARRAY_TASK_COUNT": "5", "SLURM_ARRAY_TASK_MIN": "1"}),
        (kubernetes, {"JOB_COMPLETION_INDEX": "{nought}"}),
        (azureml, {"OMPI_COMM_WORLD_RANK": "{nought}", "OMPI_COMM_WORLD_SIZE": "5"}),
        (batch, {"AZ_BATCH_TASK_ID": "load-{one}"}),
    ],
)
def test_the_tasks_of_a_recipe_are_one_load(
    emulator: Emulator, container: str, tmp_path: Path, recipe: Callable[[], str], variables: dict[str, str]
) -> None:
    dataset = make_dataset(tmp_path / "source", {str(number): 1 for number in range(12)}, missing=1)
    (tmp_path / "outputs").mkdir()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SOURCE": str(dataset.folder),
        "DEST": container,
        "LADEN_SAS": sas(emulator, container),
    }
    for task in range(5):
        numbers = {name: text.format(one=task + 1, nought=task) for name, text in variables.items()}
        ran = subprocess.run(
            ["bash", "-c", recipe()], env={**environment, **numbers}, capture_output=True, text=True, check=False
        )
        # An image is missing on purpose, which is a finding of the load, and no reason for a task to fail.
        assert ran.returncode == 0, ran.stderr
        assert "Share" in ran.stdout
    assert set(landed(emulator, container)) == set(dataset.blobs)
    assert load(dataset.folder, container).sent == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the recipes are shell commands")
def test_dask_on_a_laptop(emulator: Emulator, container: str, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    dataset = make_dataset(tmp_path / "source", {"0": 12, "1": 3}, missing=1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SOURCE": str(dataset.folder),
        "DEST": container,
        "PORT": str(port),
        "LADEN_SAS": sas(emulator, container),
    }
    ran = subprocess.run(
        ["bash", str(EXAMPLES / "dask.sh")], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert set(landed(emulator, container)) >= set(dataset.blobs)
    assert load(dataset.folder, container).sent == 0
