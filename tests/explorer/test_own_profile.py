"""A load that was made with a profile of one's own: its labels with that file, and a sentence without it."""

import csv
from pathlib import Path

import pytest

from laden.dataset.profile import profile_text
from laden.explorer.stored import StoredPlace
from laden.values.errors import UsageError
from laden.verbs.load import load
from tests.explorer.served import Asker, explored, exploring, serving
from tests.explorer.test_places import Scripted, place_with
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 3, "1": 2})


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "ward.toml"
    path.write_text(profile_text("padchest").replace('name = "padchest"', 'name = "ward"', 1), "utf-8")
    return path


@pytest.fixture(scope="module")
def dest(dataset: Dataset, ward: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("dest") / "dest")
    load(dataset.folder, folder, profile=str(ward), archives="0,1")
    return folder


def rows_of(asker: Asker) -> list[object]:
    view = asker.post("view", find=".png")
    assert len(asker.get("rows", view=view["view"], **{"from": 0, "n": 20})["rows"]) == 5
    return [row for name in asker.names(view) for row in asker.get("item", name=name)["rows"]]


def test_without_its_profile_no_label_is_offered_and_a_note_says_what_to_give(dest: str, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(profile_text("padchest").replace('name = "padchest"', 'name = "other"', 1), "utf-8")
    for profile in (None, str(other)):
        with explored(dest, profile=profile) as asker:
            assert rows_of(asker) == []
            assert "PatientID" not in str(asker.get("columns"))
            assert "no such column" in asker.refused("GET", "facet", view=1, column="PatientID")[1]
            assert asker.refused("POST", "view", where=["PatientID IS NOT NULL"])[0] == 400
            (note,) = asker.get("status")["state"]["notes"]
            assert "the profile 'ward'" in note
            assert "--profile" in note
            assert ("'other'" in note) == (profile is not None)


def test_with_its_profile_labels_are_shown(dest: str, dataset: Dataset, ward: Path) -> None:
    with dataset.table.open(encoding="utf-8", newline="") as file:
        patient = next(csv.DictReader(file))["PatientID"]
    with explored(dest, profile=str(ward)) as asker:
        assert len(rows_of(asker)) == 5
        assert asker.post("view", where=[f"PatientID = '{patient}'"])["rows"] >= 1
        assert asker.get("status")["state"]["notes"] == []


def test_a_profile_is_that_of_a_source_too(dataset: Dataset, ward: Path) -> None:
    with explored(str(dataset.folder), profile=str(ward)) as asker:
        assert len(rows_of(asker)) == 5
        assert asker.job(asker.post("check")["number"])["state"] == "done"


def test_a_profile_that_does_not_fit_the_table_is_a_note(dest: str, ward: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(ward.read_text("utf-8").replace("ImageID", "NoSuch"), "utf-8")
    with explored(dest, profile=str(wrong)) as asker:
        assert rows_of(asker) == []
        assert "NoSuch" in str(asker.get("status")["state"]["notes"])
        assert "PatientID" not in str(asker.get("columns"))


def test_a_profile_that_is_none_is_refused_before_anything_is_served(dest: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError), exploring(dest, profile=str(tmp_path / "none.toml")):
        pass


def test_an_error_of_the_database_that_would_come_again_is_no_reason_to_ask_again(tmp_path: Path) -> None:
    places: list[StoredPlace] = []

    def place() -> StoredPlace:
        places.append(place_with(tmp_path / "place", Scripted([["a", "b"]])))
        return places[0]

    with serving(place, tmp_path) as asker:
        asker.ready()
        view = asker.post("view")["view"]
        places[0].relations.run("ALTER VIEW items RENAME TO gone")
        for name, values in (("item", {"name": "a"}), ("rows", {"view": view})):
            status, told = asker.refused("GET", name, **values)
            assert status == 500
            assert "could not answer" in told
        places[0].index.state.phase = "listing"
        assert asker.get("item", name="a") == {"stale": True}
        places[0].index.state.phase = "ready"
        places[0].relations.run("ALTER VIEW gone RENAME TO items")
        assert asker.names({"view": view}) == ["a", "b"]
