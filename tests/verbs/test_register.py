"""`laden register`: a completed load becomes a datastore and data assets, once; what is there is never changed."""

import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from typer.testing import CliRunner

from laden.cli import verbs_aml  # noqa: F401 - declares the verb
from laden.cli.app import app
from laden.demo.emulator import Emulator
from laden.values.errors import UsageError
from laden.verbs.load import load
from laden.verbs.register import register
from laden.verbs.verify import verify
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import Ran, client, content, landed, run
from tests.support.management import Management, Reply, Request, Route, learning, tally
from tests.support.management.server import GROUP, SUBSCRIPTION

WORKSPACE = "research"


@pytest.fixture
def research(azure: Management) -> Management:
    """Resource Manager with a workspace."""
    learning.add_workspace(azure, WORKSPACE)
    return azure


@pytest.fixture
def loaded(container: str, tmp_path: Path) -> tuple[str, Dataset]:
    """A container with a completed load below a prefix."""
    dataset = make_dataset(tmp_path / "source")
    url = f"{container}/chest"
    assert load(tmp_path / "source", url).complete
    return url, dataset


def registered(azure: Management, url: str, *options: str, env: dict[str, str] | None = None) -> Ran:
    """As the command does it, in this process: each of its own takes a second to start."""
    arguments = ["register", url, "-w", WORKSPACE, "-g", GROUP, *options, "--json"]
    result = CliRunner().invoke(app, arguments, env={**azure.env, **(env or {})})
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def shown(ran: Ran, kind: str) -> list[tuple[str, str]]:
    return [(one["facts"]["name"], one["state"]) for one in ran.events if one.get("kind") == kind]


def warnings(ran: Ran) -> str:
    return " ".join(event["message"] for event in ran.events if event["event"] == "warning")


def puts(azure: Management) -> list[tuple[str, Any]]:
    return [(path.partition(f"/workspaces/{WORKSPACE}/")[2], body["properties"]) for _, path, body in azure.bodies]


def long_sas(emulator: Emulator, url: str, days: float, permission: str = "rl") -> str:
    return generate_container_sas(
        emulator.account,
        url.split("/")[4],
        account_key=emulator.key,
        permission=ContainerSasPermissions.from_string(permission),
        expiry=datetime.now(UTC) + timedelta(days=days),
        version="2023-11-03",
    )


def test_a_load_becomes_a_datastore_and_two_data_assets(
    research: Management, loaded: tuple[str, Dataset], emulator: Emulator
) -> None:
    url, dataset = loaded
    container = url.split("/")[4]
    before = Counter(tally)
    ran = registered(research, url, "--mltable")
    assert ran.code == 0, ran.out
    datastore = f"{emulator.account}_{container.replace('-', '_')}"
    root = f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/workspaces/{WORKSPACE}"
    folder = f"{root}/datastores/{datastore}/paths/chest/"
    page = json.loads(content(emulator, url, "chest/_laden/load.json"))
    noted = {
        "laden_manifest_md5": page["manifest"]["md5"],
        "laden_images": str(len(dataset.blobs)),
        "laden_bytes": str(sum(map(len, dataset.blobs.values()))),
    }
    (path, link), (one, as_folder), (other, as_table) = puts(research)
    assert path == f"datastores/{datastore}"
    assert link["credentials"] == {"credentialsType": "None"}
    assert (link["accountName"], link["containerName"]) == (emulator.account, container)
    assert (one, other) == ("data/chest/versions/1", "data/chest-mltable/versions/1")
    assert (as_folder["dataType"], as_folder["dataUri"], as_folder["properties"]) == ("uri_folder", folder, noted)
    assert (as_table["dataType"], as_table["properties"]) == ("mltable", noted)
    assert as_table["dataUri"] == f"{folder}_laden/mltable/chest-mltable/1/"
    assert as_table["referencedUris"] == ["./labels.jsonl"]
    assert shown(ran, "data asset") == [
        ("azureml:chest:1", "registered"),
        ("azureml:chest-mltable:1", "registered"),
    ]
    assert tally["judged"] - before["judged"] == 3
    assert tally["rejected"] == before["rejected"]
    labels = content(emulator, url, "chest/_laden/mltable/chest-mltable/1/labels.jsonl").decode().splitlines()
    assert {json.loads(line)["image_url"] for line in labels} <= {folder + name for name in dataset.blobs}
    checked = verify(url)
    assert (checked.complete, checked.foreign, checked.findings) == (True, 0, {})


