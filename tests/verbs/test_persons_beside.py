"""Under --phi stop nothing leaves that may say who a person is: whatever it is called, and copied files too."""

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest

from laden.verbs.load import load
from tests.dataset.test_images_identity import NAME, SECRET, headed
from tests.support.places import profile, table

NAMED = headed(PatientName=SECRET)


def leaked(there: Path) -> list[str]:
    """Files in the destination that hold the name, as they are or in gzip data."""
    found = []
    for path in there.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        found += [path.name] if SECRET.encode() in data else []
    return found


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_with_stop_a_dicom_file_stays_here_whatever_it_is_called(tmp_path: Path) -> None:
    names = ["a.ima", "a.img", "a.dic", "a.ct", "a.png", "a.jpg", "a.tif", "a.nii", "a.raw", "a", "a.dcm"]
    files = dict.fromkeys(names, NAMED)
    files |= {"b.dcm.gz": gzip.compress(NAMED), "c.dcm": headed() + NAME, "d.ima": headed()}
    source = written(tmp_path / "source", files)
    told = load(source, str(tmp_path / "there"), phi="stop")
    assert (told.exit_code, told.sent, told.held) == (3, 1, len(files) - 1)
    assert leaked(tmp_path / "there") == []
    warned = load(source, str(tmp_path / "there2"))
    assert warned.findings["dicom-identity"] + warned.findings["image-identity"] == len(files) - 1


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = {"a.bin": b"a", "DICOMDIR": NAMED, "extra.ima": NAMED, "notes.txt": b"no person"}
    source = written(tmp_path / "source", files)
    table(source, [("0", "a.bin", "x")])
    return source


def test_what_is_copied_as_it_is_is_looked_at(source: Path, tmp_path: Path) -> None:
    more = 'sidecars = ["DICOMDIR", "extra*", "*.txt"]'
    options: dict[str, Any] = {
        "profile": profile(tmp_path, more=more, layout="png/{ImageID}"), "findings_file": tmp_path / "f.csv",
    }  # fmt: skip
    told = load(source, str(tmp_path / "there"), phi="stop", **options)
    assert (told.exit_code, told.findings["dicom-identity"]) == (3, 2)
    assert leaked(tmp_path / "there") == []
    assert (tmp_path / "there/notes.txt").read_bytes() == b"no person"
    assert list(says(tmp_path)) == ["it was not sent, as asked"] * 2
    warned = load(source, str(tmp_path / "there"), **options)
    assert (warned.exit_code, warned.findings["dicom-identity"]) == (0, 2)
    assert sorted(leaked(tmp_path / "there")) == ["DICOMDIR", "extra.ima"]
    again = load(source, str(tmp_path / "there"), phi="stop", **options)
    assert (again.exit_code, again.findings["dicom-identity"]) == (3, 2)
    assert all(said.startswith("it is there already") for said in says(tmp_path))
    off = load(source, str(tmp_path / "there"), phi="off", **options)
    assert "dicom-identity" not in off.findings


def says(folder: Path) -> list[str]:
    with (folder / "f.csv").open(encoding="utf-8", newline="") as file:
        rows = [row["message"] for row in csv.DictReader(file) if row["code"] == "dicom-identity"]
    assert SECRET not in repr(rows)
    return [row.partition("; ")[2] for row in rows]
