"""Dataset shapes: templates both ways, ranges, profile files and their mistakes, and which profile fits."""

import contextlib
import csv
import gzip
import pickle
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.dataset.profile import (
    COLUMN_TYPES,
    TableShape,
    Template,
    builtin,
    open_profile,
    parse_ranges,
    profile_text,
    recognise,
)
from laden.stages.survey.tables import open_table
from laden.values.errors import UsageError
from tests.dataset.test_profile_files import GOOD, opened

pytest_plugins = ("tests.support.padchest",)

KNOWN = {profile.name: profile for profile in builtin()}
PADCHEST, FILES = KNOWN["padchest"], KNOWN["files"]
TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1)


# Templates


def test_template_both_ways() -> None:
    template = Template("png/{ImageDir}/{ImageID}")
    values = {"ImageDir": "0", "ImageID": "a_b.png"}
    assert template.fields == ("ImageDir", "ImageID")
    assert template.render({**values, "other": "x"}) == "png/0/a_b.png"
    assert template.match("png/0/a_b.png") == values


@pytest.mark.parametrize("text", ["png/0", "png/0/a/b", "png//a", "xpng/0/a", "PNG/0/a", "png/0/", ""])
def test_template_refuses_other_text(text: str) -> None:
    assert Template("png/{ImageDir}/{ImageID}").match(text) is None


def test_text_around_fields_is_literal() -> None:
    template = Template("v1.0 (a+b)/{n}.zip")
    assert template.match("v1.0 (a+b)/7.zip") == {"n": "7"}
    assert template.match("v1x0 (a+b)/7.zip") is None
    assert template.match("v1.0 (a+b)/7xzip") is None


@pytest.mark.parametrize(
    ("template", "text"),
    [("{a}_{b}.png", "1_2_3.png"), ("{a}{b}", "xyz"), ("{a}-{b}-{a}", "x-x-x-x-x"), ("{*}_{a}.zip", "1_2_3.zip")],
)
def test_a_name_that_can_be_read_in_two_ways_says_nothing(template: str, text: str) -> None:
    assert Template(template).match(text) is None


@given(
    parts=st.lists(st.sampled_from(["{a}", "{b}", "{c}", "_", "-", "/"]), min_size=1, max_size=7),
    text=st.text("x_-/", min_size=1, max_size=7),
)
def test_a_template_says_what_every_reading_says(parts: list[str], text: str) -> None:
    """Held against all readings, tried one by one."""

    def readings(rest: list[str], left: str, known: dict[str, str]) -> Iterator[dict[str, str]]:
        if not rest:
            yield from [known] if not left else []
            return
        first, *others = rest
        if "{" not in first:
            yield from readings(others, left[1:], known) if left[:1] == first else ()
            return
        for end in range(1, len(left) + 1):
            if "/" not in left[:end] and known.get(first, left[:end]) == left[:end]:
                yield from readings(others, left[end:], {**known, first: left[:end]})

    ways = list(readings(parts, text, {}))
    said = Template("".join(parts)).match(text)
    assert said == ({name.strip("{}"): value for name, value in ways[0].items()} if len(ways) == 1 else None)


def test_a_name_that_can_be_read_in_one_way_is() -> None:
    assert Template("{a}_{b}.png").match("1_2.png") == {"a": "1", "b": "2"}
    assert Template("{a}{b}").match("xy") == {"a": "x", "b": "y"}
    assert Template("{*}/{*}/{a}.png").match("x/y/z.png") == {"*": "x", "a": "z"}


def test_a_field_named_twice_is_one_value() -> None:
    template = Template("{d}/{id}/{d}.zip")
    assert template.fields == ("d", "id")
    assert template.match("0/x/0.zip") == {"d": "0", "id": "x"}
    assert template.match("0/x/1.zip") is None
    assert template.render({"d": "0", "id": "x"}) == "0/x/0.zip"


