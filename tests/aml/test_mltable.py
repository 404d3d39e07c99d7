"""Microsoft's own `mltable` reads what `laden register --mltable` wrote, offline: the right images and labels."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from laden.azure.azureml import Asset, Datastore, Workspace
from laden.azure.clients import session
from laden.cli.register import notebook
from laden.demo.emulator import Emulator
from laden.stages.labels import MLTABLE
from laden.verbs.labels import export_labels
from laden.verbs.load import load
from laden.verbs.register import Registered, register
from tests.aml import environment
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client
from tests.support.management import Management, learning
from tests.support.management.server import GROUP, SUBSCRIPTION

READ = Path(__file__).with_name("read.py")
WORKSPACE = "research"


@pytest.fixture(scope="session")
def python() -> Path:
    return environment.python()


def read(python: Path, *arguments: object) -> Any:
    """Run `read.py` with no way out: a proxy that nobody is behind, and telemetry off."""
    nowhere = "http://127.0.0.1:9"
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "IDENTITY"))},
        "HTTPS_PROXY": nowhere,
        "HTTP_PROXY": nowhere,
        "AZUREML_DATAPREP_TELEMETRY": "0",
        "DATAPREP_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [python, READ, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def research(azure: Management, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is signed in, and there is a workspace."""
    learning.add_workspace(azure, WORKSPACE)
    for name, value in azure.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 6, "54": 6}, broken=1)


def download(emulator: Emulator, url: str, target: Path) -> None:
    with client(emulator, url) as opened:
        for blob in opened.list_blobs():
            path = target / blob.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(opened.download_blob(blob.name).readall())


@pytest.mark.usefixtures("research")
def test_it_reads_what_was_registered(
    python: Path, emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    url = f"{container}/chest"
    assert load(dataset.folder, url).complete
    registered = register(url, WORKSPACE, GROUP, mltable=True)
    assert registered.labels is not None
    here = tmp_path / "here"
    download(emulator, container, here)
    root, _, path = registered.labels.uri.partition("/paths/")
    found = read(python, here / path)["labels"]

    export_labels(url, tmp_path / "labels.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [(one["resource"], one["labels"]) for one in found] == [
        (f"{registered.datastore.name}/chest/{line['image_url']}", line["label"]) for line in lines
    ]
    assert len(found) > 4
    assert {one["handler"] for one in found} == {"AmlDatastore"}
    assert found[0]["arguments"] == {
        "subscription": SUBSCRIPTION,
        "resourceGroup": GROUP,
        "workspaceName": WORKSPACE,
        "datastoreName": registered.datastore.name,
    }
    assert {(one["details"]["format"], one["details"]["width"]) for one in found} == {("png", 16)}

    # The cell that is printed for notebooks, with the datastore swapped for what lies in it.
    cell = tmp_path / "cell.py"
    printed = notebook(registered)
    assert root in printed
    cell.write_text(printed.replace(f"{root}/paths/", f"{here}/"))
    ran = read(python, here, cell)
    assert ran["labels"] == found
    assert ran["ids"] == list(dataset.rows)


@pytest.mark.usefixtures("research")
def test_names_with_signs_come_out_as_they_are(python: Path, tmp_path: Path) -> None:
    """Unencoded, mltable takes `a?b.png` for `a`."""
    names = ["png/a b.png", "png/a?b#c.png", "png/100%.png", "png/é+&=;.png"]
    with session(extra="aml") as opened:
        workspace = Workspace(opened, GROUP, WORKSPACE)
        lines = [{"image_url": workspace.uri("ds", name), "image_details": {}, "label": ["x"]} for name in names]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "MLTable").write_text(MLTABLE)
    assert [one["resource"] for one in read(python, tmp_path)["labels"]] == [f"ds/{name}" for name in names]


def test_the_cell_without_labels_is_python() -> None:
    folder = Asset("chest", "1", "uri_folder", "azureml://x/datastores/ds/paths/", {})
    linked = Datastore("ds", "a", "c", "identity")
    for table in ("table.csv", ""):
        compile(notebook(Registered(linked, folder, None, table)), "cell", "exec")
