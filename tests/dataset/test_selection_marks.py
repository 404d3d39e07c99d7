"""Marks made in the explorer as columns of a condition: they meet the rows of their images; what is none is told."""

import csv
from pathlib import Path
from typing import Any

import pytest

from laden.dataset.selection.marks import HEADER as KEPT
from laden.values.errors import UsageError
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.select import select
from tests.support.dataset import Dataset, make_dataset
from tests.support.places import pack, profile, table


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 4, "1": 3})


def marks(path: Path, *rows: tuple[str, str, str, str], place: str = "x") -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([KEPT, *((place, *row) for row in rows)])
    return path


@pytest.fixture
def marked(dataset: Dataset, tmp_path: Path) -> Path:
    first, second, third, *_ = dataset.rows
    return marks(
        tmp_path / "laden-marks.csv",
        (f"png/0/{first}", first, "exclude", ""), (f"png/0/{second}", "", "exclude", "too dark"),
        (f"png/0/{third}", third, "look again", ""), ("elsewhere/none.png", "none.png", "exclude", ""),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("laden_mark = 'exclude'", [0, 1]),
        ("LADEN_MARK = 'exclude' AND laden_note IS NULL", [0]),
        ("laden_note = 'too dark'", [1]),
        ("laden_mark IS NULL", [3, 4, 5, 6]),
        ("laden_mark IS DISTINCT FROM 'exclude'", [2, 3, 4, 5, 6]),
        ("laden_mark IS NOT NULL AND ImageDir = 0", [0, 1, 2]),
        ("ImageID IN (SELECT ImageID FROM records WHERE laden_mark = 'look again')", [2]),
    ],
)
def test_a_condition_may_name_them(dataset: Dataset, marked: Path, tmp_path: Path, where: str, kept: list[int]) -> None:
    output = tmp_path / "part.csv"
    told = select(dataset.table, where=where, marks_file=marked, output=output)
    names = list(dataset.rows)
    with output.open(newline="") as file:
        found = [row["ImageID"] for row in csv.DictReader(file)]
    assert told.rows == len(found)
    assert sorted(found) == sorted(names[number] for number in kept)


def test_a_load_leaves_out_what_was_excluded(dataset: Dataset, marked: Path, tmp_path: Path) -> None:
    where = "laden_mark IS DISTINCT FROM 'exclude'"
    assert check(dataset.folder, where=where, marks_file=marked).rows == 5
    told = load(dataset.folder, str(tmp_path / "out"), where=where, marks_file=marked)
    assert (told.sent, told.exit_code) == (5, 0)
    assert not [name for name in list(dataset.rows)[:2] if list((tmp_path / "out").rglob(name))]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"where": "laden_mark = 'exclude'"}, "name it with --marks"),
        ({}, "--marks belongs to a condition"),
        ({"where": "laden_marks = 'x'"}, "did you mean laden_mark"),
        ({"where": "laden_mark = 'never'"}, "selects no row"),
        ({"where": "true", "sample": 1, "by": "laden_mark"}, "is a mark: name a column of the table"),
    ],
)
def test_what_makes_no_sense_is_told(dataset: Dataset, marked: Path, asked: dict[str, Any], sentence: str) -> None:
    given = {} if "name it with" in sentence else {"marks_file": marked}
    with pytest.raises(UsageError, match=sentence):
        select(dataset.table, **asked, **given)


def test_a_file_that_is_no_table_of_marks_is_told(dataset: Dataset, marked: Path, tmp_path: Path) -> None:
    first = next(iter(dataset.rows))
    twice = marks(tmp_path / "twice.csv", ("a", first, "exclude", ""), ("b", first, "look again", ""))
    several = marks(tmp_path / "several.csv", ("a", first, "exclude", ""))
    other = marks(tmp_path / "other.csv", ("a", first, "exclude", ""), place="y").read_text().splitlines()[1]
    several.write_text(f"{several.read_text()}{other}\n")
    strange = tmp_path / "strange.csv"
    strange.write_bytes(b"a,b\n\xff")
    for file, sentence in (
        (twice, "twice and differently"), (several, "of several places, as x and y,"),
        (dataset.table, "is no table of marks"),
        (strange, "no table of marks"),
        (tmp_path / "absent.csv", "cannot be read"), (tmp_path, "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=sentence):
            select(dataset.table, where="laden_mark IS NULL", marks_file=file)


def test_a_mark_of_a_name_that_several_images_have_is_refused(tmp_path: Path) -> None:
    """One mark left out the images of that name in every folder, with an exit code of 0."""
    source, profiled = tmp_path / "same", profile(tmp_path, archive="{ImageDir}.zip")
    table(source, [("0", "a.bin", "x"), ("1", "a.bin", "y"), ("1", "b.bin", "z")])
    pack(source / "0.zip", {"a.bin": "0a"})
    pack(source / "1.zip", {"a.bin": "1a", "b.bin": "1b"})
    marks = tmp_path / "marks.csv"
    where = "laden_mark IS DISTINCT FROM 'exclude'"
    marks.write_text("place,name,key,mark,note\nx,png/0/a.bin,a.bin,exclude,\n")
    with pytest.raises(UsageError, match=r"marks a\.bin, and t\.csv has 2 rows of that name"):
        load(source, tmp_path / "there", profile=profiled, where=where, marks_file=marks)
    marks.write_text("place,name,key,mark,note\nx,png/1/b.bin,b.bin,exclude,\n")
    assert load(source, tmp_path / "there", profile=profiled, where=where, marks_file=marks).images == 2