def test_field_names_are_any_column_names() -> None:
    template = Template("{Image Index}/{OriginalImage[Width}")
    assert template.match("a.png/5") == {"Image Index": "a.png", "OriginalImage[Width": "5"}


def test_path_spans_slashes() -> None:
    assert Template("{path}").match("a/b/c.png") == {"path": "a/b/c.png"}
    assert Template("raw/{path}").render({"path": "a/b"}) == "raw/a/b"


def test_end_of_a_path_on_segment_boundaries() -> None:
    template = Template("{ImageDir}/{ImageID}")
    expected = {"ImageDir": "0", "ImageID": "a.png"}
    assert template.match_end("0/a.png") == template.match_end("data/png/0/a.png") == expected
    assert template.match_end("a.png") is None
    assert Template("png{d}/{id}").match_end("x/jpg0/a.png") is None


@pytest.mark.parametrize("text", ["", "{", "}", "{}", "png/{ImageDir", "png/ImageDir}", "{{a}}", "{a{b}}", "{a/b}"])
def test_malformed_template_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(text))):
        Template(text)


def test_missing_field_is_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"'png/\{ImageDir\}' needs 'ImageDir', but there is only 'ImageID'"):
        Template("png/{ImageDir}").render({"ImageID": "x"})


def test_values_are_not_templates() -> None:
    assert Template("{a}/{b}").render({"a": "{b}", "b": r"\1"}) == r"{b}/\1"


@given(SEGMENT, SEGMENT)
def test_what_is_rendered_matches(folder: str, name: str) -> None:
    values = {"ImageDir": folder, "ImageID": name}
    assert Template("png/{ImageDir}/{ImageID}").match(f"png/{folder}/{name}") == values
    assert Template("{ImageDir}/{ImageID}").match_end(f"x/{folder}/{name}") == values


@given(st.text(st.sampled_from("ab{}/.")))
def test_any_template_is_parsed_or_refused(text: str) -> None:
    try:
        template = Template(text)
    except UsageError:
        return
    values = dict.fromkeys(template.fields, "x")
    assert template.match(template.render(values)) is not None


# Ranges


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("54", "54"),
        ("0-3,54", "0 1 2 3 54"),
        (" 2 - 3 ", None),
        ("2-3 , train", "2 3 train"),
        ("1,1,0-2", "1 0 2"),
        ("008-011", "008 009 010 011"),
        ("9-11", "9 10 11"),
        ("7-7", "7"),
    ],
)
def test_ranges(text: str, names: str | None) -> None:
    if names is None:
        with pytest.raises(UsageError):
            parse_ranges(text)
    else:
        assert parse_ranges(text) == tuple(names.split())


@pytest.mark.parametrize(
    "text",
    ["", ",", "1,", "5-2", "a-b", "-5", "5-", "-", "1-2-3", "0-100000", "0-99999999999999999999999",
     "0-60000,1000000-1060000", "\u0661-\u0663"],
)  # fmt: skip
def test_nonsense_ranges_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write"):
        parse_ranges(text)


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_range_has_all_its_numbers(low: int, length: int) -> None:
    assert parse_ranges(f"{low}-{low + length}") == tuple(str(number) for number in range(low, low + length + 1))


@given(st.text(max_size=20))
def test_any_ranges_are_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert all(parse_ranges(text))


# The profiles that come with laden


def test_builtin_padchest() -> None:
    assert PADCHEST.name == "padchest"
    assert PADCHEST.expected == (*map(str, range(51)), "54")
    assert PADCHEST.archive is not None
    assert [PADCHEST.archive.render({"ImageDir": value}) for value in PADCHEST.expected[-2:]] == [
        "50.zip",
        "54.zip",
    ]
    assert PADCHEST.layout.fields == ("ImageDir", "ImageID")
    shape = PADCHEST.table
    assert shape is not None
    assert len(shape.columns) == 36
    assert set(shape.columns.values()) == set(COLUMN_TYPES)
    assert {shape.columns[name] for name in ("ImageID", "StudyID", "PatientID", "ReportID")} == {"text"}
    assert (shape.key, shape.subset, shape.suffixes, shape.ignore_case) == (
        "ImageID",
        "PADCHEST_SMALL.csv",
        (".png",),
        True,
    )