def test_again_it_only_shows(research: Management, loaded: tuple[str, Dataset], emulator: Emulator) -> None:
    url, _ = loaded
    assert registered(research, url, "--mltable").code == 0
    there = landed(emulator, url)
    research.bodies.clear()
    for options in ((), ("--version", "1")):
        ran = registered(research, url, "--mltable", *options)
        assert ran.code == 0, ran.out
        assert {state for _, state in shown(ran, "data asset")} == {"already there, left as it is"}
        assert shown(ran, "datastore")[0][1] == "already there, left as it is"
    assert research.bodies == []
    assert landed(emulator, url) == there


def test_labels_that_were_deleted_are_written_again(
    research: Management, loaded: tuple[str, Dataset], emulator: Emulator
) -> None:
    url, _ = loaded
    assert registered(research, url, "--mltable").code == 0
    there = landed(emulator, url)
    with client(emulator, url) as opened:
        opened.delete_blob("chest/_laden/mltable/chest-mltable/1/MLTable")
    assert registered(research, url, "--mltable").code == 0
    assert landed(emulator, url) == there


def test_other_data_in_the_same_place_are_the_next_version(
    research: Management, container: str, tmp_path: Path, emulator: Emulator
) -> None:
    make_dataset(tmp_path / "source", {"0": 3, "1": 8})
    assert load(tmp_path / "source", container, archives="0").complete
    assert registered(research, container, "--name", "chest", "--mltable").code == 0
    old = content(emulator, container, "_laden/mltable/chest-mltable/1/labels.jsonl")
    assert load(tmp_path / "source", container).complete
    refused = registered(research, container, "--name", "chest", "--version", "1")
    assert refused.code == 2
    assert "azureml:chest:1 is registered already and stands for other data" in refused.summary["message"]
    ran = registered(research, container, "--name", "chest", "--mltable")
    assert [name for name, _ in shown(ran, "data asset")] == ["azureml:chest:2", "azureml:chest-mltable:2"]
    assert content(emulator, container, "_laden/mltable/chest-mltable/1/labels.jsonl") == old
    assert content(emulator, container, "_laden/mltable/chest-mltable/2/labels.jsonl") != old


def test_a_name_has_one_type(research: Management, loaded: tuple[str, Dataset]) -> None:
    url, _ = loaded
    assert registered(research, url, "--name", "chest", "--mltable").code == 0
    ran = registered(research, url, "--name", "chest-mltable")
    assert ran.code == 2
    assert "of the type mltable" in ran.summary["message"]


def test_a_datastore_of_another_container_is_left_alone(
    research: Management, loaded: tuple[str, Dataset], emulator: Emulator
) -> None:
    url, _ = loaded
    assert registered(research, url, "--datastore", "chest").code == 0
    elsewhere = emulator.url(url.split("/")[4] + "-2")
    with client(emulator, elsewhere) as opened:
        opened.create_container()
    before = dict(research.resources)
    ran = registered(research, elsewhere, "--datastore", "chest", "--force")
    assert ran.code == 2
    assert "belongs to" in ran.summary["message"]
    assert "--datastore" in ran.summary["message"]
    assert research.resources == before


