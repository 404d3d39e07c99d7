"""Files of laden's own: whole or not there, through no link, over nothing of anybody else's, and known again."""

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.values.errors import UsageError
from laden.values.ownfiles import REPORT_START, begins, exclusive, is_own, is_report, placed, refuse

HEADER = "code,severity,message,archive,member,row,blob"
OLD = begins(b"old")


def write(path: Path, content: bytes = b"new", may_replace: Callable[[Path], bool] = OLD) -> None:
    with placed(path, may_replace) as file:
        file.write(content)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))  # noqa: PTH208 - hidden ones too


def test_it_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with placed(path, begins(b"old")) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["a.txt"])


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), placed(path, begins(b"old")) as file:
        file.write(b"%d" % (1 // 0))
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["a.txt"])


def test_no_name_can_be_prepared(tmp_path: Path) -> None:
    made = {exclusive(tmp_path / "a.txt")[0].name for _ in range(20)}
    assert len(made) == 20
    assert all(len(name.split(".")[-2]) == 16 for name in made)
    # The names that were used before: a process id, and .part.
    for old in (f".a.txt.{os.getpid()}", "a.txt.part"):
        (tmp_path / old).symlink_to(tmp_path / "theirs")
    (tmp_path / "theirs").write_bytes(b"theirs")
    write(tmp_path / "a.txt")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


@pytest.mark.parametrize("target", ["theirs", "nowhere"])
def test_nothing_is_written_through_a_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    link = tmp_path / "a.txt"
    link.symlink_to(tmp_path / target)
    with pytest.raises(OSError, match="something else"):
        write(link)
    assert link.is_symlink()
    assert ((tmp_path / "theirs").read_bytes(), names(tmp_path)) == (b"theirs", ["a.txt", "theirs"])


def test_only_what_may_be_replaced_is(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    for theirs in (b"<!DOCTYPE html>\n<p>mine</p>", b"x"):
        path.write_bytes(theirs)
        with pytest.raises(OSError, match="something else"):
            write(path, may_replace=is_report)
        assert path.read_bytes() == theirs
    for ours in (b"", REPORT_START.encode() + b"<p>"):
        path.write_bytes(ours)
        write(path, may_replace=is_report)
        assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (b"", True),
        (b"id,x\n", True),
        (b"id,x\n1,2\n", True),
        (gzip.compress(b"id,x\n1,2\n", mtime=0), True),
        (b"mine", False),
        (b"id,x,y\n", False),
        (b"id", False),
        (gzip.compress(b"mine", mtime=0), False),
        (gzip.compress(b"id,x\n1,2\n", mtime=0)[:-20], False),
        (b"\x1f\x8bmine", False),
    ],
)
def test_what_the_same_command_wrote_is_known_by_its_beginning(tmp_path: Path, content: bytes, ours: bool) -> None:
    (tmp_path / "a").write_bytes(content)
    assert begins(b"id,x\n")(tmp_path / "a") is ours


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="such files cannot be made on Windows")
def test_what_may_keep_laden_waiting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in ("pipe", "socket"):
            with pytest.raises(UsageError, match=f"^{name} is a pipe or the like"):
                refuse(Path(name), is_report, "report", "--report")


@pytest.mark.parametrize("name", ["sig=c2VjcmV0LXNpZ25hdHVyZQ.html", "sig%3Dc2VjcmV0LXNpZ25hdHVyZQ", "x/sig%253Dc2Vj"])
def test_a_secret_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="looks like a signature"):
        refuse(tmp_path / name, is_report, "report", "--report")


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="Linux and macOS have it")
def test_devices_are_written_to_as_they_are(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    refuse(link, is_report, "report", "--report")
    write(link, may_replace=is_report)
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("place", "told"),
    [("theirs.html", "is there and is no report"), ("link.html", "is a link"), ("nowhere/a.html", "cannot be written"),
     (".", "cannot be written"), ("theirs.html/a", "cannot be written")],
)  # fmt: skip
def test_a_place_that_will_not_do_is_refused_before_the_work(tmp_path: Path, place: str, told: str) -> None:
    (tmp_path / "theirs.html").write_text("<p>")
    (tmp_path / "link.html").symlink_to("nowhere.html")
    with pytest.raises(UsageError, match=told) as raised:
        refuse(tmp_path / place, is_report, "report", "--report")
    assert "--report" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "own"),
    [
        ("laden-report.html", REPORT_START + "x", True),
        ("laden-report-2.html", REPORT_START, True),
        ("Laden-Report.HTML", REPORT_START, True),
        ("laden-report.html", "<html>mine", False),
        ("mine.html", REPORT_START, False),
        ("laden-findings.csv", HEADER + "\r\nx", True),
        ("laden-findings.csv", '"' + HEADER.replace(",", '","') + '"\r\n', True),
        ("laden-findings-check.csv", HEADER, True),
        ("laden-findings.csv", "ImageID,Labels\n", False),
        ("laden-findings.parquet", "PAR1...laden_findings...PAR1", True),
        ("laden-findings.parquet", "PAR1...PAR1", False),
        ("laden-findings.txt", HEADER, False),
        (".laden-report.html.0123456789abcdef.laden", "half", True),
        (".hidden.laden", "x", False),
    ],
)
def test_laden_knows_its_own(tmp_path: Path, name: str, content: str, own: bool) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert is_own(tmp_path / name) is own


def test_what_cannot_be_read_is_not_taken_for_its_own(tmp_path: Path) -> None:
    (tmp_path / "laden-report.html").mkdir()
    assert not is_own(tmp_path / "laden-report.html")
    assert not is_own(tmp_path / "laden-findings.csv")
