"""A load's own notes never go to the archive tier with all that is shown, where nobody could read them for hours."""

from collections.abc import Iterator

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.verify import verify
from tests.explorer.served import Asker, explored
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, landed

ARCHIVE = {"tier": "archive"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 2})


@pytest.fixture
def place(dataset: Dataset, container: str, emulator: Emulator) -> str:
    begin(dataset.folder, container, archives="0")
    with client(emulator, container) as opened:
        opened.upload_blob("below/_laden/load.json", b"{}")
        opened.upload_blob("below/a.txt", b"x")
        opened.upload_blob("laden-views.json", b"{}")
    return container


@pytest.fixture
def asker(place: str) -> Iterator[Asker]:
    with explored(place, write=True) as found:
        found.post("mark", names=found.names(found.post("view", folder="png/"))[:1], mark="exclude")
        found.post("refresh")
        found.ready()
        yield found


def tiers(emulator: Emulator, place: str) -> dict[str, str]:
    with client(emulator, place) as opened:
        return {blob.name: str(blob.blob_tier) for blob in opened.list_blobs()}


def test_all_that_is_shown_goes_to_the_archive_but_for_ladens_own(asker: Asker, place: str, emulator: Emulator) -> None:
    there = set(landed(emulator, place))
    images = {name for name in there if name.endswith(".png")}
    assert {"_laden/load.json", "_laden/marks/marks.csv", "below/_laden/load.json", "laden-views.json"} <= there
    plan = asker.post("plan", action="tier", view=asker.post("view")["view"], values=ARCHIVE)
    assert plan["count"] == len(images) + 1
    assert "more are laden's own and left out (such as " in plan["undo"]
    job = asker.job(asker.post("act", plan=plan["plan"], count=str(plan["count"]))["number"])
    assert job["result"]["outcomes"]["done"] == plan["count"]
    archived = {name for name, tier in tiers(emulator, place).items() if tier == "Archive"}
    assert archived == images | {"below/a.txt"}
    assert asker.ready()["state"]["error"] == ""
    assert verify(place).exit_code == 0


def test_where_all_that_is_shown_is_ladens_own_nothing_is_archived(asker: Asker) -> None:
    view = asker.post("view", folder="_laden/")["view"]
    assert "all of this is laden's own" in asker.refused("POST", "plan", action="tier", view=view, values=ARCHIVE)[1]
    # Another tier can be read at once.
    assert asker.post("plan", action="tier", view=view, values={"tier": "Cool"})["count"] >= 3


def test_what_is_ladens_own_and_chosen_by_name_is_told(asker: Asker) -> None:
    told = asker.post("plan", action="tier", names=["_laden/load.json"], values=ARCHIVE)
    assert told["count"] == 1
    assert "_laden/load.json is laden's own: in the archive tier" in told["undo"]
    images = asker.names(asker.post("view", folder="png/"))
    assert "laden's own" not in asker.post("plan", action="tier", names=images, values=ARCHIVE)["undo"]


def test_a_deletion_of_what_another_load_below_stands_on_is_told(asker: Asker) -> None:
    plan = asker.post("plan", action="delete", view=asker.post("view", folder="below/")["view"])
    assert "below/_laden/load.json is the load's own" in plan["undo"]


@pytest.mark.parametrize("below", ["_laden", "below/_laden"])
def test_where_notes_alone_are_shown_all_are_told(below: str, place: str) -> None:
    """Their names say nothing there: they begin below the folder of notes. A folder of notes is a source."""
    with explored(f"{place}/{below}", write=True) as asker:
        view = asker.post("view")["view"]
        told = asker.post("plan", action="delete", names=["load.json"])
        assert "load.json is the load's own: without that, nobody can prove its images" in told["undo"]
        assert (
            "all of this is laden's own" in asker.refused("POST", "plan", action="tier", view=view, values=ARCHIVE)[1]
        )


def test_a_prefix_that_only_looks_like_that_of_notes_holds_none(container: str, emulator: Emulator) -> None:
    with client(emulator, container) as opened:
        opened.upload_blob("ward_laden/a.txt", b"x")
    with explored(f"{container}/ward_laden", write=True) as asker:
        assert "load's own" not in asker.post("plan", action="delete", names=["a.txt"])["undo"]