def test_builtin_files() -> None:
    assert (FILES.name, FILES.layout.text, FILES.archive, FILES.folder, FILES.table) == (
        "files",
        "{path}",
        None,
        None,
        None,
    )


def test_profiles_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(builtin())) == builtin()


@pytest.mark.parametrize("name", [TABLE, TABLE + ".gz", "deep/er/" + TABLE.lower()])
def test_recognised_by_the_name_of_the_table(name: str) -> None:
    assert recognise([], {"a.csv": ["x"], name: []}) == (PADCHEST, name)


def test_recognised_by_the_columns_of_the_table() -> None:
    tables = {"other.csv": ["ImageID", "x"], "mine.csv": ["x", "ImageID", "ImageDir"]}
    assert recognise(["0.zip"], tables) == (PADCHEST, "mine.csv")


def test_the_name_of_the_table_wins_over_columns() -> None:
    assert recognise([], {"a.csv": ["ImageID", "ImageDir"], TABLE: ["ImageID", "ImageDir"]}) == (
        PADCHEST,
        TABLE,
    )


@pytest.mark.parametrize("tables", [{}, {"a.csv": ["ImageID"]}, {"a.csv": ["imageid", "imagedir"]}])
def test_anything_else_is_files(tables: dict[str, list[str]]) -> None:
    assert recognise(["0.zip", "1.zip"], tables) == (FILES, None)


def test_opened_by_name() -> None:
    assert open_profile("padchest") is PADCHEST


def test_every_built_in_profile_has_what_a_list_shows() -> None:
    assert set(KNOWN) >= {"nih", "chexpert", "vindr-cxr", "rsna-pneumonia", "siim", "padchest-gr", "brax"}
    for profile in KNOWN.values():
        assert profile.title
        names = [name for shape in profile.tables for name in (shape.name, shape.subset)]
        assert len(set(names)) == len(names)
        assert not any(shape.fits(shape.subset) for shape in profile.tables[:1]), profile.name


TWO = {"Data_Entry_2017_v2020.csv": ["Image Index"], "master_spreadsheet_update.csv": ["DicomPath", "PngPath"]}


def test_several_datasets_are_a_question_unless_the_archives_answer() -> None:
    with pytest.raises(UsageError, match=r"several datasets.*as of 'brax'.*as of 'nih'.*--profile"):
        recognise([], TWO)
    assert recognise(["images_001.tar.gz"], TWO)[0].name == "nih"
    assert recognise(["images_9.zip", "images_077.tar.gz", "images_1.tar.gz"], TWO)[0].name == "nih"


def test_several_tables_of_one_dataset_are_a_question() -> None:
    columns = ["ImageID", "ImageDir"]
    with pytest.raises(UsageError, match=r"several files look like.*a\.csv, b\.csv.*--table"):
        recognise([], {"a.csv": columns, "b.csv": columns})
    assert recognise([], {TABLE: columns, TABLE + ".gz": columns}) == (PADCHEST, TABLE)


def test_a_common_name_needs_its_columns() -> None:
    assert recognise([], {"train.csv": ["Path", "Width"]})[0] is FILES
    assert recognise([], {"train.csv": ["Path", "Frontal/Lateral", "AP/PA"]})[0].name == "chexpert"
    assert recognise([], {"other.csv": ["Path", "Frontal/Lateral", "AP/PA"]})[0].name == "chexpert"


def test_the_tables_that_others_ship_are_recognised(other_tables: dict[str, Path], tmp_path: Path) -> None:
    for name, path in other_tables.items():
        table = open_table(path, tmp_path).table
        profile, _ = recognise([], {table.name: table.columns})
        assert profile.name == name
        shape = profile.table
        assert shape is not None
        assert set(shape.columns) == set(table.columns)


# Keys


