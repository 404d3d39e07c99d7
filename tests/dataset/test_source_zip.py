"""Zip archives as a source: healthy ones of several makers, names, duplicates and what is refused."""

import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from laden.dataset.source import Reader, entries
from laden.dataset.source.inflate import DEFLATE64
from laden.values.records import Finding, Severity
from tests.contracts.source import CONTENTS, SourceContract, accepted, listed, refused, verdicts
from tests.support.patched_zips import (
    CENTRAL,
    MEMBERS,
    NOISE,
    TEXT,
    Unseekable,
    data_range,
    make,
    make_deflate64,
    patch,
)


class ZipContract(SourceContract):
    def touched(self, root, member):
        return root / "sub/0.zip"


class TestStored(ZipContract):
    def place(self, root, contents):
        (root / "sub").mkdir()
        make(root / "sub/0.zip", contents, zipfile.ZIP_STORED)
        return list(entries(root, "sub/0.zip"))


class TestDeflated(ZipContract):
    def place(self, root, contents):
        (root / "sub").mkdir()
        make(root / "sub/0.zip", contents)
        return list(entries(root, "sub/0.zip"))


class TestDeflate64(ZipContract):
    def place(self, root, contents):
        (root / "sub").mkdir()
        make_deflate64(root / "sub/0.zip", contents)
        found = list(entries(root, "sub/0.zip"))
        assert {entry.method for entry in accepted(found)} == {9}
        return found


class TestStreamed(ZipContract):
    def place(self, root, contents):
        (root / "sub").mkdir()
        with Unseekable(root / "sub/0.zip") as stream:
            make(stream, contents)
        return list(entries(root, "sub/0.zip"))


def test_entries_come_in_the_order_of_the_archive(tmp_path):
    path = make(tmp_path / "0.zip")
    found = listed(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    assert [entry._asdict() for entry in accepted(found)] == [
        {
            "archive": "0.zip",
            "member": info.filename,
            "size_bytes": info.file_size,
            "crc32": info.CRC,
            "mtime_ns": None,
            "offset_bytes": info.header_offset,
            "stored_bytes": info.compress_size,
            "method": 8,
        }
        for info in infos
    ]


def test_an_archive_without_members_is_fine(tmp_path):
    assert listed(make(tmp_path / "0.zip", {})) == []


def test_a_stored_member_is_not_copied(tmp_path):
    path = make(tmp_path / "0.zip", {"a.png": NOISE}, zipfile.ZIP_STORED)
    with Reader(str(tmp_path)) as reader:
        (buffer,) = reader.read(accepted(listed(path))[0], 1 << 20)
    assert isinstance(buffer, memoryview)
    assert buffer == NOISE


def test_data_before_the_archive_shift_nothing(tmp_path):
    path = make(tmp_path / "0.zip")
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    assert verdicts(path) == MEMBERS


def test_zip64_fields(tmp_path):
    path = tmp_path / "0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert verdicts(path) == MEMBERS
    patch(path, "a.png", local=False, size=len(NOISE) - 1)
    assert verdicts(path) == MEMBERS | {"a.png": "member-header"}


def test_zip64_sizes_in_the_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = make(tmp_path / "0.zip")
    monkeypatch.undo()
    assert b"PK\6\6" in path.read_bytes()
    assert verdicts(path) == MEMBERS


@pytest.mark.skipif(sys.platform == "win32", reason="files with holes need another call on Windows")
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_offsets_beyond_4_gib(tmp_path, method):
    path = tmp_path / "0.zip"
    with path.open("wb") as file:
        file.seek(5 << 30)
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("a.png", TEXT)
    assert accepted(listed(path))[0].offset_bytes == 5 << 30
    assert verdicts(path) == {"a.png": TEXT}


@pytest.mark.parametrize("extra_bytes", [200, 300, 60_000])
def test_long_extra_fields(tmp_path, extra_bytes):
    path = tmp_path / "0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.png")
        info.extra = struct.pack("<HH", 0x4242, extra_bytes) + bytes(extra_bytes)
        archive.writestr(info, NOISE)
    assert verdicts(path, chunk_bytes=1000) == verdicts(path) == {"a.png": NOISE}


@pytest.mark.parametrize(
    ("raw", "flag", "name"),
    [("ä中.png".encode(), 0x800, "ä中.png"), ("ä中.png".encode(), 0, "ä中.png"), (b"\x84.png", 0, "ä.png")],
)
def test_names_in_utf_8_and_code_page_437(tmp_path, raw, flag, name):
    path = make(tmp_path / "0.zip", {"x" * len(raw): NOISE})
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    with zipfile.ZipFile(path) as archive:
        stale = archive.infolist()[0].orig_filename
    patch(path, stale, flags=flag)
    got = verdicts(path)
    assert got.pop("", None) == (None if name.isascii() or raw.decode("utf-8", "ignore") == name else "names-encoding")
    assert got == {name: NOISE}


def run(*command: str, cwd: Path, **options) -> bytes:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, **options).stdout


@pytest.mark.parametrize(
    "command",
    [
        ["zip", "-r"],
        ["zip", "-r", "-0"],
        ["zip", "-r", "-D", "-X", "-9"],
        ["zip", "-r", "-fz"],
        ["7z", "a", "-tzip", "-mm=Copy"],
        ["7z", "a", "-tzip", "-mm=Deflate"],
        ["7z", "a", "-tzip", "-mm=Deflate64"],
    ],
    ids=" ".join,
)
def test_archives_of_other_makers(tmp_path, command):
    folder = tmp_path / "data"
    for name, data in CONTENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    run(*command, str(tmp_path / "0.zip"), ".", cwd=folder)
    found = listed(tmp_path / "0.zip")
    junk = [one for one in found if isinstance(one, Finding)]
    assert {one.code for one in junk} <= {"junk-ignored"}
    got = verdicts(tmp_path / "0.zip", chunk_bytes=4096)
    got.pop("", None)
    assert got == CONTENTS
    if command[-1] == "-mm=Deflate64":
        assert DEFLATE64 in {entry.method for entry in accepted(found)}


