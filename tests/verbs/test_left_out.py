"""What --exclude and --include leave out: its rows are not wanted, which is told; what is not here is missing still."""

from pathlib import Path

import pytest

from tests.support.places import check, images, pack, profile, put, run, table

BOTH = [("0", "scan.bin", "normal"), ("1", "scan.bin", "tumour")]


@pytest.mark.parametrize("pattern", ["1.zip", "1/*", "*/1/*"])
def test_rows_of_what_is_excluded_are_not_wanted(source: Path, there: Path, tmp_path: Path, pattern: str) -> None:
    table(source, BOTH)
    for number in (0, 1):
        if pattern == "1.zip":
            pack(source / f"{number}.zip", {"scan.bin": f"patient of folder {number}"})
        elif pattern == "1/*":
            put(source / f"{number}/scan.bin", f"patient of folder {number}")
    if pattern == "*/1/*":
        pack(source / "all.zip", {f"x/{number}/scan.bin": f"patient of folder {number}" for number in (0, 1)})
    profiled = profile(tmp_path, archive="{ImageDir}.zip", in_folder="{ImageDir}/{ImageID}")
    summary = run(source, there, profiled, exclude=(pattern,))
    assert images(there) == {"png/0/scan.bin": "patient of folder 0"}
    assert (summary.exit_code, summary.rows, summary.findings) == (0, 1, {"row-left-out": 1})


def test_what_is_not_here_is_missing_whatever_is_excluded(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [*BOTH, ("2", "scan.bin", "normal")])
    for number in (0, 1):
        put(source / f"{number}/scan.bin", f"patient of folder {number}")
    profiled = profile(tmp_path, in_folder="{ImageDir}/{ImageID}")
    summary = run(source, there, profiled, exclude=("1/*",))
    assert (summary.exit_code, summary.rows, summary.missing) == (3, 2, 1)


def test_an_archive_that_is_excluded_is_not_absent(source: Path, there: Path, tmp_path: Path) -> None:
    """What a renamed archive holds may be its rows' images, so these are wanted still."""
    table(source, [*BOTH, ("1", "b.bin", "normal")])
    pack(source / "0.zip", {"scan.bin": "patient of folder 0"})
    pack(source / "1.zip", {"b.bin": "b"})
    pack(source / "old.zip", {"scan.bin": "whose?"})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"), exclude=("0.zip",))
    assert images(there) == {"png/1/b.bin": "b"}
    assert (summary.exit_code, summary.findings) == (3, {"image-ambiguous": 1})


def test_an_excluded_archive_of_rows_that_name_none_is_not_absent(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("0", "a.bin", "normal"), ("0", "b.bin", "normal")])
    pack(source / "part_1.zip", {"a.bin": "a"})
    pack(source / "part_2.zip", {"b.bin": "b"})
    profiled = profile(tmp_path, archive="part_{*}.zip", more='expected = "1-2"')
    summary = run(source, there, profiled, exclude=("part_2.zip",))
    assert images(there) == {"png/0/a.bin": "a"}
    assert (summary.exit_code, summary.rows, summary.findings) == (0, 1, {})


def test_small_versions_without_a_place_take_no_row_back(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("0", "a.bin", "x"), ("0", "b.bin", "y"), ("1", "c.bin", "z"), ("1", "d.bin", "z")])
    pack(source / "1.zip", {"c.bin": "C"})
    for name in "abcd":
        put(source / f"thumbnails/{name}.bin", f"small {name}")
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    summary = run(source, there, profiled, exclude=("thumbnails",))
    assert images(there) == {"png/1/c.bin": "C"}
    assert (summary.exit_code, summary.rows, summary.missing) == (3, 4, 3)
    assert summary.findings == {"archive-absent": 1, "image-missing": 1}
    assert check(source, profile=profiled, exclude=("thumbnails",)).findings == summary.findings


@pytest.mark.parametrize("options", [{"exclude": ("thumbs",)}, {"include": ("png/*",)}], ids=str)
def test_small_versions_in_the_image_s_place_take_its_row_back_and_that_is_told(
    source: Path, there: Path, tmp_path: Path, options: dict[str, tuple[str, ...]]
) -> None:
    table(source, [("1", "c.bin", "z"), ("1", "d.bin", "z")])
    pack(source / "1.zip", {"png/c.bin": "C", "thumbs/c.bin": "c", "thumbs/d.bin": "d"})
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"), **options)
    assert images(there) == {"png/1/c.bin": "C"}
    assert (summary.exit_code, summary.rows, summary.findings) == (0, 1, {"row-left-out": 1})


def test_flat_files_that_are_left_out_take_their_rows_back(source: Path, there: Path, tmp_path: Path) -> None:
    table(source, [("0", "a.bin", "x"), ("0", "b.bin", "y")])
    put(source / "a.bin", "a")
    put(source / "b.bin", "b")
    summary = run(source, there, profile(tmp_path, archive="{ImageDir}.zip"), exclude=("b.bin",))
    assert images(there) == {"png/0/a.bin": "a"}
    assert (summary.exit_code, summary.rows, summary.findings) == (0, 1, {"archive-wrong": 1, "row-left-out": 1})
