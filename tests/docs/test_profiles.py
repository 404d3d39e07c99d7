"""The page about profiles: its example is built from the page's own words and really loaded, and no key is left out."""

import csv
import re
import zipfile
from pathlib import Path

import pytest

from laden.dataset.profile import builtin
from laden.dataset.profile.parse import _PROFILE_KEYS, _TABLE_KEYS
from tests.support.harness import run
from tests.support.published import dicom

PAGE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text("utf-8")
SECTION = PAGE[PAGE.index("## Write your own") : PAGE.index("## Every key")]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", SECTION, re.DOTALL)
TREE, TABLE, PROFILE, MISTAKE, LANDED = (text for _, text in BLOCKS)


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """The folder that the page draws."""
    folder = tmp_path / "ward"
    folder.mkdir()
    (folder / "readings.csv").write_text(TABLE)
    number = 0
    for name, *members in (line.split() for line in TREE.splitlines()[1:]):
        if not name.endswith(".zip"):
            (folder / name).touch()
            continue
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in members:
                number += 1
                archive.writestr(member, dicom(number))
    (folder / "readings.csv").write_text(TABLE)
    (tmp_path / "ward.toml").write_text(PROFILE)
    return folder


def test_the_example_loads_as_the_page_says(ward: Path, tmp_path: Path) -> None:
    assert run("profiles", "ward.toml").out == PROFILE
    checked = run("check", ward, "--profile", "ward.toml", "--json")
    assert checked.code == 0
    ran = run("load", ward, tmp_path / "there", "--profile", "ward.toml", "--json")
    assert ran.code == 0, ran.out
    rows, matched, images = map(int, re.findall(r"It tells (\d+) rows, (\d+) matched, (\d+) images", SECTION)[0])
    assert (ran.summary["rows"], ran.summary["matched"], ran.summary["images"]) == (rows, matched, images)
    assert rows == len(list(csv.reader(TABLE.splitlines()))) - 1
    there = tmp_path / "there"
    landed = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert landed - {"_laden/folder.jsonl"} == set(LANDED.split())


def test_the_mistake_that_the_page_shows_is_told_so(ward: Path) -> None:
    Path("ward.toml").write_text(PROFILE.replace("key =", "kye =", 1))
    ran = run("profiles", "ward.toml")
    assert (ran.code, ran.err) == (2, MISTAKE)


def test_every_key_and_every_profile_is_explained() -> None:
    keys = PAGE[PAGE.index("## Every key") :]
    for key in _PROFILE_KEYS:
        assert f"`{key}`" in keys or f"`[{key}]`" in keys, key
    for key in _TABLE_KEYS:
        assert f"`table.{key}`" in keys or f"`[table.{key}]`" in keys, key
    listed = re.findall(r"^\| `([\w-]+)` \|", PAGE[: PAGE.index("## Write")], re.MULTILINE)
    assert sorted(listed) == sorted(profile.name for profile in builtin())
    suspects = next(profile.suspects for profile in builtin() if profile.name == "padchest")
    assert f"the {len(suspects)} names" in PAGE


def test_the_list_of_profiles_shows_each(ward: Path) -> None:
    ran = run("profiles")
    assert ran.code == 0
    for profile in builtin():
        assert re.search(rf"^{profile.name} +\S", ran.out, re.MULTILINE)
        assert all(shape.name in ran.out for shape in profile.tables)
    ran = run("profiles", "padchst")
    assert ran.code == 2
    assert "did you mean 'padchest'?" in ran.err