def shape_of(name: str) -> TableShape:
    shape = KNOWN[name].table
    assert shape is not None
    return shape


def test_keys_by_stem_leave_ids_with_dots_whole() -> None:
    shape = shape_of("siim")
    assert shape.entry_key("a/b/1.2.840.dcm") == shape.row_key("1.2.840") == "1.2.840"
    assert shape.entry_key("a/b/1.2.840") == "1.2.840"
    assert shape.entry_key("1.2.840.DCM") == "1.2.840"


def test_keys_by_path_hold_the_last_segments() -> None:
    shape = shape_of("chexpert")
    key = "patient00001/study1/view1_frontal.jpg"
    assert shape.row_key(f"CheXpert-v1.0-small/train/{key}") == key
    assert shape.entry_key(f"CheXpert-v1.0 batch 2 (train 1)/{key}") == key
    assert shape.entry_key(key) == key
    assert shape.entry_key("view1_frontal.jpg") == "view1_frontal.jpg"


def test_a_stray_has_a_place_only_where_its_name_tells(tmp_path: Path) -> None:
    for name, path, blob in (
        ("nih", "images/1.png", "images/1.png"),
        ("siim", "x/y/1.2.dcm", "dicom-images-train/1.2.dcm"),
        ("chexpert", "patient00001/study1/view1_frontal.jpg", None),
        ("brax", "images/id_1/Study_1/Series_1/image-1.png", None),
    ):
        assert KNOWN[name].blobs(KNOWN[name].table, [path, path], {}) == [blob, blob]
    whole = opened(tmp_path, GOOD.replace('key = "Id"', 'key = "Id"\nmatch = "path"').replace("{Folder}/{Id}", "{Id}"))
    assert whole.blobs(whole.table, ["a/b.png"], {}) == ["img/a/b.png"]


@given(st.lists(SEGMENT, min_size=1, max_size=6), st.integers(0, 6))
def test_a_path_is_its_own_key(parts: list[str], segments: int) -> None:
    shape = replace(shape_of("chexpert"), segments=segments)
    # Letters that NFC writes in another way are another test's.
    parts = [normalize("NFC", part) for part in parts]
    path = "/".join(parts)
    assert shape.row_key(path) == shape.entry_key(path)
    if segments:
        assert shape.entry_key("any/where/" + path) == "/".join(["any", "where", *parts][-segments:])


# Archives


def test_archives_are_known_by_number_whatever_its_width() -> None:
    nih = KNOWN["nih"]
    assert [nih.home(name) for name in ("images_001.tar.gz", "x/images_01.tar.gz", "data.zip")] == [
        "images_001.tar.gz",
        "images_001.tar.gz",
        None,
    ]
    assert [nih.is_called_after(name) for name in ("images_12.tar.gz", "images_13.tar.gz", "images_x.tar.gz")] == [
        True,
        False,
        False,
    ]
    assert (PADCHEST.places_rows, nih.places_rows, KNOWN["padchest-gr"].places_rows) == (True, False, False)


# Known suspects


def test_suspects_are_images_of_the_real_table(padchest_table: Path) -> None:
    with gzip.open(padchest_table, "rt", newline="") as file:
        real = {record[1] for record in csv.reader(file)}
    assert len(PADCHEST.suspects) == 73
    assert real >= PADCHEST.suspects


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[list]]\nnames = 5", "line 7.*'suspects'.*write .*list.* with a source"),
        ("[[list]", "line 7.*'suspects'.*is not TOML"),
        (None, "line 7.*'suspects' names 'mine-suspects.toml', which cannot be read beside the profile"),
    ],
)
def test_a_wrong_list_of_suspects_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "mine-suspects.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        opened(tmp_path, GOOD.replace("\n[table]", 'suspects = "mine-suspects.toml"\n[table]'))


def test_a_copy_of_a_built_in_profile_is_the_same(tmp_path: Path) -> None:
    for name in KNOWN:
        assert opened(tmp_path, profile_text(name)) == KNOWN[name]
