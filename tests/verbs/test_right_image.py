"""The right image, always: each way in which a row got another's image, a blob another content, and their siblings."""

import gzip
from pathlib import Path

import pytest

from laden.values.errors import UsageError
from laden.verbs.verify import verify
from tests.support.places import check, images, pack, profile, put, run, table

BOTH = [("0", "scan.bin", "normal"), ("1", "scan.bin", "tumour")]
RIGHT = {"png/0/scan.bin": "patient of folder 0", "png/1/scan.bin": "patient of folder 1"}


def test_of_files_with_one_name_each_row_gets_its_folder_s(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, BOTH)
    for number in (0, 1):
        put(source / f"{number}/scan.bin", f"patient of folder {number}")
    summary = run(source, there, profile(tmp_path, in_folder="{ImageDir}/{ImageID}"))
    assert images(there) == RIGHT
    assert (summary.exit_code, summary.findings) == (0, {})
    assert verify(str(there), deep="all").exit_code == 0


@pytest.mark.parametrize("kind", ["integer", "text"])
def test_of_files_in_texts_and_deeper_folders_too(source: Path, there: Path, tmp_path: Path, kind: str) -> None:
    table(source, BOTH)
    for number in (0, 1):
        put(source / f"data/set/{number}/raw/scan.bin", f"patient of folder {number}")
    run(source, there, profile(tmp_path, in_folder="set/{ImageDir}/raw/{ImageID}", kind=kind))
    assert images(there) == RIGHT


def test_of_an_absent_folder_s_row_the_neighbour_is_not_taken(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, BOTH)
    put(source / "1/scan.bin", "patient of folder 1")
    summary = run(source, there, profile(tmp_path, in_folder="{ImageDir}/{ImageID}"))
    assert images(there) == {"png/1/scan.bin": "patient of folder 1"}
    assert (summary.exit_code, summary.matched, summary.missing) == (3, 1, 1)
    assert summary.findings == {"image-missing": 1}
    assert (there / "t_small.csv").read_text().splitlines()[1:] == ["1,scan.bin,tumour"]