def test_what_is_not_complete_is_not_registered(
    research: Management, loaded: tuple[str, Dataset], container: str, emulator: Emulator
) -> None:
    url, dataset = loaded
    nothing = registered(research, container)
    assert nothing.code == 2
    assert "no load was completed" in nothing.summary["message"]
    with client(emulator, url) as opened:
        opened.delete_blob(f"chest/{min(dataset.blobs)}")
    ran = registered(research, url)
    assert ran.code == 3
    assert "not as its manifest says" in ran.summary["message"]
    assert min(dataset.blobs) in ran.summary["message"]
    assert research.bodies == []
    forced = registered(research, url, "--force")
    assert forced.code == 0
    assert "not as its manifest says" in warnings(forced)
    assert registered(research, container, "--force", "--name", "all").code == 0
    refused = registered(research, container, "--force", "--name", "other", "--mltable")
    assert refused.code == 2


def test_it_says_how_to_get_at_the_data(research: Management, loaded: tuple[str, Dataset], tmp_path: Path) -> None:
    url, dataset = loaded
    ran = run("register", url, "-w", WORKSPACE, "-g", GROUP, "--mltable", env=research.env)
    assert ran.code == 0, ran.err
    assert "azureml:chest:1 and azureml:chest-mltable:1" in ran.out
    assert 'Input(type="uri_folder", path="azureml:chest:1", mode="ro_mount")' in ran.out
    assert f'pandas.read_csv(folder + "{dataset.table.name}", dtype=str)' in ran.out
    assert "retired on 2026-09-30" in ran.out
    assert f"laden labels export {url} -o labels.csv" in ran.out
    assert "a rehearsal" in ran.err


