"""Names that a folder cannot hold, though a container could: told for each, and nothing else is held up by them."""

import zipfile
from pathlib import Path

import pytest

from laden.values.errors import ExitCode
from laden.values.events import Event, Found
from laden.verbs.load import load


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name[-3:].encode())
    return root


@pytest.mark.parametrize("how", ["file in the way", "folder in the way", "link in the way"])
def test_a_name_that_cannot_be_there_is_a_finding_and_the_rest_is_loaded(tmp_path: Path, how: str) -> None:
    source, dest = make(tmp_path / "source", "x/y", "z"), tmp_path / "dest"
    if how == "link in the way":
        make(tmp_path / "elsewhere", "mine")
        dest.mkdir()
        (dest / "x").symlink_to(tmp_path / "elsewhere")
    else:
        make(dest, "x" if how == "file in the way" else "x/y/mine")
    for sent in (1, 0):
        seen: list[Event] = []
        done = load(source, str(dest), profile="files", report_file=None, observer=seen.append)
        assert (done.exit_code, done.sent, done.conflicts, done.failed) == (ExitCode.FINDINGS, sent, 1, 0)
        (finding,) = [one.finding for one in seen if isinstance(one, Found) and one.finding.code == "blob-name"]
        assert (finding.blob, finding.member) == ("x/y", "x/y")
        named = {"file": "where one of its folders should be", "folder": "a folder lies there", "link": "is a link"}
        assert named[how.split()[0]] in finding.message
    assert (dest / "z").read_bytes() == b"z"
    if how == "link in the way":
        assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine"]


def test_where_there_is_no_table_nothing_is_said_of_rows(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for name in "ab":
        with zipfile.ZipFile(tmp_path / f"source/{name}.zip", "w") as file:
            file.writestr("x.bin", name * 9)
            file.writestr(name, name)
    seen: list[Event] = []
    done = load(tmp_path / "source", str(tmp_path / "dest"), profile="files", report_file=None, observer=seen.append)
    (finding,) = [one.finding for one in seen if isinstance(one, Found) and one.finding.code == "image-ambiguous"]
    assert (done.exit_code, finding.row) == (ExitCode.FINDINGS, 0)
    assert finding.message.startswith("2 files here would have the name x.bin")
    assert "row" not in finding.message
