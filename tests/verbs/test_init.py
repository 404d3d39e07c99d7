"""`laden init`: a folder that no profile knows gets one that works, and says what was guessed."""

from __future__ import annotations

import csv
import tomllib
import zipfile
from pathlib import Path

import pytest

from laden.cli import run_command
from laden.dataset.profile import open_profile
from laden.values.errors import UsageError
from laden.verbs.init import init
from laden.verbs.load import load
from tests.docs.test_profiles import TABLE
from tests.support.dataset import make_dataset
from tests.support.published import PUBLISHED, dicom


def pack(archive: Path, members: dict[str, bytes]) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """The folder that docs/profiles.md draws."""
    folder = tmp_path / "ward"
    pack(folder / "part_1.zip", {"scans/2019/a-001.dcm": dicom(1), "scans/2019/a-002.dcm": dicom(2)})
    pack(folder / "part_2.zip", {"scans/2020/a-003.dcm": dicom(3)})
    (folder / "readings.csv").write_text(TABLE)
    (folder / "protocol.pdf").write_bytes(b"%PDF")
    return folder


def test_the_ward_of_the_docs(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path for path in ward.rglob("*"))
    assert run_command(["init", "ward"]) == 0
    out = capsys.readouterr().out
    assert "its column scan names the images, by file name without ending" in out
    assert "An archive is called part_{part}.zip" in out
    assert "Tried: 4 rows = 4 matched + 0 missing; 3 images" in out
    given = tomllib.loads(Path("ward.toml").read_text())
    assert given["archive"] == "part_{part}.zip"
    assert (given["table"]["match"], given["table"]["rows_per_image"]) == ("stem", "many")
    assert given["table"]["columns"] == {"scan": "text", "part": "integer", "reader": "text", "finding": "text"}
    assert sorted(path for path in ward.rglob("*")) == before
    summary = load(ward, "./there", profile="ward.toml")
    assert (summary.matched, summary.images, summary.exit_code) == (4, 3, 0)
    assert Path("there/dicom/1/a-001.dcm").is_file()
    # It is a person's from now on.
    assert run_command(["init", "ward"]) == 2
    assert "ward.toml is there already" in capsys.readouterr().err


def test_a_profile_is_told_to_be_right_and_what_it_matches(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init("ward")
    assert run_command(["profiles", "ward.toml"]) == 0
    out, err = capsys.readouterr()
    assert out == Path("ward.toml").read_text()
    assert "ward.toml is right: a table readings.csv of 4 columns, whose scan names images" in err
    assert run_command(["profiles", "ward.toml", "ward"]) == 0
    assert "in ward it finds 4 rows = 4 matched + 0 missing; 3 images, 0 strays" in capsys.readouterr().out
    (ward / "part_2.zip").unlink()
    assert run_command(["profiles", "ward.toml", "ward"]) == 3
    assert "3 matched + 1 missing" in capsys.readouterr().out


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_layout_is_found_without_its_profile(name: str, tmp_path: Path) -> None:
    """Of several tables one is taken: all rows of that one have their image."""
    made = PUBLISHED[name](tmp_path / "source", whole=True)
    proposed = init(made.source, output="guessed.toml")
    assert proposed.tried.rows > 0
    assert (proposed.tried.matched, proposed.tried.missing) == (proposed.tried.rows, 0)


def test_the_table_of_padchest_is_read_as_it_is_meant(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 5, "1": 4, "54": 3}, missing=1)
    init(dataset.folder, output="guessed.toml")
    guessed, known = open_profile("guessed.toml"), open_profile("padchest")
    assert str(guessed.archive) == str(known.archive)
    assert str(guessed.layout) == str(known.layout)
    assert guessed.table is not None
    assert known.table is not None
    assert (guessed.table.key, guessed.table.labels) == (known.table.key, known.table.labels)
    ids = ("StudyID", "PatientID", "ImageID")
    assert [guessed.table.columns[name] for name in ids] == ["text"] * 3


def test_same_names_in_other_folders_are_told_apart_by_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    for number in range(3):
        (folder / f"p{number}").mkdir(parents=True)
        (folder / f"p{number}" / "Scan.PNG").write_bytes(bytes([number]))
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["who", "file", "age"], *([f"p{number}", "scan.png", 50 + number] for number in range(3))]
        )
    proposed = init(folder)
    text = proposed.path.read_text()
    assert 'folder = "{who}/{file}"' in text
    assert "ignore_case = true" in text
    assert 'age = ["age"]' in text
    assert (proposed.tried.matched, proposed.tried.images) == (3, 3)


def test_where_nothing_can_be_guessed_it_is_said_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="--profile files"):
        init(tmp_path / "source")
    (tmp_path / "source/t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match=r"no column of t.csv names a file"):
        init(tmp_path / "source")
    assert not Path("source.toml").exists()


def test_a_source_without_a_known_table_is_told_of_it(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", "ward"]) == 0
    assert "'laden init' writes one" in capsys.readouterr().out


def test_columns_with_any_name_are_written_so_that_they_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(bytes([number]))
    (folder / "t.csv").write_text('"Image ""Index""",a.b,\u00fc,\n0.png,1,x,\n1.png,2.5,y,\n', "utf-8")
    init(folder, output="t.toml")
    table = open_profile("t.toml").table
    assert table is not None
    assert table.columns == {'Image "Index"': "text", "a.b": "number", "\u00fc": "text", "": "text"}