def test_an_archive_streamed_by_info_zip(tmp_path):
    archive = run("zip", "-q", "-", "-", cwd=tmp_path, input=TEXT)
    (tmp_path / "0.zip").write_bytes(archive)
    assert verdicts(tmp_path / "0.zip") == {"-": TEXT}


def test_junk_is_counted_once(tmp_path):
    junk = {"__MACOSX/._a.png": b"x", "0/": b"", "0/Thumbs.db": b"x"}
    path = make(tmp_path / "0.zip", junk | {"0/a.png": NOISE})
    found = listed(path)
    assert [entry.member for entry in accepted(found)] == ["0/a.png"]
    (finding,) = (one for one in found if isinstance(one, Finding))
    assert (finding.code, finding.severity, finding.archive) == ("junk-ignored", Severity.INFO, "0.zip")
    assert finding.message.startswith("3 members")
    assert "__MACOSX/._a.png" in finding.message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../up.png", "`..` segment"),
        ("/abs.png", "is absolute"),
        ("C:/x.png", "drive letter"),
        ("a\\b.png", "backslash"),
        ("a\nb.png", "U+000A"),
        ("a//b.png", "empty segment"),
    ],
)
def test_refused_names(tmp_path, name, reason):
    path = make(tmp_path / "0.zip", {"N" * len(name): NOISE, "b.png": TEXT})
    path.write_bytes(path.read_bytes().replace(b"N" * len(name), name.encode()))
    finding, entry = listed(path)
    assert (finding.code, finding.severity, finding.archive) == ("name-refused", Severity.ERROR, "0.zip")
    assert reason in finding.message
    assert finding.member.isprintable()
    assert entry.member == "b.png"


def test_a_folder_that_holds_data_is_refused_not_ignored(tmp_path):
    assert verdicts(make(tmp_path / "0.zip", {"folder/": b"data"})) == {"folder/": "name-refused"}


def test_a_name_that_ends_at_a_null_is_refused(tmp_path):
    path = make(tmp_path / "0.zip", {"a.pngX.exe": NOISE})
    path.write_bytes(path.read_bytes().replace(b"a.pngX.exe", b"a.png\0.exe"))
    assert list(verdicts(path).values()) == ["name-refused"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"flags": 1}, "member-encrypted"),
        ({"method": 99}, "member-method"),
        ({"method": 93}, "member-method"),
        ({"size": 50_000 * 1032 * 2}, "member-size"),
        ({"stored": 400_000}, "member-overlap"),
    ],
)
def test_refused_members_leave_the_others(tmp_path, values, code):
    path = make(tmp_path / "0.zip")
    patch(path, "b.png", **values)
    assert verdicts(path) == MEMBERS | {"b.png": code}
    (finding,) = (one for one in listed(path) if isinstance(one, Finding))
    assert (finding.severity, finding.archive, finding.member) == (Severity.ERROR, "0.zip", "b.png")


@pytest.mark.skipif(not shutil.which("zip"), reason="zip is not installed")
def test_an_encrypted_archive(tmp_path):
    (tmp_path / "a.png").write_bytes(NOISE)
    run("zip", "-P", "secret", "0.zip", "a.png", cwd=tmp_path)
    assert refused(tmp_path / "0.zip").code == "archive-encrypted"


def test_equal_duplicates_are_loaded_once(tmp_path):
    path = tmp_path / "0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", NOISE)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", NOISE)
    entry, finding = listed(path)
    assert (entry.offset_bytes, finding.code, finding.severity) == (0, "member-duplicate", Severity.WARNING)


def test_different_duplicates_are_refused(tmp_path):
    path = make(tmp_path / "0.zip", {"a.png": NOISE, "b.png": TEXT, "c.png": TEXT})
    path.write_bytes(path.read_bytes().replace(b"b.png", b"a.png"))
    found = listed(path)
    assert [(one.member, getattr(one, "severity", None)) for one in found] == [
        ("a.png", Severity.ERROR),
        ("a.png", Severity.ERROR),
        ("c.png", None),
    ]


def test_members_that_share_one_offset(tmp_path):
    path = make(tmp_path / "0.zip", {"a.png": TEXT, "b.png": TEXT})
    patch(path, "b.png", offset=0)
    assert verdicts(path) == {"a.png": "member-overlap", "b.png": "member-header"}


def test_a_bomb_of_quoted_headers(tmp_path):
    """Each member's data hold the next one's header and data (D. Fifield, "A better zip bomb", 2019)."""
    inner = make(tmp_path / "inner.zip", {"b.png": bytes(100_000)}).read_bytes()
    kernel = inner[: inner.index(CENTRAL)]
    path = make(tmp_path / "0.zip", {"a.png": kernel, "b.png": bytes(100_000)}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(tmp_path / "inner.zip") as archive:
        info = archive.infolist()[0]
    start = data_range(path, "a.png").start
    patch(path, "b.png", local=False, offset=start, stored=info.compress_size, method=8)
    assert verdicts(path) == {"a.png": "member-overlap", "b.png": bytes(100_000)}
