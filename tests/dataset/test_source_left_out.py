"""Whatever lies at a source and is not taken is told: links, special files, unfinished and renamed archives, globs."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.dataset.source import Found, Scope, find
from laden.dataset.source.kinds import is_packed, is_unread, lookalike, unfinished
from laden.values.errors import SourceError, UsageError
from laden.values.records import Severity

posix = pytest.mark.skipif(sys.platform == "win32", reason="such files cannot be made on Windows")
FOLLOWING = Scope(follow_links=True)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def told(found: Found) -> dict[str, str]:
    """Code by name."""
    return {finding.member: finding.code for finding in found.findings}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    touch(tmp_path, "data/0.zip", "data/img/a.png", "store/blob-17", "store/deep/b.png")
    return tmp_path / "data"


@posix
def test_links_out_of_the_source_are_followed_only_when_asked(source: Path) -> None:
    (source / "1.zip").symlink_to(source.parent / "store/blob-17")
    (source / "id.png").symlink_to("../store/deep/b.png")
    (source / "more").symlink_to(source.parent / "store")
    found = find([source])
    assert (found.archives, found.files, found.lost) == (["0.zip"], ["img/a.png"], ["1.zip"])
    assert told(found) == dict.fromkeys(("1.zip", "id.png", "more"), "link-outside")
    assert {finding.severity for finding in found.findings} == {Severity.ERROR}
    assert all("--follow-links" in finding.message for finding in found.findings)
    followed = find([source], FOLLOWING)
    assert followed.archives == ["0.zip", "1.zip"]
    assert followed.files == ["id.png", "img/a.png", "more/blob-17", "more/deep/b.png"]
    assert followed.findings == []


@posix
def test_links_within_the_source(source: Path) -> None:
    (source / "again.png").symlink_to("img/a.png")
    (source / "latest").symlink_to("img")
    found = find([source])
    assert found.files == ["again.png", "img/a.png"]
    assert [(one.code, one.member, one.severity) for one in found.findings] == [
        ("link-folder", "latest", Severity.INFO)
    ]


@posix
@pytest.mark.parametrize("target", [".", "..", "img", "../data/img", "loop"])
def test_links_in_a_circle_end(source: Path, target: str) -> None:
    (source / "loop").symlink_to(target)
    assert set(told(find([source])).values()) <= {"link-folder", "link-outside", "link-broken"}
    assert find([source]).files == ["img/a.png"]
    followed = find([source], FOLLOWING)
    assert len([name for name in followed.files if name.endswith("a.png")]) == 1


@posix
def test_broken_links_name_what_they_point_to(source: Path) -> None:
    (source / "1.zip").symlink_to("/media/unmounted/1.zip")
    (source / "b.png").symlink_to(".git/annex/objects/xx/b.png")
    (source / "self").symlink_to("self")
    for scope in (Scope(), FOLLOWING):
        found = find([source], scope)
        assert told(found) == dict.fromkeys(("1.zip", "b.png", "self"), "link-broken")
        assert found.lost == ["1.zip"]
        assert any("/media/unmounted/1.zip" in finding.message for finding in found.findings)


@posix
def test_pipes_sockets_and_devices_are_told_and_never_opened(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(source / "pipe.zip")
    (source / "zero.png").symlink_to("/dev/zero")
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("agent.sock")
        found = find([source], FOLLOWING)
    assert told(found) == dict.fromkeys(("pipe.zip", "zero.png", "agent.sock"), "file-kind")
    assert (found.archives, found.files, found.lost) == (["0.zip"], ["img/a.png"], ["pipe.zip"])


@pytest.fixture
def closed(source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not be listed; by whoever runs the tests, root too."""
    touch(source, "lost+found/x.png")
    scandir = os.scandir

    def listed(path: str | Path) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed)
    return source


def test_a_folder_that_may_not_be_listed_is_told_and_the_rest_goes_on(closed: Path) -> None:
    found = find([closed])
    assert (found.archives, found.files) == (["0.zip"], ["img/a.png"])
    (finding,) = found.findings
    assert (finding.code, finding.member, finding.severity) == ("folder-unreadable", "lost+found", Severity.ERROR)
    assert find([closed], Scope(exclude=("lost+found",))).findings == []
    with pytest.raises(SourceError, match="cannot be listed"):
        find([closed / "lost+found"])


# Names


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("0.zip.part", "0.zip"),
        ("a/0.tar.gz.crdownload", "a/0.tar.gz"),
        ("0.zip.download", "0.zip"),
        ("0.zip.aria2", "0.zip"),
        ("0.zip.TMP", "0.zip"),
        ("0.tgz.filepart", "0.tgz"),
        ("0.zip.opdownload", "0.zip"),
        ("0.7z.!ut", "0.7z"),
        (".azDownload-11111111-2222-3333-4444-555555555555-0.zip", "0.zip"),
        ("x/0.zip_.gstmp", "x/0.zip"),
        (".0.zip.Xk3bQ9", "0.zip"),
        ("a.png.part", "a.png"),
        ("Unconfirmed 12345.crdownload", "Unconfirmed 12345"),
        (".g.nii.gz.Ab12Cd", "g.nii.gz"),
        ("x/.a.png.k3bQ9z", "x/a.png"),
        ("g.nii.gz.download", "g.nii.gz"),
        ("g.nii.gz.tmp", "g.nii.gz"),
        ("a.DCM.temp", "a.DCM"),
        (".notes.txt.backup", None),
        (".notes.txt.202401", None),
        ("of.2024.tmp", None),
        ("notes.tmp", None),
        ("x.download", None),
        ("._0.zip.part", None),
        (".hidden.abcdef", None),
        ("a.part.png", None),
        ("0.zip", None),
    ],
)
def test_what_a_name_says_of_a_download(name: str, whole: str | None) -> None:
    assert unfinished(name) == whole


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("0.zip.1", "0.zip"),
        ("a/0.tar.gz.12", "a/0.tar.gz"),
        ("0.zip.bak", "0.zip"),
        ("0.ZIP~", "0.ZIP"),
        ("0.tgz.old", "0.tgz"),
        ("0.zip.001", None),
        ("scan.1", None),
        ("0.zip", None),
        ("a~", None),
    ],
)
def test_archives_under_another_name(name: str, archive: str | None) -> None:
    assert lookalike(name) == archive


