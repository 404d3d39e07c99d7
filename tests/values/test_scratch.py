"""Folders for notes: gone with their run, with their process, or at the latest with the next run."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from laden.relations import Relations
from laden.values import scratch

_HOLD = "import sys; from laden.values import scratch; print(scratch.make(), flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def holding() -> tuple["subprocess.Popen[str]", Path]:
    """Another process that has a folder, and where."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_run_takes_its_folder_away(temporary: Path) -> None:
    with Relations() as relations:
        assert relations.folder.parent == temporary
        assert relations.folder.stat().st_mode & 0o077 == 0
    assert list(temporary.iterdir()) == []


def test_those_of_the_dead_are_swept_and_those_of_the_living_stay(temporary: Path) -> None:
    process, theirs = holding()
    with process:
        (theirs / "patients.csv").write_text("a")
        assert scratch.sweep() == 0
        assert (theirs / "patients.csv").exists()
        process.kill()
    assert theirs.exists()
    with Relations() as relations, Relations() as second:
        assert sorted(temporary.iterdir()) == sorted([relations.folder, second.folder]), "each run sweeps"
    assert list(temporary.iterdir()) == []


def test_all_go_at_once(temporary: Path) -> None:
    made = [scratch.make() for _ in range(3)]
    (made[0] / "deep").mkdir()
    (made[0] / "deep" / "file").touch()
    scratch.remove_all()
    assert list(temporary.iterdir()) == []
    scratch.remove_all()
    scratch.remove(made[0])


def test_what_is_not_ladens_stays(temporary: Path) -> None:
    names = ("mine", "1-mine", "file", "1-file", "link", "1-link")
    for number in ("", "1-"):
        (temporary / f"laden-{number}mine").mkdir()
        (temporary / f"laden-{number}mine" / "data").touch()
        (temporary / f"laden-{number}file").touch()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "laden.lock").touch()
    for number in ("", "1-"):
        (temporary / f"laden-{number}link").symlink_to(elsewhere)
    assert scratch.sweep() == 0
    assert {path.name for path in temporary.iterdir()} == {"elsewhere", *(f"laden-{name}" for name in names)}


def test_a_block_takes_its_folder_away(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch.folder() as made:
        (made / str(1 // 0)).touch()
    assert list(temporary.iterdir()) == []
