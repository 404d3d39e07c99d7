"""What no stand-in can show: a real workspace takes datastore and data assets, and tells them as they were given."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dataset import make_dataset
from tests.support.harness import run


@pytest.fixture
def workspace(group: str) -> str:
    """The workspace to work in; the test is left out where none is named."""
    if "LADEN_LIVE_WORKSPACE" not in os.environ:
        pytest.skip("needs a workspace: LADEN_LIVE_WORKSPACE names one in the resource group")
    return os.environ["LADEN_LIVE_WORKSPACE"]


@pytest.fixture
def asset(group: str, workspace: str) -> Iterator[str]:
    """A name for data assets; they cannot be deleted, so that they are archived at the end. The datastore goes."""
    from laden.azure.azureml import AML_API
    from laden.azure.clients import session

    name = f"ladenlive{uuid.uuid4().hex[:12]}"
    yield name
    with session(extra="aml") as opened:
        root = (
            f"/subscriptions/{opened.subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
        )
        for data in (name, f"{name}-mltable"):
            path = f"{root}/data/{data}/versions/1"
            properties = opened.get(path, AML_API)["properties"]
            opened.request("PUT", path, AML_API, {"properties": {**properties, "isArchived": True}})
        opened.request("DELETE", f"{root}/datastores/{name}", AML_API)


def test_a_load_is_registered_and_found_again(
    group: str, account_name: str, workspace: str, asset: str, tmp_path: Path
) -> None:
    place = ("--resource-group", group)
    location = os.environ["LADEN_LIVE_LOCATION"]
    made = run(
        "account", "create", account_name, *place, "--location", location, "--assign-role", "--json", timeout_s=900
    )
    assert made.code == 0, made.out
    url = f"{next(event['facts']['endpoint'] for event in made.events if event['event'] == 'shown')}/padchest"
    assert run("container", "create", url).code == 0
    dataset = make_dataset(tmp_path / "source")
    assert run("load", dataset.folder, url, "--yes", timeout_s=300).code == 0
    options = (*place, "--workspace", workspace, "--name", asset, "--datastore", asset, "--mltable", "--json")
    first = run("register", url, *options, timeout_s=300)
    assert first.code == 0, first.out
    again = run("register", url, *options, timeout_s=300)
    assert again.code == 0, again.out
    states = [event["state"] for event in again.events if event.get("kind") in ("datastore", "data asset")]
    assert states == ["already there, left as it is"] * 3
