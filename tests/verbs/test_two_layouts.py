"""A second load under another --layout: each table's rows mean the images that its own load landed, for every verb."""

import csv
from pathlib import Path

import pytest

import laden
from laden.verbs.load import load
from laden.verbs.prune import plan_prune
from tests.support.places import images, pack

ROWS = [("0", "a.bin", "p1", "L", "['A']"), ("0", "c.bin", "p1", "PA", "['C']"), ("0", "d.bin", "p2", "L", "['D']")]
PROFILE = """
name = "t"
title = "t"
layout = "png/{dir}/{id}"
archive = "{dir}.zip"
[table]
name = "t.csv"
subset = "t_small.csv"
key = "id"
suffixes = [".bin"]
labels = "labels"
[table.columns]
dir = "integer"
id = "text"
pat = "text"
proj = "text"
labels = "list"
"""


class Place:
    def __init__(self, folder: Path) -> None:
        self.source, self.there, self.profile = folder / "source", folder / "there", folder / "t.toml"
        self.profile.write_text(PROFILE)

    def publish(self, rows: list[tuple[str, ...]]) -> None:
        self.source.mkdir(exist_ok=True)
        with (self.source / "t.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("dir", "id", "pat", "proj", "labels"), *rows])
        pack(self.source / "0.zip", {row[1]: f"image {row[1]}" for row in rows})

    def load(self, **options: object) -> None:
        assert load(self.source, str(self.there), profile=str(self.profile), **options).exit_code == 0  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """All images by their folder; and one of each patient that has a PA, under the patient's name."""
    made = Place(tmp_path)
    made.publish(ROWS)
    made.load(where="dir=0", table_name="all.csv")
    made.load(where="proj='PA'", layout="{pat}.bin", table_name="pa.csv")
    assert images(made.there)["p1.bin"] == "image c.bin"
    return made


@pytest.mark.parametrize("whole", [False, True], ids=["all.csv", "t.csv"])
def test_labels_are_those_of_each_image(place: Place, tmp_path: Path, whole: bool) -> None:
    if whole:
        (tmp_path / "whole").mkdir()
        place = Place(tmp_path / "whole")
        place.publish(ROWS)
        place.load()
        place.load(where="proj='PA'", layout="{pat}.bin", table_name="pa.csv")
    out = tmp_path / "labels.csv"
    laden.export_labels(place.there, out, profile=str(place.profile))
    with out.open(newline="") as file:
        labels = {row["path"]: row["labels"] for row in csv.DictReader(file)}
    assert labels == {"p1.bin": "C", "png/0/a.bin": "A", "png/0/c.bin": "C", "png/0/d.bin": "D"}


def test_a_condition_means_the_images_of_its_rows(place: Place, tmp_path: Path) -> None:
    with laden.open(place.there, where="list_contains(labels,'A')", profile=str(place.profile)) as opened:
        assert [(one.name, one.data) for one in opened] == [("png/0/a.bin", b"image a.bin")]
    laden.get(place.there, tmp_path / "got", where="id='a.bin'", profile=str(place.profile))
    assert images(tmp_path / "got") == {"png/0/a.bin": "image a.bin"}
    laden.copy(place.there, tmp_path / "copied", where="id='a.bin'", profile=str(place.profile))
    assert images(tmp_path / "copied") == {"png/0/a.bin": "image a.bin"}


def test_under_a_new_layout_each_image_has_its_own_name(place: Place, tmp_path: Path) -> None:
    laden.get(place.there, tmp_path / "got", layout="{dir}/{id}", profile=str(place.profile))
    assert images(tmp_path / "got") == {f"0/{name}.bin": f"image {name}.bin" for name in "acd"}


@pytest.mark.parametrize("copied", [False, True], ids=["loaded", "copied"])
def test_what_a_table_of_the_earlier_layout_names_is_not_pruned(place: Place, tmp_path: Path, copied: bool) -> None:
    there = place.there
    if copied:
        there = tmp_path / "copied"
        laden.copy(place.there, there, profile=str(place.profile))
    place.publish(ROWS[1:])
    summary = plan_prune(there, place.source, plan_file=tmp_path / "plan", profile=str(place.profile))
    assert summary.findings == {"prune-kept": 1}
    assert "png/0/a.bin" not in (tmp_path / "plan").read_text()