def test_without_the_extra_it_is_told_what_to_install(
    research: Management, loaded: tuple[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("azure.mgmt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure.mgmt.storage", None)
    assert registered(research, loaded[0]).code == 0, "azure-mgmt-core is all that it takes"
    for name in [name for name in sys.modules if name.startswith("azure.mgmt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure.mgmt.core", None)
    ran = registered(research, loaded[0])
    assert ran.code == 2
    assert "pip install 'laden[aml]'" in ran.summary["message"]


def test_a_folder_is_not_registered() -> None:
    with pytest.raises(UsageError, match="load to a container"):
        register("./somewhere", WORKSPACE, GROUP)


class TestSecrets:
    def test_a_key_is_tried_and_handed_over(
        self, research: Management, loaded: tuple[str, Dataset], emulator: Emulator
    ) -> None:
        url, _ = loaded
        env = {"AZURE_STORAGE_KEY": emulator.key, "AZURE_STORAGE_ACCOUNT": emulator.account}
        ran = registered(research, url, "--credential", "key", env=env)
        assert ran.code == 0, ran.out
        _, link = puts(research)[0]
        assert link["credentials"]["secrets"] == {"secretsType": "AccountKey", "key": emulator.key}
        assert emulator.key not in ran.out + ran.err
        again = registered(research, url)
        assert "reads with: account key" in warnings(again)

    def test_a_wrong_key_is_not_handed_over(
        self, research: Management, loaded: tuple[str, Dataset], emulator: Emulator
    ) -> None:
        url, _ = loaded
        wrong = "AAAA" + emulator.key[4:]
        # The load is read with a SAS that is good; the key that the datastore would get is not.
        env = {
            "AZURE_STORAGE_KEY": wrong,
            "AZURE_STORAGE_ACCOUNT": emulator.account,
            "LADEN_SAS": long_sas(emulator, url, 1),
        }
        ran = registered(research, url, "--credential", "key", env=env)
        assert ran.code == 4, ran.out
        assert "account key" in ran.summary["message"]
        assert research.bodies == []
        assert wrong not in ran.out + ran.err

    def test_a_sas_that_ends_soon_is_refused(
        self, research: Management, loaded: tuple[str, Dataset], emulator: Emulator
    ) -> None:
        url, _ = loaded
        sas = long_sas(emulator, url, 29)
        ran = registered(research, url, "--credential", "sas", env={"LADEN_SAS": sas})
        assert ran.code == 2
        assert "the SAS ends at" in ran.summary["message"]
        assert "--credential identity" in ran.summary["message"]
        assert research.bodies == []
        assert sas.rpartition("sig=")[2] not in ran.out + ran.err

    def test_a_long_sas_is_tried_and_handed_over(
        self, research: Management, loaded: tuple[str, Dataset], emulator: Emulator
    ) -> None:
        url, _ = loaded
        sas = long_sas(emulator, url, 90)
        ran = registered(research, url, "--credential", "sas", env={"LADEN_SAS": sas})
        assert ran.code == 0, ran.out
        assert puts(research)[0][1]["credentials"]["secrets"] == {"secretsType": "Sas", "sasToken": sas}
        assert sas.rpartition("sig=")[2] not in ran.out + ran.err

    def test_a_secret_that_azure_repeats_is_not_shown(
        self, research: Management, loaded: tuple[str, Dataset], emulator: Emulator
    ) -> None:
        url, _ = loaded

        def repeats(_: Management, request: Request) -> Reply:
            key = request.body["properties"]["credentials"]["secrets"]["key"]
            return Reply(400, {"error": {"code": "UserError", "message": f"The key {key} is not liked."}})

        research.add(Route("PUT", learning.WORKSPACE + "/datastores/.*", repeats))
        env = {"AZURE_STORAGE_KEY": emulator.key, "AZURE_STORAGE_ACCOUNT": emulator.account}
        ran = registered(research, url, "--credential", "key", env=env)
        assert ran.code == 2
        assert "is not liked" in ran.summary["message"]
        assert emulator.key not in ran.out + ran.err

    def test_without_one_it_is_told(self, research: Management, loaded: tuple[str, Dataset]) -> None:
        url, _ = loaded
        ran = registered(research, url, "--credential", "sas")
        assert ran.code == 2
        assert "LADEN_SAS" in ran.summary["message"]


class TestRefusals:
    def test_no_such_workspace(self, azure: Management, loaded: tuple[str, Dataset]) -> None:
        learning.add_workspace(azure, "other")
        ran = registered(azure, loaded[0])
        assert ran.code == 2
        assert f"no Azure ML workspace '{WORKSPACE}' in the resource group {GROUP}" in ran.summary["message"]

    @pytest.mark.parametrize(
        "action", ["workspaces/read", "workspaces/datastores/write", "workspaces/data/versions/write"]
    )
    def test_no_rights(self, research: Management, loaded: tuple[str, Dataset], action: str) -> None:
        research.forbidden.add(f"{learning.PROVIDER}/{action}")
        ran = registered(research, loaded[0])
        assert ran.code == 4
        assert f"Microsoft.MachineLearningServices/{action}" in ran.summary["message"]
        assert "AzureML Data Scientist" in ran.summary["message"]

    def test_throttled_it_waits_as_long_as_it_is_told(self, research: Management, loaded: tuple[str, Dataset]) -> None:
        refusals = throttled(research, 2, {"Retry-After": "1"})
        ran = registered(research, loaded[0])
        assert ran.code == 0, ran.out
        assert ran.summary["complete"]
        assert len(refusals) == 3
        assert all(later - sooner >= 1 for sooner, later in pairwise(refusals))

    def test_throttled_for_good_it_is_told(self, research: Management, loaded: tuple[str, Dataset]) -> None:
        throttled(research, 1_000, {"retry-after-ms": "1"})
        ran = registered(research, loaded[0])
        assert ran.code == 6
        assert "too much to do" in ran.summary["message"]


def throttled(azure: Management, times: int, headers: dict[str, str]) -> list[float]:
    """Refuse the first registrations; returns when each was asked for."""
    asked: list[float] = []
    taking = learning.ROUTES[-1]

    def put(server: Management, request: Request) -> Reply:
        asked.append(time.monotonic())
        if len(asked) > times:
            return taking.handler(server, request)
        return Reply(429, {"error": {"code": "TooManyRequests", "message": "Slow down."}}, headers)

    azure.add(Route("PUT", taking.pattern, put))
    return asked
