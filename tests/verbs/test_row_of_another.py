"""Rows whose blob is there as another image's are in no table that lands, whyever a load did not bring their own."""

import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from laden.values.events import Summary
from laden.verbs.verify import verify
from tests.support.places import NOW_NS, images, pack, profile, put, run, table

V1 = [("0", "a.bin", "zero"), ("0", "c.bin", "c")]
V2 = [("1", "a.bin", "one"), ("0", "c.bin", "c")]
FLAT = {"layout": "{ImageID}", "archive": "{ImageDir}.zip"}


def landed(there: Path) -> list[str]:
    """Records of the one table that is there."""
    (file,) = there.glob("*.csv")
    return file.read_text().splitlines()[1:]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def there(tmp_path: Path, source: Path) -> Path:
    """A load of the first version, in whose place a second one lies by now."""
    table(source, V1)
    pack(source / "0.zip", {"a.bin": "zero a", "c.bin": "c"})
    assert run(source, tmp_path / "there", profile(tmp_path, **FLAT)).exit_code == 0
    table(source, V2)
    pack(source / "1.zip", {"a.bin": "ONE a"})
    return tmp_path / "there"


def other(source: Path, there: Path, tmp_path: Path, **options: Any) -> Summary:
    return run(source, there, profile(tmp_path, **FLAT), **options)


@pytest.mark.parametrize(
    "options",
    [{"archives": "0"}, {"archives": "0", "update": True}, {"exclude": ["1.zip"]}, {"first": 1, "where": "ImageDir=0"}],
    ids=str,
)
def test_an_image_that_is_not_asked_for(source: Path, there: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    summary = other(source, there, tmp_path, **options)
    assert images(there) == {"a.bin": "zero a", "c.bin": "c"}
    for file in there.glob("*.csv"):
        assert "1,a.bin,one" not in file.read_text()
    if "where" not in options:
        assert landed(there) == ["0,c.bin,c"]
        assert (summary.exit_code, summary.findings["blob-conflict"]) == (3, 1)


def test_an_image_whose_archive_is_not_here(source: Path, there: Path, tmp_path: Path) -> None:
    (source / "1.zip").unlink()
    summary = other(source, there, tmp_path)
    assert landed(there) == ["0,c.bin,c"]
    assert (summary.exit_code, summary.findings["blob-conflict"], summary.findings["archive-absent"]) == (3, 1, 1)


def test_with_its_own_image_the_row_is_back(source: Path, there: Path, tmp_path: Path) -> None:
    other(source, there, tmp_path, archives="0")
    other(source, there, tmp_path, overwrite="changed")
    assert images(there) == {"a.bin": "ONE a", "c.bin": "c"}
    assert landed(there) == ["1,a.bin,one", "0,c.bin,c"]
    assert verify(str(there), deep="all").exit_code == 0


@pytest.mark.parametrize("files", [False, True], ids=["archives", "files"])
def test_one_archive_after_the_other_each_row_keeps_its_image(tmp_path: Path, files: bool) -> None:
    source, there = tmp_path / "parts", tmp_path / "grown"
    listed = [("0", "a.bin", "x"), ("1", "b.bin", "y"), ("2", "c.bin", "z")]
    table(source, listed)
    profiled = profile(tmp_path, **({"in_folder": "{ImageDir}/{ImageID}"} if files else {"archive": "{ImageDir}.zip"}))
    for number, (folder, name, _) in enumerate(listed):
        if files:
            put(source / f"{folder}/{name}", name)
        else:
            pack(source / f"{folder}.zip", {f"in/{name}": name})
        run(source, there, profiled)
        assert len(landed(there)) == number + 1
        for one in source.rglob("*"):
            if one.is_file() and one.suffix != ".csv":
                one.unlink()
    assert verify(str(there), deep="all").exit_code == 0


@pytest.mark.parametrize("options", [{"update": True}, {"overwrite": "changed"}, {}], ids=str)
def test_a_next_version_that_is_damaged_leaves_its_row_out(tmp_path: Path, options: dict[str, Any]) -> None:
    source, there = tmp_path / "damaged", tmp_path / "kept"
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    table(source, [("0", "a.bin", "x"), ("0", "b.bin", "y")])
    pack(source / "0.zip", {"a.bin": "A", "b.bin": "BBBB v1"})
    run(source, there, profiled)
    table(source, [("0", "a.bin", "x"), ("0", "b.bin", "y2")])
    pack(source / "0.zip", {"a.bin": "A", "b.bin": "BBBB v2"})
    archive = source / "0.zip"
    archive.write_bytes(archive.read_bytes().replace(b"BBBB v2", b"BBXB v2"))
    summary = run(source, there, profiled, **options)
    assert summary.exit_code == 3
    assert images(there)["png/0/b.bin"] == "BBBB v1"
    assert all("y2" not in file.read_text() for file in there.glob("*.csv"))


@pytest.mark.parametrize("options", [{}, {"update": True}, {"overwrite": "changed"}], ids=str)
@pytest.mark.parametrize("form", ["tar", "files", "two tars"])
def test_what_came_of_another_member_or_file_is_not_there_by_its_time(
    tmp_path: Path, form: str, options: dict[str, Any]
) -> None:
    """One length, one time, and one name in the destination: only the content tells them apart."""
    source, there = tmp_path / "alike", tmp_path / "patients"
    listed = [("0", "a.bin", "P1"), ("1", "b.bin", "P1"), ("0", "é %41:.bin", "P2"), ("1", "d.bin", "P2")]
    archives = {"tar": "all.tar", "two tars": "{folder}.tar", "files": ""}[form]
    for number, (folder, name, _) in enumerate(listed):
        put(source / "raw" / folder / name, f"image {number}", 1_700_000_000_000_000_000 + number // 2)
    if archives:
        for folder in "01":
            with tarfile.open(source / archives.format(folder=folder), "a") as tar:
                tar.add(source / "raw" / folder, folder)
        shutil.rmtree(source / "raw")
        for tar_file in source.glob("*.tar"):
            os.utime(tar_file, ns=(NOW_NS, NOW_NS))
    else:
        # As many with times of their own, so that a time is evidence at all.
        for number in range(9):
            put(source / f"raw/2/{number}.bin", "other", 1_600_000_000_000_000_000 + number)
    table(source, listed)
    profiled = profile(tmp_path, layout="{Label}.bin", in_folder="{ImageDir}/{ImageID}")
    run(source, there, profiled, where="ImageDir=0", table_name="first.csv")
    assert images(there) == {"P1.bin": "image 0", "P2.bin": "image 2"}
    again = run(source, there, profiled, where="ImageDir=0", table_name="first.csv")
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 2)
    summary = run(source, there, profiled, where="ImageDir=1", table_name="second.csv", **options)
    if options:
        assert images(there) == {"P1.bin": "image 1", "P2.bin": "image 3"}
        assert summary.exit_code == 0
    else:
        assert images(there) == {"P1.bin": "image 0", "P2.bin": "image 2"}
        assert (summary.exit_code, summary.findings["blob-conflict"]) == (3, 2)
        assert not (there / "second.csv").exists()
