"""The right image, always: each way in which a row got another's image, a blob another content, and their siblings."""

from pathlib import Path

import pytest

from laden.values.errors import UsageError
from laden.verbs.verify import verify
from tests.support.places import check, images, pack, profile, put, run, table

BOTH = [("0", "scan.bin", "normal"), ("1", "scan.bin", "tumour")]
RIGHT = {"png/0/scan.bin": "patient of folder 0", "png/1/scan.bin": "patient of folder 1"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


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