@pytest.mark.parametrize(
    ("name", "unread"),
    [
        *((f"x.{kind}", True) for kind in ("rar", "7z", "tar.bz2", "TBZ2", "tar.xz", "xz", "zst", "z01", "iso", "gz")),
        *((name, True) for name in ("x.7z.001", "x.part1.rar", "x.r00", "scan.dcm.gz")),
        *((name, False) for name in ("x.zip", "x.tar.gz", "x.csv.gz", "x.nii.gz", "x.png", "iso", "x.zip.001")),
    ],
)
def test_archives_of_kinds_that_are_not_read(name: str, unread: bool) -> None:
    assert is_unread(name) == unread
    assert is_packed(name) == (unread or ".zip" in name or name == "x.tar.gz")


def test_unfinished_downloads_are_never_taken(source: Path) -> None:
    touch(source, "0.zip.aria2", "1.zip.part", "a.png.crdownload", "2.zip.download/2.zip")
    found = find([source])
    assert (found.archives, found.files, found.lost) == (["0.zip"], ["img/a.png"], ["2.zip", "1.zip"])
    assert told(found) == {
        "0.zip.aria2": "archive-unfinished",
        "1.zip.part": "archive-unfinished",
        "2.zip.download": "archive-unfinished",
        "a.png.crdownload": "file-unfinished",
    }


@pytest.mark.parametrize("name", [".a.png.icloud", "x/.b.nii.gz.icloud"])
def test_what_icloud_keeps_elsewhere_is_told(source: Path, name: str) -> None:
    touch(source, name, ".1.zip.icloud", "a.icloud")
    found = find([source])
    assert (found.archives, found.files, found.lost) == (["0.zip"], ["a.icloud", "img/a.png"], ["1.zip"])
    assert told(found) == dict.fromkeys((name, ".1.zip.icloud"), "file-placeholder")


def test_a_second_download_is_named(source: Path) -> None:
    touch(source, "0.zip.1", "1.zip.1")
    found = find([source])
    severities = {finding.member: finding.severity for finding in found.findings}
    assert severities == {"0.zip.1": Severity.WARNING, "1.zip.1": Severity.ERROR}
    assert (found.lost, found.alike) == (["1.zip"], {"0.zip": "0.zip.1", "1.zip": "1.zip.1"})
    assert any("looks like it: if it is whole, rename it to 1.zip" in finding.message for finding in found.findings)


def test_archives_of_other_kinds_are_told_once_for_each(source: Path) -> None:
    touch(source, "a.rar", "b.rar", "c.tar.xz", "t.csv.gz")
    found = find([source])
    assert {finding.code for finding in found.findings} == {"archive-unsupported"}
    assert [finding.message.partition(" of a kind")[0] for finding in found.findings] == [
        "a.rar and 1 more are archives",
        "c.tar.xz is an archive",
    ]


def test_nothing_but_what_cannot_be_taken_says_why(tmp_path: Path) -> None:
    touch(tmp_path, "0.zip.part")
    with pytest.raises(SourceError, match=r"0\.zip\.part: It is the beginning of 0\.zip"):
        find([tmp_path])
    with pytest.raises(SourceError, match="has not finished"):
        find([tmp_path / "0.zip.part"])


# Globs


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.txt", ["a/b.png", "b.png", "c/x/b.png"]),
        ("a", ["b.png", "c/x/b.png", "n.txt"]),
        ("a/", ["b.png", "c/x/b.png", "n.txt"]),
        ("./a/*", ["b.png", "c/x/b.png", "n.txt"]),
        ("c/*", ["a/b.png", "a/n.txt", "b.png", "n.txt"]),
        ("c/x", ["a/b.png", "a/n.txt", "b.png", "n.txt"]),
        ("x/b.png", ["a/b.png", "a/n.txt", "b.png", "c/x/b.png", "n.txt"]),
        ("b.png", ["a/n.txt", "n.txt"]),
        ("[ab].*", ["a/n.txt", "n.txt"]),
        ("B.PNG", ["a/b.png", "a/n.txt", "b.png", "c/x/b.png", "n.txt"]),
    ],
)
def test_exclude(tmp_path: Path, pattern: str, left: list[str]) -> None:
    every = ["a/b.png", "a/n.txt", "b.png", "c/x/b.png", "n.txt"]
    touch(tmp_path, *every)
    found = find([tmp_path], Scope(exclude=(pattern,)))
    assert found.files == left
    assert sorted([*found.files, *found.excluded]) == every


def test_members_have_two_paths() -> None:
    scope = Scope(exclude=("0.zip/a.png", "sub/*"), include=("*.png",))
    assert not scope.holds("a.png", "0.zip")
    assert scope.holds("a.png", "1.zip")
    assert not scope.holds("sub/a.png", "1.zip")
    assert not scope.holds("a.txt", "1.zip")
    assert Scope(include=("0.zip",)).holds("a.png", "0.zip")


def test_an_encoding_that_there_is_none_of() -> None:
    for name in ("cp9999", "base64", "x\0y"):
        with pytest.raises(UsageError, match="is no encoding"):
            Scope(encoding=name)
    assert Scope(encoding="cp932").encoding == "cp932"
