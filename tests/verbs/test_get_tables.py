"""What the table that `get` and `copy` lay beside a part is called: never as the table of the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import laden
from laden.dataset.table import Table
from laden.values.events import Summary
from tests.support.dataset import Dataset, make_dataset
from tests.support.places import profile, run, two_archives

HEADER = "ImageDir,ImageID,Label\n"
SUBSET = "PADCHEST_SMALL.csv"


@pytest.fixture
def profiled(tmp_path: Path) -> str:
    return profile(tmp_path, archive="{ImageDir}.zip")


@pytest.fixture
def there(tmp_path: Path, profiled: str) -> Path:
    assert run(two_archives(tmp_path / "source"), tmp_path / "there", profiled).exit_code == 0
    return tmp_path / "there"


def tables(folder: Path) -> dict[str, list[str]]:
    """Names of the tables there, and their records."""
    return {path.name: path.read_text().splitlines()[1:] for path in folder.glob("*.csv")}


def test_a_part_of_a_load_whose_profile_is_not_at_hand_is_no_whole_table(
    there: Path, tmp_path: Path, profiled: str
) -> None:
    got = tmp_path / "got"
    assert laden.get(there, got, where="ImageDir = 0").exit_code == 0
    assert tables(got) == {"t_part.csv": ["0,a.bin,x", "0,b.bin,y"]}
    named = tmp_path / "named"
    assert laden.get(there, named, where="ImageDir = 0", profile=profiled).exit_code == 0
    assert tables(named) == {"t_small.csv": ["0,a.bin,x", "0,b.bin,y"]}
    # Then the whole comes, and the part's table is none of its own: it stays beside it.
    assert laden.get(there, got).exit_code == 0
    assert tables(got)["t.csv"] == tables(there)["t.csv"]


def test_what_is_left_where_an_image_is_gone_is_no_whole_table(there: Path, tmp_path: Path) -> None:
    (there / "png/0/a.bin").unlink()
    assert laden.get(there, tmp_path / "got").exit_code == 3
    assert tables(tmp_path / "got") == {"t_part.csv": ["0,b.bin,y", "1,a.bin,z"]}


def test_a_part_of_a_part_keeps_its_name(tmp_path: Path, profiled: str) -> None:
    there = tmp_path / "there"
    assert run(two_archives(tmp_path / "source"), there, profiled, where="ImageDir = 0").exit_code == 0
    assert laden.get(there, tmp_path / "got", where="Label = 'x'").exit_code == 0
    assert tables(tmp_path / "got") == {"t_small.csv": ["0,a.bin,x"]}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 3, "1": 2})


def keys(folder: Path) -> dict[str, int]:
    """Names of the tables there, and how many records each has, which may take several lines."""
    return {path.name: sum(1 for _ in Table.open(path).records()) for path in folder.glob("*.csv")}


def test_a_selection_of_the_whole_is_not_replaced_by_one_of_an_earlier_selection(
    dataset: Dataset, tmp_path: Path
) -> None:
    there, got = tmp_path / "there", tmp_path / "got"
    assert laden.load(dataset.folder, there, where="ImageDir = 1").exit_code == 0
    assert laden.load(dataset.folder, there).exit_code == 0
    assert keys(there) == {SUBSET: 2, dataset.table.name: 5}
    ended = laden.get(there, got, where="ImageDir < 2", sample=4)
    assert (ended.exit_code, ended.findings, ended.fetched, keys(got)) == (0, {}, 4, {SUBSET: 4})
    assert [(step.step, step.rows) for step in ended.selection] == [("table", 5), ("where", 5), ("sample", 4)]
    # Of the whole, each table comes under its own name, also where an image is gone.
    next((there / "png/0").iterdir()).unlink()
    assert laden.get(there, tmp_path / "rest").findings == {"blob-deleted": 1}
    assert sorted(keys(tmp_path / "rest").values()) == [2, 4]


@pytest.mark.parametrize("verb", [laden.get, laden.copy])
def test_a_selection_of_what_only_selections_landed_has_its_table(
    dataset: Dataset, tmp_path: Path, verb: Callable[..., Summary]
) -> None:
    there, out = tmp_path / "there", tmp_path / "out"
    assert laden.load(dataset.folder, there, where="ImageDir = 1", table_name="one.csv").exit_code == 0
    assert verb(there, out, first=1).exit_code == 0
    assert keys(out) == {SUBSET: 1}
    assert verb(there, tmp_path / "named", first=1, table_name="mine.csv").exit_code == 0
    assert keys(tmp_path / "named") == {"mine.csv": 1}


@pytest.mark.parametrize("verb", [laden.get, laden.copy])
def test_tables_of_two_selections_do_not_take_each_others_place(
    dataset: Dataset, tmp_path: Path, verb: Callable[..., Summary]
) -> None:
    there, out = tmp_path / "there", tmp_path / "out"
    for number in "01":
        ended = laden.load(dataset.folder, there, where=f"ImageDir = {number}", table_name=f"{number}.csv")
        assert ended.exit_code == 0
    ended = verb(there, out, where="ImageDir < 2", table_name="mine.csv")
    assert (ended.exit_code, ended.findings, sorted(keys(out).values())) == (0, {}, [2, 3])
    assert "mine.csv" in keys(out)
    # The first table is the one that was landed last; where none of its rows is chosen, the other one has that name.
    assert verb(there, tmp_path / "0", where="ImageDir = 0", table_name="mine.csv").exit_code == 0
    assert keys(tmp_path / "0") == {"mine.csv": 3}


def test_the_whole_after_a_part_has_its_manifest_at_once(dataset: Dataset, tmp_path: Path) -> None:
    """The part's table gave way to the whole one's, of the same name: that is news, and nothing that is wrong."""
    (dataset.folder / "1.zip").unlink()
    there, got = tmp_path / "there", tmp_path / "got"
    assert laden.load(dataset.folder, there).exit_code == 3
    assert laden.get(there, got, first=1).exit_code == 0
    ended = laden.get(there, got)
    assert (ended.exit_code, ended.findings) == (0, {"get-replaced": 1})
    assert laden.verify(got).exit_code == 0
