"""A layout that gives names that nothing may have is told as that, before anything is read of archives or written."""

from pathlib import Path

import pytest

from laden.dataset.profile import open_profile
from laden.values.errors import SourceError, UsageError
from laden.verbs.check import check
from laden.verbs.get import get
from laden.verbs.load import load
from laden.verbs.prune import plan_prune
from tests.support.dataset import make_dataset, tiny_png

NEVER = [
    ("{ImageID}/../x", "'name/../x', and none may be given that has a `..` segment"),
    ("./{ImageID}", "has a `.` segment"),
    ("_laden/{ImageID}", "lies in _laden/, where laden keeps its own notes"),
    ("a/_laden/{ImageID}", "lies in _laden/"),
    ("/{ImageID}", "is absolute"),
    ("C:{ImageID}", "starts with a drive letter"),
    ("a\\{ImageID}", "holds a backslash"),
    ("{ImageDir}//{ImageID}", "has an empty segment"),
    ("{ImageID}/", "ends with a slash"),
    ("{ImageDir}./{ImageID}", "has a segment that ends with a dot"),
    ("{ImageID}\x07", "U+0007"),
    ("a/" * 300 + "{ImageID}", "has 301 segments, more than 254"),
    ("a" * 2000 + "{ImageID}", "has 2,004 characters, more than 1,024"),
]


@pytest.mark.parametrize(("layout", "rule"), NEVER)
def test_one_that_can_give_no_good_name_is_refused(layout: str, rule: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1})
    with pytest.raises(UsageError, match="choose another layout") as refused:
        load(dataset.folder, str(tmp_path / "there"), layout=layout)
    assert rule in str(refused.value)
    assert len(str(refused.value)) < 700
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("layout", ["{ImageDir}:{ImageID}", "..{ImageID}", "_laden.{ImageID}", "{ImageID}.x"])
def test_one_that_can_is_not(layout: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    assert load(dataset.folder, str(tmp_path / "there"), layout=layout, dry_run=True).matched == 2


def test_wherever_a_layout_is_given(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1})
    there = str(tmp_path / "there")
    load(dataset.folder, there)
    bad = "{ImageID}/../x"
    for attempt in (
        lambda: load(dataset.folder, there, layout=bad, dry_run=True),
        lambda: get(there, tmp_path / "back", layout=bad),
        lambda: plan_prune(there, dataset.folder, plan_file=tmp_path / "plan.parquet", layout=bad),
    ):
        with pytest.raises(UsageError, match=r"has a `\.\.` segment: choose another layout"):
            attempt()
    assert not (tmp_path / "back").exists()


def test_in_a_profile_the_line_is_named(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('name = "mine"\ntitle = "Mine"\nlayout = "_laden/{path}"\n')
    with pytest.raises(UsageError, match=r"wrong in line 3: 'layout': the layout '_laden/\{path\}' gives names like"):
        open_profile(str(profile))


PROFILE = """name = "mini"
title = "Mini"
layout = "{kind}/{id}"
[table]
name = "labels.csv"
subset = "small.csv"
key = "id"
suffixes = [".png"]
[table.columns]
id = "text"
kind = "text"
"""


def _source(folder: Path, kinds: list[str]) -> tuple[Path, str]:
    """A folder of plain files whose table says of each what kind it is, and its profile."""
    folder.mkdir()
    profile = folder.parent / "mini.toml"
    profile.write_text(PROFILE)
    for number in range(len(kinds)):
        (folder / f"{number}.png").write_bytes(tiny_png(number))
    lines = [f"{number}.png,{kind}" for number, kind in enumerate(kinds)]
    (folder / "labels.csv").write_text("\n".join(["id,kind", *lines, ""]))
    return folder, str(profile)


@pytest.mark.parametrize(
    ("kinds", "rule"),
    [
        (["..", ".."], "'../0.png' has a `..` segment"),
        (["_laden", "a/_laden"], "'_laden/0.png' lies in _laden/"),
        (["", ""], "'/0.png' is absolute"),
        (["x" * 1100] * 2, "has 1,106 characters, more than 1,024"),
        (["a\\b", "a\\c"], "holds a backslash"),
    ],
)
def test_one_whose_every_name_is_bad_by_what_the_rows_say_is_told_with_an_example(
    kinds: list[str], rule: str, tmp_path: Path
) -> None:
    folder, profile = _source(tmp_path / "source", kinds)
    there = str(tmp_path / "there")
    for act in (
        lambda: load(folder, there, profile=profile),
        lambda: load(folder, there, profile=profile, dry_run=True),
        lambda: check(folder, profile=profile),
    ):
        with pytest.raises(UsageError, match=r"gives each row of labels\.csv a name that no blob may have") as refused:
            act()
        assert rule in str(refused.value)
        assert str(refused.value).endswith("choose another --layout")
    assert not Path(there).exists()


def test_names_of_single_rows_are_findings(tmp_path: Path) -> None:
    folder, profile = _source(tmp_path / "source", ["..", "fine", ""])
    summary = load(folder, str(tmp_path / "there"), profile=profile)
    assert (summary.exit_code, summary.sent, summary.findings["row-name"]) == (3, 1, 2)


def test_where_only_such_rows_are_wanted_they_are_named_as_the_cause(tmp_path: Path) -> None:
    folder, profile = _source(tmp_path / "source", ["..", "fine"])
    with pytest.raises(SourceError, match="none of the 1 rows that are wanted can be loaded: see the findings on rows"):
        load(folder, str(tmp_path / "there"), profile=profile, where="kind = '..'")
