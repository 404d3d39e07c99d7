"""What changes while somebody looks: a SAS ends and another is given, a load goes on and is watched."""

import uuid
from datetime import UTC, datetime

import pytest

from laden.demo.emulator import Emulator
from laden.stages.loadpage import LOAD, Planned, write_unfinished_page
from laden.stages.manifest import MANIFEST
from laden.verbs.load import load
from tests.e2e.test_sas_ends import Policy, secret_of
from tests.explorer.served import explored
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.harness import client, sas


def test_a_sas_that_ends_is_told_and_another_is_taken_in_the_page(
    container: str, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dataset = make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 2, "1": 2})
    begin(dataset.folder, container, archives="0,1")
    policy = Policy(emulator, container)
    with explored(f"{container}?{policy.sas}") as asker:
        name = asker.names(asker.post("view", folder="png/"))[0]
        assert asker.get("status")["ended"] == ""
        policy.set(-60)
        status, told = asker.refused("GET", "pixels", name=name)
        assert status == 403
        assert secret_of(policy.sas) not in told
        told = asker.get("status")["ended"]
        assert "the service does not accept the SAS" in told
        # What was seen stays, and a listing that is refused takes nothing away.
        asker.post("refresh")
        assert asker.ready()["items"] > 4
        other = f"{emulator.url(uuid.uuid4().hex)}?{sas(emulator, container, 'rl')}"
        for wrong in ("", "no SAS at all", policy.sas, other, sas(emulator, container, "w")):
            status, told = asker.refused("POST", "access", sas=wrong)
            assert status in (400, 403)
            assert "sig=" not in told or "signature" in told
        assert asker.get("status")["ended"]
        asker.post("access", sas=f"?{sas(emulator, container, 'rl')}")
        assert (state := asker.ready()["state"])["phase"] == "ready", state["error"]
        assert asker.get("status")["ended"] == ""
        assert asker.raw("GET", f"/api/pixels?name={name}")[0] == 200
        # What is begun from the page has it, too.
        assert asker.job(asker.post("verify")["number"])["state"] == "done"


def test_a_place_without_a_sas_takes_none(container: str) -> None:
    with explored(container) as asker:
        assert asker.get("status")["ended"] == ""
        assert asker.refused("POST", "access", sas="sv=1&sig=x")[0] in (400, 403)


def test_a_load_that_runs_elsewhere_is_watched_until_it_is_complete(
    container: str, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dataset = make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3})
    begin(dataset.folder, container, archives="0")
    there = 4
    planned = Planned(datetime.now(UTC).isoformat(), 7, 10**9)
    page = write_unfinished_page(profile="padchest", layout="png/{ImageDir}/{ImageID}", rows=7, planned=planned)
    with client(emulator, container) as opened:
        opened.delete_blob(MANIFEST)
        opened.upload_blob(LOAD, page, overwrite=True)
    with explored(container) as asker:
        seen = asker.get("load")["watch"]
        assert (seen["images"], seen["images_in_all"], seen["bytes_in_all"]) == (there, 7, 10**9)
        assert seen["runs"]
        # Dates are whole seconds: all may have come in the one that is still going on, which tells no speed.
        if seen["bytes_per_s"]:
            assert seen["left_s"] > 0
            assert seen["images_per_s"] > 0
        load(dataset.folder, container, archives="0,1")
        asker.post("refresh")
        asker.ready()
        told = asker.get("load")
        assert told["load"]["state"] == "complete"
        assert told["load"]["images"] == told["watch"]["images"] == told["fates"]["there"] == 7
        assert told["watch"]["left_s"] is None
        assert asker.get("status")["state"]["table"] == dataset.table.name
