"""What is told to whoever leaves something out, mixes it up, or runs laden where its own files lie."""

import json
from pathlib import Path

import pytest

from laden.cli import run_command
from tests.support.dataset import make_dataset

CONTAINER = "https://acct.blob.core.windows.net/padchest"


def told(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert run_command(list(line)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["load"], "SOURCE and DEST are missing: laden load FOLDER https://"),
        (
            ["load", "./padchest"],
            "DEST is missing: laden load ./padchest https://ACCOUNT.blob.core.windows.net/CONTAINER",
        ),
        (["load", "./padchest", "--dry-run"], "DEST is missing: laden load ./padchest"),
        (["load", "--json", "./padchest"], "DEST is missing: laden load ./padchest"),
        (["load", CONTAINER], f"SOURCE is missing: laden load FOLDER {CONTAINER}"),
        (["load", CONTAINER + "?sig=abcdefgh"], f"SOURCE is missing: laden load FOLDER {CONTAINER}\n"),
        (["verify"], "DEST is missing: laden verify https://"),
        (["doctor"], "DEST is missing: laden doctor https://"),
        (["labels", "export", "-o", "x"], "DEST is missing: laden labels export https://"),
        (["check"], "SOURCE is missing: laden check FOLDER"),
    ],
)
def test_what_is_missing_is_named(line: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in told(capsys, *line)


def test_source_and_destination_in_each_others_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "0.zip").touch()
    assert f"SOURCE and DEST are swapped: laden load ./src {CONTAINER}" in told(capsys, "load", CONTAINER, "./src")


@pytest.mark.parametrize("word", ["", "--quiet"])
def test_a_refused_command_touches_nothing(word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "src", {"0": 2}, missing=1)
    assert run_command(["load", str(dataset.folder), "./dest", "--yes"]) == 3
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {"laden-findings.csv", "laden-findings.parquet", "laden-report.html"} <= set(before)
    for line in (
        ["load", "./src", "padchest"],
        ["load", "./src", "./dest", "--where", "Nothing = 1"],
        ["load", "./src", "https://files.evil.example/data"],
        ["load", "./nowhere", "./dest"],
        ["verify", "padchest"],
        ["check", "./src", "--profile", "none"],
        ["check", "./src", "--findings", "same", "--report", "./same"],
        ["verify", "./dest", "--findings", "same.csv", "--report", "same.parquet"],
        ["load", "./src", "./dest", "--findings", "same", "--report", "same"],
        ["check", "./src", "--log", "same", "--report", "same"],
        ["labels", "export", "./dest", "-o", "laden-findings.csv"],
    ):
        assert run_command([*line, *([word] if word else [])]) in (2, 5), line
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert after == before, line
    capsys.readouterr()


def test_a_folder_is_called_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "src", {"0": 1})
    assert run_command(["load", str(dataset.folder), "./dest", "--yes"]) == 0
    out = capsys.readouterr().out
    assert f"to a local folder, {tmp_path / 'dest'} (" in out
    assert "Complete and verified, in a local folder." in out
    assert run_command(["load", str(dataset.folder), "./dest", "--json"]) == 0
    plan = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if '"event": "plan"' in line)
    assert plan["place"].startswith("a local folder, ")


def test_ladens_own_files_are_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From within the source, again and again: as people do."""
    (tmp_path / "src").mkdir()
    for number in range(3):
        (tmp_path / "src" / f"{number}.txt").write_text(str(number))
    (tmp_path / "src" / "bad\\name.txt").write_text("not loaded: a finding")
    monkeypatch.chdir(tmp_path / "src")
    for _ in range(3):
        assert run_command(["load", ".", "../dest", "--profile", "files", "--yes"]) in (0, 3)
    there = {
        path.relative_to(tmp_path / "dest").as_posix() for path in (tmp_path / "dest").rglob("*") if path.is_file()
    }
    assert {path for path in there if not path.startswith((".", "_laden"))} == {"0.txt", "1.txt", "2.txt"}
    assert Path("laden-report.html").exists()
    assert "blob-conflict" not in capsys.readouterr().out
