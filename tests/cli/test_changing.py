"""What a person sees of commands that change what is there, and what is refused of their words."""

from pathlib import Path

import pytest

from laden.cli import run_command
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "src", {"0": 3, "1": 2})


@pytest.fixture
def there(dataset: Dataset, tmp_path: Path) -> Path:
    begin(dataset.folder, str(tmp_path / "dest"))
    return tmp_path / "dest"


def test_a_plan_is_shown_and_then_carried_out(there: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = make_dataset(tmp_path / "later", {"0": 3, "1": 1}).folder
    assert run_command(["load", str(later), str(there), "--update", "--yes", "--report", "none"]) == 0
    assert "blob-withdrawn" in capsys.readouterr().out
    assert run_command(["prune", str(there), str(later), "--plan", "going.jsonl"]) == 0
    out, err = capsys.readouterr()
    assert "1 image would go" in out
    assert "cannot be undone" in out
    assert "--max 1" in err
    assert run_command(["prune", "--apply", "going.jsonl"]) == 2
    assert "--max 1" in capsys.readouterr().err
    assert run_command(["prune", "--apply", "going.jsonl", "--max", "1"]) == 2
    assert "--without-undo" in capsys.readouterr().err
    assert run_command(["prune", "--apply", "going.jsonl", "--max", "1", "--without-undo"]) == 0
    assert "1 blob deleted" in capsys.readouterr().out
    assert run_command(["undelete", str(there), "--plan", "going.jsonl", "--json"]) == 2
    assert "a folder, which keeps nothing of what was deleted" in "".join(capsys.readouterr())


def test_a_copy_and_properties_are_shown(there: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = str(tmp_path / "copy")
    assert run_command(["copy", str(there), copy, "--where", "ImageDir = 0", "--dry-run"]) == 0
    assert "3 images (" in capsys.readouterr().out
    assert run_command(["copy", str(there), copy, "--yes"]) == 0
    assert "5 images: 5 copied" in capsys.readouterr().out
    assert run_command(["set", copy, "--metadata", "patient={PatientID}", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "Set the metadata patient of 5 images" in out
    assert "Nothing was changed." in out
    assert run_command(["set", copy, "--metadata", "patient={PatientID}", "--yes"]) == 0
    assert "5 blobs changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        ["prune"],
        ["prune", "DEST", "--plan", "p"],
        ["prune", "DEST", "SOURCE"],
        ["prune", "DEST", "SOURCE", "--plan", "p", "--apply", "p"],
        ["prune", "DEST", "SOURCE", "--plan", "p", "--max", "3"],
        ["prune", "DEST", "SOURCE", "--apply", "p"],
        ["prune", "--apply", "no such plan"],
        ["prune", "DEST", "SOURCE", "--plan", "p", "--exclude", "*"],
        ["set", "DEST"],
        ["set", "DEST", "--tier", "lukewarm"],
        ["copy", "DEST"],
        ["copy", "DEST", "DEST"],
    ],
)
def test_what_cannot_be_meant_is_refused_with_2(
    line: list[str], there: Path, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"DEST": str(there), "SOURCE": str(dataset.folder)}
    assert run_command([words.get(word, word) for word in line]) == 2
    assert "Traceback" not in capsys.readouterr().err
