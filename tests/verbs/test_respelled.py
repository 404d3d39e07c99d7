"""Tables in which other programs wrote a place's number otherwise: as a load reads them, all that goes by rows does.

A load has always taken `0.0` and `00` for the archive `0`. What came after it looked for the images under names that
no load gives, and went on without these rows.
"""

import csv
from pathlib import Path

import pytest

import laden
from laden.verbs.copy import copy
from laden.verbs.get import get
from laden.verbs.labels import export_labels
from laden.verbs.properties import set_properties
from laden.verbs.prune import plan_prune
from laden.verbs.verify import verify
from tests.explorer.served import explored
from tests.support import places

IMAGES = {"png/0/a.bin": ("x",), "png/0/b.bin": ("y",), "png/1/a.bin": ("z",)}


class Loaded:
    def __init__(self, folder: Path, zero: str, one: str) -> None:
        """`a.bin` lies in both archives, so that a key alone does not do."""
        self.profile = places.profile(folder, archive="{ImageDir}.zip", of_table='labels = "Label"')
        self.source = places.two_archives(folder / "source")
        self.rows = [(zero, "a.bin", "x"), (zero, "b.bin", "y"), (one, "a.bin", "z")]
        places.table(self.source, self.rows)
        self.there = str(folder / "there")
        done = places.load(self.source, self.there, profile=self.profile)
        assert (done.exit_code, done.matched) == (0, 3)


@pytest.fixture(params=[("0", "1"), ("0.0", "1.0"), ("00", "01"), ("0", "1.0")], ids=str)
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Loaded:
    return Loaded(tmp_path, *request.param)


def brought(folder: Path) -> set[str]:
    return set(places.images(folder))


def exported(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_every_image_has_its_labels(loaded: Loaded, tmp_path: Path) -> None:
    export_labels(loaded.there, tmp_path / "labels.csv", profile=loaded.profile)
    assert {name: (label,) for name, label in exported(tmp_path / "labels.csv")[1:]} == IMAGES
    with laden.open(loaded.there, profile=loaded.profile) as opened:
        assert dict(zip(opened.names, opened.labels, strict=True)) == IMAGES


def test_conditions_mean_all_of_them(loaded: Loaded, tmp_path: Path) -> None:
    for where, names in (("Label IN ('x', 'z')", {"png/0/a.bin", "png/1/a.bin"}), ("ImageDir IN (0, 1)", {*IMAGES})):
        for verb in (get, copy):
            to = tmp_path / f"{verb.__name__}-{len(names)}"
            assert verb(loaded.there, str(to), where=where, profile=loaded.profile).exit_code == 0
            assert brought(to) == names
    assert verify(str(tmp_path / "copy-3")).exit_code == 0


def test_names_are_made_of_what_the_load_read(loaded: Loaded, tmp_path: Path) -> None:
    get(loaded.there, str(tmp_path / "got"), layout="{ImageDir}_{ImageID}", profile=loaded.profile)
    assert brought(tmp_path / "got") == {"0_a.bin", "0_b.bin", "1_a.bin"}


def test_properties_reach_all_of_them(loaded: Loaded) -> None:
    assert set_properties(loaded.there, metadata=["label={Label}"], profile=loaded.profile).acted == 3


def test_what_a_landed_table_names_is_not_pruned(loaded: Loaded, tmp_path: Path) -> None:
    places.table(loaded.source, loaded.rows[1:])
    places.pack(loaded.source / "0.zip", {"b.bin": "0/b"})
    plan = tmp_path / "plan.json"
    plan_prune(loaded.there, [loaded.source], plan_file=plan, profile=loaded.profile)
    assert "png/0/a.bin" not in plan.read_text()


def test_the_explorer_shows_them_by_their_own_rows(loaded: Loaded) -> None:
    with explored(loaded.there, profile=loaded.profile) as asker:
        for name, (label,) in IMAGES.items():
            assert asker.names(asker.post("view", where=[f"Label = '{label}'"])) == [name]


def test_labels_of_two_selections_in_one_place_are_all_exported(tmp_path: Path) -> None:
    profile = places.profile(tmp_path, archive="{ImageDir}.zip", of_table='labels = "Label"')
    source = places.two_archives(tmp_path / "source")
    for label in ("x", "z"):
        where, name = f"Label = '{label}'", f"{label}.csv"
        places.load(source, str(tmp_path / "there"), profile=profile, where=where, table_name=name)
    export_labels(str(tmp_path / "there"), tmp_path / "labels.csv", profile=profile)
    assert exported(tmp_path / "labels.csv") == [["path", "labels"], ["png/0/a.bin", "x"], ["png/1/a.bin", "z"]]


TWO_TABLES = """
name = "t"
title = "t"
layout = "{Path}"
folder = "train/{*}"
[[table]]
name = "train.csv"
subset = "train_small.csv"
key = "Path"
match = "path"
segments = 2
suffixes = [".bin"]
labels = "Label"
[table.columns]
Path = "text"
Label = "text"
[[table]]
name = "valid.csv"
subset = "valid_small.csv"
folder = "valid/{*}"
"""


def test_labels_of_all_tables_are_exported(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(TWO_TABLES)
    source, profile = tmp_path / "source", str(tmp_path / "t.toml")
    for part, names in (("train", "ab"), ("valid", "a")):
        rows = [f"{part}/{name}.bin,{part}-{name}\n" for name in names]
        for name in names:
            places.put(source / part / f"{name}.bin", f"{part}/{name}")
        (source / f"{part}.csv").write_text("Path,Label\n" + "".join(rows))
    assert places.load(source, str(tmp_path / "there"), profile=profile).matched == 3
    export_labels(str(tmp_path / "there"), tmp_path / "labels.csv", profile=profile)
    found = dict(exported(tmp_path / "labels.csv")[1:])
    assert found == {"train/a.bin": "train-a", "train/b.bin": "train-b", "valid/a.bin": "valid-a"}
