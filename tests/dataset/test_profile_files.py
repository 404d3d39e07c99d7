"""Profile files: what they may say, and what a mistake is answered with."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from laden.dataset.profile import (
    Profile,
    open_profile,
)
from laden.dataset.profile.lines import line_of
from laden.dataset.profile.parse import _PROFILE_KEYS, _TABLE_KEYS
from laden.values.errors import UsageError

# Profile files

GOOD = """\
name = "mine"
title = "Mine"
layout = "img/{Folder}/{Id}"
archive = "part_{Folder}.zip"
expected = "001-003"
folder = "{Folder}/{Id}"

[table]
name = "mine*.csv"
subset = "small.csv"
key = "Id"
suffixes = [".PNG", ".jpg"]

[table.columns]
Id = "text"
Folder = "integer"
"""


def opened(folder: Path, text: str) -> Profile:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return open_profile(str(path))


def test_own_profile(tmp_path: Path) -> None:
    profile = opened(tmp_path, GOOD)
    assert profile.expected == ("001", "002", "003")
    assert profile.table is not None
    assert profile.archive is not None
    assert profile.table.suffixes == (".png", ".jpg")
    assert (profile.table.labels, profile.table.ignore_case) == (None, False)
    assert profile.archive.match("part_002.zip") == {"Folder": "002"}


MISTAKES = {
    "line": ("layout =", "layot =", r"is wrong in line 3: there is no key 'layot'"),
    "line of a table's key": ('key = "Id"', 'key = "Idd"', "is wrong in line 11: 'table.key'"),
    "line of a column": ('"integer"', '"intger"', "is wrong in line 16: 'table.columns'"),
    "line of a table that lacks a key": ('key = "Id"\n', "", "is wrong in line 8: the key 'table.key' is missing"),
    "match": ('key = "Id"', 'key = "Id"\nmatch = "stam"', r"line 12: 'table.match' is 'stam' \(did you mean 'stem'"),
    "rows": ('key = "Id"', 'key = "Id"\nrows_per_image = "3"', "'table.rows_per_image' is '3'; write one of one, many"),
    "rows no text": ('key = "Id"', 'key = "Id"\nrows_per_image = 3', "'table.rows_per_image' is 3; write text in"),
    "segments of no path": ('key = "Id"', 'key = "Id"\nsegments = 2', 'line 12: .* write match = "path"'),
    "segments below nought": ('key = "Id"', 'key = "Id"\nmatch = "path"\nsegments = -2', "line 13: .* is -2"),
    "segments no number": ('key = "Id"', 'key = "Id"\nsegments = true', "'table.segments' is True; write a number"),
    "signs": ('key = "Id"', 'key = "Id"\nrecognised_by = ["Fodler"]', r"line 12: .*did you mean 'Folder'"),
    "layout of a table": (
        'key = "Id"',
        'key = "Id"\nlayout = "{Foldr}"',
        r"line 12: 'table.layout' names 'Foldr' \(did",
    ),
    "sidecars": ("\n[table]", 'sidecars = [""]\n[table]', "line 7: 'sidecars' holds ''; write names of files"),
    "not TOML": ('"Mine"\n', '"Mine\n', r"is not TOML: .*line 2.*; correct that line"),
    "unknown key": ("layout =", "layot =", r"no key 'layot' \(did you mean 'layout'\?\)"),
    "unknown key of the table": (
        "subset =",
        "subsets =",
        r"no key 'table.subsets' \(did you mean 'subset'\?\)",
    ),
    "missing key": ('title = "Mine"\n', "", "key 'title' is missing"),
    "missing key of the table": ('key = "Id"\n', "", "key 'table.key' is missing"),
    "empty": ('"mine"', '""', "'name' is empty"),
    "number for text": ('"mine"', "5", "'name' is 5; write text in quotes"),
    "text for list": ('[".PNG", ".jpg"]', '".png"', "'table.suffixes' is '.png'; write a list"),
    "number in list": ('".jpg"]', "5]", "'table.suffixes' holds 5"),
    "text for truth": (
        'key = "Id"',
        'key = "Id"\nignore_case = "yes"',
        "'table.ignore_case' is 'yes'; write true or",
    ),
    "column type": (
        '"integer"',
        '"intger"',
        r"gives 'Folder' the type 'intger' \(did you mean 'integer'\?\)",
    ),
    "column type no text": ('"integer"', "3", "gives 'Folder' the type 3"),
    "template": ("{Folder}/{Id}", "{Folder/{Id}", "'layout': .* is no template"),
    "field": ("img/{Folder}", "img/{Foler}", r"'layout' names 'Foler' \(did you mean 'Folder'\?\)"),
    "field of the archive": ("part_{Folder}", "part_{x}", "'archive' names 'x', but there is no such column"),
    "key": ('key = "Id"', 'key = "Idd"', r"'table.key' is 'Idd' \(did you mean 'Id'\?\)"),
    "labels": ('key = "Id"', 'key = "Id"\nlabels = "L"', "'table.labels' is 'L'"),
    "charts": (
        'key = "Id"',
        'key = "Id"\ncharts = ["Foldr"]',
        r"'table.charts' names 'Foldr' \(did you mean 'Folder'\?\)",
    ),
    "charts no list": ('key = "Id"', 'key = "Id"\ncharts = "Folder"', "'table.charts' is 'Folder'; write a list"),
    "photometric": ('key = "Id"', 'key = "Id"\nphotometric = "P"', "'table.photometric' is 'P'"),
    "ranges": ("001-003", "3-1", "'3-1' in '3-1' is no range"),
    "expected without field": (
        "part_{Folder}.zip",
        "all.zip",
        "'expected' lists values of the field in 'archive'",
    ),
}


MORE = """
[[table]]
name = "more.csv"
subset = "more_small.csv"
"""


def test_a_further_table_takes_what_it_does_not_say_from_the_first(tmp_path: Path) -> None:
    text = GOOD.replace("[table]", "[[table]]").replace("[table.columns]", "[table.columns]") + MORE
    first, more = opened(tmp_path, text).tables
    assert replace(more, name=first.name, subset=first.subset) == first
    own = text + 'key = "Other"\nlayout = "more/{Other}"\nrows_per_image = "many"\ncolumns = { Other = "text" }\n'
    _, more = opened(tmp_path, own).tables
    assert (more.key, str(more.layout), more.many, more.columns) == ("Other", "more/{Other}", True, {"Other": "text"})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('match = "stem"', r"line 21: 'table.match' is the same for all tables; write it in the first"),
        ('keys = "Id"', r"line 21: there is no key 'table.keys' \(did you mean 'key'"),
        ('key = "Foldr"', r"line 21: 'table.key' is 'Foldr' \(did you mean 'Folder'"),
        ('layout = "x/{Id}"\nfolder = "{Foldr}/{Id}"', r"'folder' names 'Foldr'"),
        ('layout = "{Foldr}"', r"line 21: 'table.layout' names 'Foldr'"),
    ],
)
def test_a_mistake_in_a_further_table_is_named(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        opened(tmp_path, GOOD.replace("[table]", "[[table]]") + MORE + more)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("table = 5", r"line 7: 'table' is 5; write \[table\]"),
        ("table = [5]", r"line 7: 'table' is a list of something else; write \[table\], or"),
        ("table = []", r"line 7: 'table' is a list of something else"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        opened(tmp_path, GOOD[: GOOD.index("\n[table]")] + table)


def test_two_tables_land_under_two_names(tmp_path: Path) -> None:
    text = GOOD.replace("[table]", "[[table]]") + MORE.replace("more_small", "small")
    with pytest.raises(UsageError, match=r"line 20: 'table\.subset' is 'small\.csv' in two tables"):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    "name",
    ["../small.csv", "/small.csv", "a/../small.csv", r"a\\small.csv", "C:/small.csv", "_laden/load.json",
     "a/_laden/x.csv", "", "small.", "a//b.csv", "x\\ny.csv"],
)  # fmt: skip
def test_a_table_lands_where_a_blob_may_lie(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"line 10: 'table\.subset' is .*"):
        opened(tmp_path, GOOD.replace("small.csv", name))
    with pytest.raises(UsageError, match=r"'table\.subset' is .*"):
        opened(tmp_path, GOOD.replace("[table]", "[[table]]") + MORE.replace("more_small.csv", name))
    assert opened(tmp_path, GOOD.replace("small.csv", "tables/small.csv")).tables[0].subset == "tables/small.csv"


def test_the_mark_of_an_encoding_is_no_part_of_a_profile(tmp_path: Path) -> None:
    assert opened(tmp_path, "\ufeff" + GOOD) == opened(tmp_path, GOOD)


def test_lines_of_keys_however_they_are_written() -> None:
    text = '# x\na.b = 1\n"c d" = 2\n[t]\ne = """\nf = 3\n"""\n[ t . "u.v" ] # y\ng=4\n'
    assert tomllib.loads(text)["t"]["u.v"] == {"g": 4}
    assert line_of(text, ("c d",)) == 3
    assert line_of(text, ("t",)) == 4
    assert line_of(text, ("t", "e")) == 5
    assert line_of(text, ("nothing",)) == 0
    assert line_of("", ("nothing",)) == 0


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_profile_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError, match=words) as caught:
        opened(tmp_path, GOOD.replace(old, new, 1))
    assert str(tmp_path / "mine.toml") in str(caught.value)


VALUES = ("5", "-1", "true", "1.5", '""', '"x"', '"{"', '"{*}"', "[]", "[5]", '["x"]', "{}", "{ x = 5 }", "1979-05-27")


@pytest.mark.parametrize("key", [*_PROFILE_KEYS, *_TABLE_KEYS])
def test_whatever_a_key_holds_is_taken_or_named(tmp_path: Path, key: str) -> None:
    told = []
    for value in VALUES:
        data = tomllib.loads(GOOD)
        place = data["table"] if key in _TABLE_KEYS and key not in ("name", "layout") else data
        place[key] = tomllib.loads(f"value = {value}")["value"]
        try:
            opened(tmp_path, _toml(data))
        except UsageError as error:
            told.append(str(error))
    assert len(told) >= 5
    assert all(key in sentence for sentence in told)


def _toml(data: dict[str, object]) -> str:
    """TOML of simple values, tables inline."""

    def text(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f'"{key}" = {text(inner)}' for key, inner in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        return json.dumps(value) if isinstance(value, str | bool) else str(value)

    return "".join(f'"{key}" = {text(value)}\n' for key, value in data.items())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "padchst",
            r"no profile 'padchst' \(did you mean 'padchest'\?\); name one of brax, .*, padchest, .*, files, or a TOML",
        ),
        ("none.toml", "none.toml cannot be read"),
    ],
)
def test_no_such_profile(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_profile(name)


def test_a_profile_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        open_profile(str(tmp_path / "p.toml"))
