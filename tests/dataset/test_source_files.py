"""Finding files, listing plain ones, and the source contract over them."""

import os
import sys
from pathlib import Path

import pytest

from laden.dataset.source import Found, Reader, file_entries, find
from laden.values.errors import MemberDamaged, SourceError, UsageError
from laden.values.records import STORED, Entry, Finding, Severity
from tests.contracts.source import SourceContract, content

posix = pytest.mark.skipif(sys.platform == "win32", reason="such files cannot be made on Windows")


class TestFilesAsSource(SourceContract):
    def place(self, root, contents):
        for name, data in contents.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return list(file_entries(root, contents))

    def touched(self, root, member):
        return root / member

    @pytest.mark.parametrize("data", [b"", b"y", b"longer"])
    def test_a_change_before_reading_is_noticed(self, placed, reader, tmp_path, data):
        (tmp_path / "one.png").write_bytes(data)
        os.utime(tmp_path / "one.png", ns=(1, 1))
        with pytest.raises(MemberDamaged, match=r"one\.png changed") as raised:
            content(reader, placed["one.png"])
        assert raised.value.code == "file-changed"


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_entry_of_a_plain_file(tmp_path):
    touch(tmp_path, "a/b.csv")
    os.utime(tmp_path / "a/b.csv", ns=(5, 7))
    mtime_ns = (tmp_path / "a/b.csv").stat().st_mtime_ns
    assert list(file_entries(tmp_path, ["a/b.csv"])) == [
        Entry(
            "",
            "a/b.csv",
            size_bytes=1,
            crc32=None,
            mtime_ns=mtime_ns,
            offset_bytes=0,
            stored_bytes=1,
            method=STORED,
        )
    ]


@posix
def test_a_file_whose_name_cannot_travel_is_a_finding(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    touch(tmp_path, name, "back\\slash.png")
    findings = list(file_entries(tmp_path, [name, "back\\slash.png"]))
    assert all(isinstance(finding, Finding) for finding in findings)
    assert [(finding.code, finding.severity) for finding in findings] == [("name-refused", Severity.ERROR)] * 2
    assert findings[0].member.encode() == b"caf\\udce9.png"


def test_a_file_that_is_gone_is_told_and_the_rest_goes_on(tmp_path):
    touch(tmp_path, "b.csv")
    gone, there = file_entries(tmp_path, ["a.csv", "b.csv"])
    assert isinstance(gone, Finding)
    assert (gone.code, gone.member, gone.severity) == ("source-unreadable", "a.csv", Severity.ERROR)
    assert isinstance(there, Entry)


@pytest.mark.parametrize("year_ns", [10**19, -(10**19), 2**63 - 1])
def test_times_that_64_bits_do_not_hold(tmp_path, year_ns):
    touch(tmp_path, "a.png")
    try:
        os.utime(tmp_path / "a.png", ns=(year_ns, year_ns))
    except (OSError, OverflowError):
        pytest.skip("this file system holds no such year")
    (entry,) = file_entries(tmp_path, ["a.png"])
    assert -(2**63) <= entry.mtime_ns < 2**63
    with Reader(str(tmp_path)) as reader:
        assert content(reader, entry) == b"x"


def test_find_walks_a_folder_in_natural_order(tmp_path):
    touch(
        tmp_path,
        "10.zip",
        "2.zip",
        "1.ZIP",
        "0.zip",
        "sub/3.zip",
        "table.csv.gz",
        "img/2/b.png",
        "img/10/a.png",
    )
    assert find([tmp_path]) == Found(
        tmp_path.resolve(),
        archives=["0.zip", "1.ZIP", "2.zip", "10.zip", "sub/3.zip"],
        files=["img/2/b.png", "img/10/a.png", "table.csv.gz"],
        findings=[],
        excluded=[],
        lost=[],
        alike={},
    )


def taken(found: Found) -> tuple[list[str], list[str]]:
    assert found.findings == []
    return found.archives, found.files


def test_find_tells_of_junk_once(tmp_path):
    touch(tmp_path, "0.zip", "._0.zip", "__MACOSX/x/y.png", "sub/Thumbs.db")
    found = find([tmp_path])
    assert (found.archives, found.files) == (["0.zip"], [])
    (junk,) = found.findings
    assert (junk.code, junk.severity) == ("junk-ignored", Severity.INFO)
    assert junk.message.startswith("3 files")


def test_find_named_files_below_their_common_parent(tmp_path):
    touch(tmp_path, "a/10.zip", "a/9.zip", "b/table.csv", "b/other.csv")
    named = [tmp_path / "a/10.zip", tmp_path / "a/9.zip", tmp_path / "b/../b/table.csv", tmp_path / "a/9.zip"]
    assert taken(find(named)) == (["a/9.zip", "a/10.zip"], ["b/table.csv"])


def test_find_takes_relative_paths(tmp_path, monkeypatch):
    touch(tmp_path, "0.zip")
    monkeypatch.chdir(tmp_path)
    assert find([Path()]) == find([Path("0.zip")])
    assert taken(find([Path()])) == (["0.zip"], [])


@posix
def test_named_links_are_followed_and_keep_their_names(tmp_path):
    touch(tmp_path, "store/blob-17", "data/table.csv")
    (tmp_path / "data/0.zip").symlink_to(tmp_path / "store/blob-17")
    assert taken(find([tmp_path / "data/0.zip", tmp_path / "data/table.csv"])) == (["0.zip"], ["table.csv"])
    (tmp_path / "data/1.zip").symlink_to(tmp_path / "unmounted/1.zip")
    with pytest.raises(SourceError, match=r"1\.zip is a link to .*unmounted/1\.zip, which is not there"):
        find([tmp_path / "data/1.zip"])


@posix
def test_find_refuses_special_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        find([tmp_path / "pipe.zip"])


def test_find_says_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match="absent does not exist"):
        find([tmp_path / "absent"])


def test_find_refuses_several_folders(tmp_path):
    touch(tmp_path, "a/0.zip", "b/0.zip")
    with pytest.raises(UsageError, match="one folder"):
        find([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(UsageError, match="one folder"):
        find([])


def test_find_nothing_is_an_error(tmp_path):
    touch(tmp_path, ".DS_Store")
    with pytest.raises(SourceError, match="holds no archive"):
        find([tmp_path])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission_is_said(tmp_path):
    touch(tmp_path, "sub/a.png", "b.png")
    entries = list(file_entries(tmp_path, ["b.png"]))
    (tmp_path / "sub").chmod(0)
    (tmp_path / "b.png").chmod(0)
    assert [one.code for one in find([tmp_path]).findings] == ["folder-unreadable"]
    with Reader(str(tmp_path)) as reader, pytest.raises(SourceError, match=r"b\.png cannot be read"):
        content(reader, entries[0])
    (tmp_path / "sub").chmod(0o700)


def test_ladens_own_outputs_are_left_out_and_what_only_looks_like_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, text in (
        ("laden-report.html", "<!DOCTYPE html>\n<!-- laden report -->\n<p>"),
        ("deep/laden-findings.csv", '"code","severity","message","archive","member","row","blob"\r\n'),
        ("deep/laden-report.html", "<p>mine</p>"),
        ("laden-findings.csv", "ImageID,Labels\n"),
        ("a.png", ""),
    ):
        (tmp_path / name).write_text(text)
    found = find([tmp_path])
    assert sorted(found.files) == ["a.png", "deep/laden-report.html", "laden-findings.csv"]
    assert [(one.code, one.message[:7]) for one in found.findings] == [("junk-ignored", "2 files")]
