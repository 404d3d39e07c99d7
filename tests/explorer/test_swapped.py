"""A place whose load was taken away, or replaced, while a page shows it: no image is shown with labels of another."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laden.stages.loadpage import LOAD
from laden.stages.manifest import MANIFEST
from laden.verbs.load import load
from tests.explorer.served import Asker, explored
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Two of the same names, of other patients."""
    first, second = (make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2}) for _ in range(2))
    with second.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with second.table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "PatientID": f"other-{number}"} for number, row in enumerate(rows))
    return first, second


@pytest.fixture
def dest(datasets: tuple[Dataset, Dataset], tmp_path: Path) -> Path:
    begin(datasets[0].folder, str(tmp_path / "dest"), archives="0,1")
    return tmp_path / "dest"


@pytest.fixture
def asker(dest: Path) -> Iterator[Asker]:
    with explored(str(dest)) as found:
        assert labelled(found)
        yield found


def refreshed(asker: Asker) -> dict[str, Any]:
    asker.post("refresh")
    state: dict[str, Any] = asker.ready()["state"]
    assert state["phase"] == "ready", state["error"]
    return state


def labelled(asker: Asker) -> dict[str, str]:
    """The patient of each image, as the panel, the list and a condition show it."""
    view = asker.post("view", find=".png")
    columns = asker.get("columns")["columns"]
    found = {}
    for name in asker.names(view):
        for row in asker.get("item", name=name)["rows"]:
            found[name] = row["values"][columns.index("PatientID")]
    if "PatientID" in columns:
        shown = asker.get("rows", view=view["view"], **{"from": 0, "n": 100, "column": "PatientID"})["rows"]
        assert {row[1]: row[-1] for row in shown if row[-1] is not None} == found
    return found


def patients(dataset: Dataset) -> dict[str, str]:
    with dataset.table.open(encoding="utf-8", newline="") as file:
        return {f"png/{row['ImageDir']}/{row['ImageID']}": row["PatientID"] for row in csv.DictReader(file)}


def emptied(dest: Path) -> None:
    for path in dest.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def bare(asker: Asker) -> None:
    """Fails where anything of a table is shown."""
    assert labelled(asker) == {}
    assert "PatientID" not in str(asker.get("columns"))
    assert asker.refused("POST", "view", where=["PatientID IS NOT NULL"])[0] == 400
    assert not asker.get("status")["state"]["table"]
    view = asker.post("view", find=".png")["view"]
    assert b"PatientID" not in asker.raw("GET", f"/api/export?view={view}&form=csv")[2]


def test_a_new_load_whose_table_cannot_be_read_has_no_labels_until_it_can(
    asker: Asker, dest: Path, datasets: tuple[Dataset, Dataset]
) -> None:
    emptied(dest)
    load(datasets[1].folder, str(dest), archives="0,1")
    (table,) = dest.glob("*.csv")
    good = table.read_bytes()
    table.write_bytes(good + b"\n")
    assert "The labels cannot be shown" in str(refreshed(asker)["notes"])
    bare(asker)
    table.write_bytes(good)
    assert "The labels cannot be shown" not in str(refreshed(asker)["notes"])
    assert labelled(asker) == patients(datasets[1]) != patients(datasets[0])


def test_a_load_that_is_gone_leaves_nothing_of_it(asker: Asker, dest: Path) -> None:
    emptied(dest)
    refreshed(asker)
    bare(asker)
    assert asker.get("load")["load"] is None
    assert asker.get("status")["items"] == 0


def test_a_load_without_a_table_takes_no_labels_of_the_one_before(
    asker: Asker, dest: Path, datasets: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    for name, data in datasets[0].blobs.items():
        path = flat / Path(name).relative_to("png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    emptied(dest)
    load(flat, str(dest), profile="files")
    refreshed(asker)
    bare(asker)
    assert asker.post("view", find=".png")["rows"] == 5


@pytest.mark.parametrize("lost", [LOAD, MANIFEST, "the table"])
def test_what_proves_labels_is_lost_and_they_go_and_come_with_it(asker: Asker, dest: Path, lost: str) -> None:
    before = labelled(asker)
    path = dest / lost if lost != "the table" else next(dest.glob("*.csv"))
    aside = [(path, path.read_bytes())]
    if lost == LOAD:
        # A table at the root of a place without a load is one that somebody put beside the images.
        table = next(dest.glob("*.csv"))
        aside.append((table, table.read_bytes()))
    for one, _ in aside:
        one.unlink()
    refreshed(asker)
    bare(asker)
    for one, data in aside:
        one.write_bytes(data)
    refreshed(asker)
    assert labelled(asker) == before


def test_a_table_beside_no_load_is_read_anew_when_it_is_another(
    datasets: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    dest, name = tmp_path / "dest", datasets[0].table.name
    load(datasets[0].folder, str(dest), archives="0,1")
    shutil.rmtree(dest / "_laden")
    (dest / "_laden").mkdir()
    page = dest / LOAD
    page.write_text("{}")
    with explored(str(dest)) as asker:
        assert labelled(asker) == patients(datasets[0])
        (dest / name).write_bytes(datasets[1].table.read_bytes())
        refreshed(asker)
        assert labelled(asker) == patients(datasets[1])
        (dest / name).write_bytes(b"nothing,known\n1,2\n")
        refreshed(asker)
        bare(asker)
