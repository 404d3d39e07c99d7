"""The walk of docs/azure.md, line by line as it stands there, in a real shell: from no account to registered data."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.dataset import make_dataset
from tests.support.harness import COMMAND
from tests.support.management import Management, learning, tally

PAGE = Path(__file__).parents[2] / "docs" / "azure.md"
ACCOUNT = "devstoreaccount1"


def walk() -> str:
    """The shell lines below the heading."""
    section = PAGE.read_text("utf-8").partition("## The whole road\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(block)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the walk is written for a shell")
def test_the_walk_in_the_docs(cloud: Management, tmp_path: Path) -> None:
    rejected = tally["rejected"]
    dataset = make_dataset(Path.home() / "padchest", {"0": 3, "1": 2})
    learning.add_workspace(cloud, "research")
    script = walk()
    first = "ACCOUNT=radiographs\nBLOBS=https://$ACCOUNT.blob.core.windows.net\n"
    assert script.startswith(first)
    # Only the two names differ here: the account that Azurite has, and where it is.
    script = f"ACCOUNT={ACCOUNT}\nBLOBS={cloud.url}/{ACCOUNT}\n" + script.removeprefix(first)
    assert cloud.azurite is not None
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, **cloud.env, "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        f"account {ACCOUNT}: created",
        "works",
        "container padchest: created",
        f"{len(dataset.blobs)} sent",
        "All there, unchanged",
        "datastore devstoreaccount1_padchest: created",
        "data asset azureml:padchest:1: registered",
        "data asset azureml:padchest-mltable:1: registered",
    ):
        assert words in done.stdout
    assert tally["rejected"] == rejected
    for secret in (cloud.azurite.key, "Bearer ", "eyJ", "sig="):
        assert secret not in done.stdout + done.stderr