@pytest.mark.parametrize("listed", [BOTH, BOTH[:1]], ids=["the neighbour has a row", "it has none"])
def test_of_an_absent_archive_s_row_the_neighbour_is_not_taken(
    source: Path, there: Path, tmp_path: Path, listed: list[tuple[str, str, str]]
) -> None:
    table(source, [*listed, ("1", "other.bin", "normal")])
    pack(source / "1.zip", {"scan.bin": "patient of folder 1", "other.bin": "another"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    summary = run(source, there, profiled)
    assert "png/0/scan.bin" not in images(there)
    assert summary.exit_code == 3
    assert (summary.findings["archive-absent"], summary.findings["image-missing"]) == (1, 1)
    pack(source / "0.zip", {"scan.bin": "patient of folder 0"})
    again = run(source, there, profiled)
    assert images(there)["png/0/scan.bin"] == "patient of folder 0"
    assert again.conflicts == 0


def test_in_an_archive_that_is_here_the_image_s_absence_is_told(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [*BOTH, ("0", "b.bin", "normal")])
    pack(source / "0.zip", {"b.bin": "b"})
    pack(source / "1.zip", {"scan.bin": "patient of folder 1"})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"))
    assert images(there) == {"png/0/b.bin": "b", "png/1/scan.bin": "patient of folder 1"}
    assert (summary.exit_code, summary.findings) == (3, {"image-missing": 1})


def test_folders_inside_an_archive_tell_places_too(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, BOTH)
    pack(source / "everything.zip", {f"x/{number}/scan.bin": f"patient of folder {number}" for number in (0, 1)})
    profiled = profile(tmp_path, archive="{ImageDir}.zip", in_folder="{ImageDir}/{ImageID}")
    assert run(source, there, profiled).exit_code == 0
    assert images(there) == RIGHT


def test_a_renamed_archive_gives_its_images(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("0", "a.bin", "normal"), ("1", "b.bin", "tumour")])
    pack(source / "0 (1).zip", {"a.bin": "a"})
    pack(source / "download.zip", {"b.bin": "b"})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"))
    assert images(there) == {"png/0/a.bin": "a", "png/1/b.bin": "b"}
    assert (summary.exit_code, summary.findings) == (0, {"archive-wrong": 2})


def test_a_second_download_of_one_archive_is_not_taken_for_another(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, BOTH)
    pack(source / "1.zip", {"scan.bin": "patient of folder 1"})
    pack(source / "1 (1).zip", {"scan.bin": "patient of folder 1"})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"))
    assert images(there) == {"png/1/scan.bin": "patient of folder 1"}
    assert summary.exit_code == 3
    assert summary.findings["image-ambiguous"] == 1


@pytest.mark.parametrize("length", ["x", "of another length"])
def test_of_several_files_that_could_be_it_none_is_sent(source: Path, there: Path, tmp_path: Path, length: str) -> None:
    table(source, [("0", "scan.bin", "normal"), ("0", "b.bin", "normal")])
    put(source / "p/scan.bin", "x")
    put(source / "q/scan.bin", length)
    put(source / "q/b.bin", "b")
    summary = run(source, there, profile(tmp_path))
    assert images(there) == {"png/0/b.bin": "b"}
    assert (summary.exit_code, summary.missing, summary.findings) == (3, 1, {"image-ambiguous": 1})
    assert check(source, profile=str(tmp_path / "t.toml")).findings == {"image-ambiguous": 1}


def test_one_file_that_two_places_could_mean_is_neither_s(source: Path, there: Path, tmp_path: Path) -> None:
    """Neither archive nor folder says a place, only the layout has it."""
    table(source, [*BOTH, ("0", "b.bin", "normal")])
    put(source / "scan.bin", "whose?")
    put(source / "b.bin", "b")
    summary = run(source, there, profile(tmp_path))
    assert images(there) == {"png/0/b.bin": "b"}
    assert (summary.exit_code, summary.findings) == (3, {"image-ambiguous": 1})


@pytest.mark.parametrize("many", ["", 'rows_per_image = "many"'])
@pytest.mark.parametrize("archives", [(0, 1), (0,)], ids=["both", "one absent"])
def test_a_layout_that_gives_two_images_one_name_is_refused(
    source: Path, there: Path, tmp_path: Path, many: str, archives: tuple[int, ...]
) -> None:
    table(source, [*BOTH, ("0", "a.bin", "n"), ("1", "b.bin", "n")])
    for number in archives:
        pack(source / f"{number}.zip", {"scan.bin": f"patient {number}", "ab"[number] + ".bin": "x"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip", of_table=many)
    with pytest.raises(UsageError, match=r"gives two images called scan\.bin"):
        run(source, there, profiled, layout="{ImageID}")
    assert not there.exists()


def test_what_was_not_selected_does_not_get_the_selected_image(source: Path, there: Path, tmp_path: Path) -> None:
    """One of the two archives is asked for, so the layout can be kept; the table must not name the other's row."""
    table(source, BOTH)
    for number in (0, 1):
        pack(source / f"{number}.zip", {"scan.bin": f"patient {number}"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    run(source, there, profiled, layout="{ImageID}", archives="0")
    assert images(there) == {"scan.bin": "patient 0"}
    assert (there / "t_small.csv").read_text().splitlines()[1:] == ["0,scan.bin,normal"]
    second = run(source, there, profiled, layout="{ImageID}", archives="1")
    assert (second.conflicts, second.exit_code) == (1, 3)
    assert images(there) == {"scan.bin": "patient 0"}
    assert "1,scan.bin" not in (there / "t_small.csv").read_text()


def test_a_stray_is_not_sent_as_the_image_of_a_row_that_has_none(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("0", "scan.bin", "normal"), ("1", "b.bin", "normal")])
    pack(source / "1.zip", {"scan.bin": "patient 1", "b.bin": "b"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    summary = run(source, there, profiled, layout="{ImageID}", strays="send")
    assert images(there) == {"b.bin": "b"}
    assert summary.exit_code == 3


@pytest.mark.parametrize("spelling", ["0", "0.0", "00", "+0", "0."])
def test_integers_are_numbers_however_they_are_spelled(
    source: Path, there: Path, tmp_path: Path, spelling: str
) -> None:
    table(source, [(spelling, "a.bin", "normal"), ("10.0", "b.bin", "normal")])
    pack(source / "0.zip", {"a.bin": "a"})
    pack(source / "10.zip", {"b.bin": "b"})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"))
    assert images(there) == {"png/0/a.bin": "a", "png/10/b.bin": "b"}
    assert (summary.exit_code, summary.findings) == (0, {})
    assert run(source, tmp_path / "one", str(tmp_path / "t.toml"), archives="0").images == 1
    assert run(source, tmp_path / "two", str(tmp_path / "t.toml"), where="ImageDir = 0").images == 1


def test_integers_are_spelled_as_the_complete_dataset_spells_them(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("1.0", "a.bin", "normal"), ("12", "b.bin", "normal")])
    pack(source / "part_1.zip", {"a.bin": "a"})
    pack(source / "part_012.zip", {"b.bin": "b"})
    profiled = profile(tmp_path, archive="part_{ImageDir}.zip", more='expected = "001-012"')
    summary = run(source, there, profiled)
    assert images(there) == {"png/001/a.bin": "a", "png/012/b.bin": "b"}
    assert summary.exit_code == 0


def test_text_that_looks_like_a_number_is_text(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("0", "a.bin", "normal"), ("00", "a.bin", "tumour")])
    pack(source / "0.zip", {"a.bin": "zero"})
    pack(source / "00.zip", {"a.bin": "double"})
    run(source, there, profile(tmp_path, archive="{ImageDir}.zip", kind="text"))
    assert images(there) == {"png/0/a.bin": "zero", "png/00/a.bin": "double"}


SPLITS = """
name = "w"
title = "w"
layout = "train/{id}.bin"
folder = "train/{id}.bin"
[[table]]
name = "train.csv"
subset = "train_small.csv"
key = "id"
match = "stem"
suffixes = [".bin"]
[table.columns]
id = "text"
[[table]]
name = "test.csv"
subset = "test_small.csv"
layout = "test/{id}.bin"
folder = "test/{id}.bin"
"""


def splits(source: Path, profiled: Path, *paths: str, more: str = SPLITS) -> str:
    """Two tables that name 001 both, and files; returns the profile's path."""
    for name in ("train.csv", "test.csv"):
        put(source / name, "id\n001\n")
    for path in paths:
        put(source / path, path)
    profiled.write_text(more)
    return str(profiled)


@pytest.mark.parametrize("here", ["train", "test"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_gets_no_image_out_of_another_s_folder(
    source: Path, there: Path, tmp_path: Path, here: str, packed: bool
) -> None:
    profiled = splits(source, tmp_path / "w.toml", *([] if packed else [f"{here}/001.bin"]))
    if packed:
        pack(source / "all.zip", {f"x/{here}/001.bin": f"{here}/001.bin"})
    summary = run(source, there, profiled)
    assert images(there) == {f"{here}/001.bin": f"{here}/001.bin"}
    assert (summary.exit_code, summary.missing, summary.findings) == (3, 1, {"image-missing": 1})


def test_tables_with_folders_of_their_own_get_their_images(source: Path, there: Path, tmp_path: Path) -> None:
    profiled = splits(source, tmp_path / "w.toml", "train/001.bin", "test/001.bin")
    assert run(source, there, profiled).exit_code == 0
    assert images(there) == {"train/001.bin": "train/001.bin", "test/001.bin": "test/001.bin"}


def test_a_folder_is_another_table_s_even_if_that_table_is_not_here(source: Path, there: Path, tmp_path: Path) -> None:
    profiled = splits(source, tmp_path / "w.toml", "test/001.bin", "train/002.bin")
    (source / "test.csv").unlink()
    put(source / "train.csv", "id\n001\n002\n")
    summary = run(source, there, profiled, strays="send")
    assert images(there) == {"train/002.bin": "train/002.bin"}
    assert summary.findings == {"image-missing": 1, "image-stray": 1}


def test_a_stray_lands_where_its_folder_s_table_has_its_images(source: Path, there: Path, tmp_path: Path) -> None:
    profiled = splits(source, tmp_path / "w.toml", "train/001.bin", "test/001.bin", "test/003.bin")
    run(source, there, profiled, strays="send")
    assert images(there)["test/003.bin"] == "test/003.bin"
    assert "train/003.bin" not in images(there)


def test_an_image_in_no_table_s_folder_is_nobody_s_of_two(source: Path, there: Path, tmp_path: Path) -> None:
    summary = run(source, there, splits(source, tmp_path / "w.toml", "001.bin", "train/001.bin"))
    assert images(there) == {"train/001.bin": "train/001.bin"}
    assert summary.exit_code == 3


def test_a_table_that_lands_elsewhere_says_where_its_images_lie(source: Path, there: Path, tmp_path: Path) -> None:
    silent = SPLITS.replace('folder = "test/{id}.bin"\n', "")
    with pytest.raises(UsageError, match=r"say where they lie with 'table\.folder'"):
        run(source, there, splits(source, tmp_path / "w.toml", "train/001.bin", more=silent))


@pytest.mark.parametrize("spelling", ["1", "01", "set/1"])
def test_an_archive_does_not_outvote_a_folder_in_it(source: Path, there: Path, tmp_path: Path, spelling: str) -> None:
    table(source, [("0", "a.bin", "normal"), ("0", "b.bin", "normal")])
    pack(source / "0.zip", {"00/b.bin": "b", f"{spelling}/a.bin": "patient of folder 1"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip", in_folder="{ImageDir}/{ImageID}")
    summary = run(source, there, profiled, strays="send")
    assert images(there) == {"png/0/b.bin": "b"}
    assert (summary.exit_code, summary.findings) == (3, {"image-misplaced": 1, "image-missing": 1})


def test_an_archive_whose_name_has_two_readings_says_nothing(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("x", "a.bin", "y_z"), ("x_y", "a.bin", "z"), ("x", "b.bin", "y_z")])
    pack(source / "x_y_z.zip", {"a.bin": "whose?", "b.bin": "b"})
    profiled = profile(
        tmp_path, archive="{ImageDir}_{Label}.zip", layout="png/{ImageDir}/{Label}/{ImageID}", kind="text"
    )
    summary = run(source, there, profiled)
    assert images(there) == {"png/x/y_z/b.bin": "b"}
    assert summary.findings["image-ambiguous"] == 1


@pytest.mark.parametrize(
    ("rows", "files", "sent"),
    [
        ([" a.bin", "a.bin"], ["a.bin"], ["a.bin"]),
        (["a.bin "], ["a.bin", "a.bin "], []),
        (["a.bin  ", "a.bin "], ["a.bin"], []),
        ([" a.bin", " b.bin"], ["a.bin", "b.bin"], ["a.bin", "b.bin"]),
    ],
)
def test_blanks_around_a_key_make_no_two_images_one(
    source: Path, there: Path, tmp_path: Path, rows: list[str], files: list[str], sent: list[str]
) -> None:
    table(source, [("0", row, "normal") for row in [*rows, "z.bin"]])
    pack(source / "0.zip", {name: name for name in [*files, "z.bin"]})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"))
    assert images(there) == {f"png/0/{name}": name for name in sorted([*sent, "z.bin"])}
    refused = sum(row.strip() not in sent for row in rows) or len(rows) - len(sent)
    assert summary.findings.get("row-key-blank", 0) == refused
    assert summary.missing == refused


@pytest.mark.parametrize("same", [True, False])
def test_a_packed_table_that_differs_from_its_twin_is_a_question(
    source: Path, there: Path, tmp_path: Path, same: bool
) -> None:
    text = table(source, [("0", "a.bin", "normal")]).read_bytes()
    (source / "t.csv.gz").write_bytes(gzip.compress(text if same else text.replace(b"normal", b"tumour")))
    pack(source / "0.zip", {"a.bin": "a"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    if same:
        assert run(source, there, profiled).exit_code == 0
    else:
        with pytest.raises(UsageError, match=r"t\.csv and t\.csv\.gz .* differ: name one with --table"):
            run(source, there, profiled)
        assert run(source, there, profiled, table=source / "t.csv.gz").exit_code == 0


@pytest.mark.parametrize("archives", [None, "\u00e9", "e\u0301"])
@pytest.mark.parametrize("named", ["\u00e9", "e\u0301"])
@pytest.mark.parametrize("said", ["\u00e9", "e\u0301"])
def test_an_archive_is_its_row_s_however_its_accents_are_written(
    source: Path, there: Path, tmp_path: Path, said: str, named: str, archives: str | None
) -> None:
    table(source, [(said, "a.bin", "x")])
    pack(source / f"{named}.zip", {"e\u0301/a.bin": "a"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip", in_folder="{ImageDir}/{ImageID}", kind="text")
    summary = run(source, there, profiled, archives=archives)
    assert (summary.exit_code, summary.sent, summary.findings) == (0, 1, {})
