"""The recipes for several machines: each fits its scheduler's schema, and their commands are one load together."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from laden.demo.emulator import Emulator
from laden.values.share import parse_share
from laden.verbs.load import load
from tests.support.dataset import make_dataset
from tests.support.harness import landed, sas

EXAMPLES = Path(__file__).parents[2] / "examples" / "machines"
SCHEMAS = Path(__file__).parents[1] / "support" / "recipes"


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
        assert "share " in ran.stdout.lower()
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


RECIPES = {
    "kubernetes.yaml": "kubernetes-job.json",
    "azureml.yaml": "azureml-command-job.json",
    "batch-task.json": "batch-task.json",
}


def faults(recipe: object, schema: str) -> list[str]:
    judge = Draft202012Validator(json.loads((SCHEMAS / schema).read_text("utf-8")))
    return [error.message for error in judge.iter_errors(recipe)]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fits_its_schedulers_schema(name: str) -> None:
    recipe = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    assert faults(recipe, RECIPES[name]) == []
    assert faults({**recipe, "misspelt": 1}, RECIPES[name])


def test_the_schemas_see_what_is_wrong_within() -> None:
    recipe = yaml.safe_load((EXAMPLES / "azureml.yaml").read_text("utf-8"))
    assert faults({**recipe, "distribution": {"type": "mpi", "processes": 1}}, "azureml-command-job.json")
    recipe = json.loads((EXAMPLES / "batch-task.json").read_text("utf-8"))
    assert faults({**recipe, "constraints": {"maxRetries": 5}}, "batch-task.json")
    recipe = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text("utf-8"))
    (container,) = recipe["spec"]["template"]["spec"]["containers"]
    container["resources"]["limits"] = ["2Gi"]
    assert faults(recipe, "kubernetes-job.json")


def test_what_no_schema_says_of_the_kubernetes_job() -> None:
    """Rules of the API's reference between fields, which its server checks."""
    spec = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text("utf-8"))["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    # A policy for failed pods needs pods that are not started anew where they are; an index needs completions.
    assert (pod["restartPolicy"], spec["completionMode"]) == ("Never", "Indexed")
    (rule,) = [rule["onExitCodes"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rule["containerName"] == container["name"]
    assert 0 not in rule["values"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert f"--share auto/{spec['completions']} " in kubernetes()


_SBATCH = {
    "job-name": r"\w+",
    "array": r"\d+-\d+(:\d+)?(%\d+)?",
    "cpus-per-task": r"\d+",
    "mem": r"\d+[KMGT]?",
    "time": r"(\d+-)?\d+:\d\d:\d\d",
    "requeue": "",
}
"""Options that the recipe may use, and the form of their values (sbatch(1))."""


@pytest.mark.skipif(sys.platform == "win32", reason="the recipes are shell commands")
def test_the_scripts_are_right_as_far_as_a_shell_and_sbatchs_manual_tell() -> None:
    for script in EXAMPLES.glob("*.sh"):
        ran = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
    lines = slurm().splitlines()
    asked = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    # What follows the first command, sbatch does not read.
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert len(asked) == sum(line.startswith("#SBATCH") for line in lines[:first]) > 0
    for option in asked:
        name, _, value = option.removeprefix("--").partition("=")
        assert re.fullmatch(_SBATCH[name], value), option
    (array,) = [option for option in asked if option.startswith("--array=")]
    last = int(array.rpartition("-")[2])
    told = {"SLURM_ARRAY_TASK_COUNT": str(last), "SLURM_ARRAY_TASK_MIN": "1"}
    shares = {parse_share("auto", {**told, "SLURM_ARRAY_TASK_ID": str(task)}).number for task in range(1, last + 1)}
    assert shares == set(range(1, last + 1))
