"""Zip archives as a source: healthy ones of several makers, and every way in which one can be broken."""

import io
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from pathlib import Path

import inflate64
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.source import Reader, entries
from laden.dataset.source.inflate import DEFLATE64, DEFLATED, decompressor, fill
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import Entry, Finding, Severity
from tests.contracts.source import CONTENTS, SourceContract, accepted, content

RNG = random.Random(7)
NOISE = RNG.randbytes(50_000)
TEXT = b"".join(b"%d," % number for number in range(20_000))
MEMBERS = {"a.png": NOISE, "b.png": TEXT, "c.png": b"", "d/e.PNG": TEXT[:100]}

CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"
FIELDS = {  # name: (format, offset in the central header, offset in the local header or None)
    "flags": ("<H", 8, 6),
    "method": ("<H", 10, 8),
    "crc": ("<I", 16, 14),
    "stored": ("<I", 20, 18),
    "size": ("<I", 24, 22),
    "disk": ("<H", 34, None),
    "offset": ("<I", 42, None),
}


class Unseekable(io.RawIOBase):
    """An output stream as a pipe is: writers must put sizes behind the data."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)

    def writable(self):
        return True

    def write(self, data):
        return self._file.write(data)

    def close(self):
        self._file.close()
        super().close()


def make(path: Path, members: dict[str, bytes] = MEMBERS, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_deflate64(path: Path, members: dict[str, bytes] = MEMBERS) -> Path:
    """A stored archive whose members' data and headers are replaced by Deflate64 ones."""
    packed = {}
    for name, data in members.items():
        deflater = inflate64.Deflater()
        packed[name] = deflater.deflate(data) + deflater.flush()
    make(path, packed, zipfile.ZIP_STORED)
    for name, data in members.items():
        patch(path, name, method=9, crc=zlib.crc32(data), size=len(data))
    return path


def patch(path: Path, name: str, *, local: bool = True, central: bool = True, **values: int) -> None:
    """Overwrite fields of one member's headers."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        infos, start = archive.infolist(), archive.start_dir
    at = start
    for info in infos:
        assert data[at : at + 4] == CENTRAL
        if info.orig_filename == name:
            for field, value in values.items():
                kind, in_central, in_local = FIELDS[field]
                if central:
                    struct.pack_into(kind, data, at + in_central, value)
                if local and in_local is not None:
                    assert data[info.header_offset :][:4] == LOCAL
                    struct.pack_into(kind, data, info.header_offset + in_local, value)
        at += 46 + sum(struct.unpack_from("<HHH", data, at + 28))
    path.write_bytes(data)


def data_range(path: Path, name: str) -> range:
    """Where one member's data lie."""
    with zipfile.ZipFile(path) as archive:
        info = next(info for info in archive.infolist() if info.orig_filename == name)
    header = path.read_bytes()[info.header_offset :][:30]
    start = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
    return range(start, start + info.compress_size)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int) -> None:
    overwrite(path, offset, bytes([path.read_bytes()[offset] ^ 0x10]))


def listed(path: Path) -> list[Entry | Finding]:
    return list(entries(path.parent, path.name))


def verdicts(path: Path, chunk_bytes: int = 1 << 30) -> dict[str, bytes | str]:
    """Per member: its content, or the code of what is wrong with it."""
    result: dict[str, bytes | str] = {}
    with Reader(str(path.parent)) as reader:
        for one in listed(path):
            try:
                result[one.member] = content(reader, one, chunk_bytes) if isinstance(one, Entry) else one.code
            except MemberDamaged as error:
                result[one.member] = error.code
    return result


def refused(path: Path) -> SourceError:
    with pytest.raises(SourceError) as raised:
        listed(path)
    message = str(raised.value)
    assert path.name in message
    assert message.endswith(".")
    return raised.value


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


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 30])
@pytest.mark.parametrize(
    ("change", "code"),
    [(-1, "member-long"), (-99, "member-long"), (1, "member-short"), (999, "member-short")],
)
def test_size_lies(tmp_path, method, chunk_bytes, change, code):
    path = make(tmp_path / "0.zip", method=method)
    patch(path, "b.png", size=len(TEXT) + change)
    expected = "member-size" if method == zipfile.ZIP_STORED else code
    assert verdicts(path, chunk_bytes) == MEMBERS | {"b.png": expected}


@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 30])
@pytest.mark.parametrize(("change", "code"), [(-1, "member-long"), (1, "member-short")])
def test_size_lies_in_deflate64(tmp_path, chunk_bytes, change, code):
    path = make_deflate64(tmp_path / "0.zip")
    patch(path, "b.png", size=len(TEXT) + change)
    assert verdicts(path, chunk_bytes) == MEMBERS | {"b.png": code}


@pytest.mark.parametrize(("change", "code"), [(-1, "member-long"), (1, "member-short")])
def test_a_stored_entry_of_two_lengths(tmp_path, change, code):
    path = make(tmp_path / "0.zip", {"a.png": NOISE}, zipfile.ZIP_STORED)
    entry = accepted(listed(path))[0]
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged) as raised:
        content(reader, entry._replace(size_bytes=entry.size_bytes + change))
    assert raised.value.code == code


@pytest.mark.parametrize("maker", [make, make_deflate64])
def test_compressed_data_that_are_cut(tmp_path, maker):
    path = maker(tmp_path / "0.zip")
    patch(path, "b.png", stored=len(data_range(path, "b.png")) - 20)
    assert verdicts(path) == MEMBERS | {"b.png": "member-short"}


def test_compressed_data_without_an_end(tmp_path):
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(TEXT) + packer.flush(zlib.Z_SYNC_FLUSH)
    path = make(tmp_path / "0.zip", {"a.png": packed}, zipfile.ZIP_STORED)
    patch(path, "a.png", method=8, size=len(TEXT), crc=zlib.crc32(TEXT))
    assert verdicts(path) == {"a.png": "member-deflate"}


@pytest.mark.parametrize("field", ["method", "size", "stored", "flags"])
def test_headers_that_disagree(tmp_path, field):
    path = make(tmp_path / "0.zip", method=zipfile.ZIP_STORED)
    patch(path, "b.png", central=False, **{field: 1})
    assert verdicts(path) == MEMBERS | {"b.png": "member-header"}


def test_names_that_disagree(tmp_path):
    path = make(tmp_path / "0.zip")
    overwrite(path, path.read_bytes().index(b"b.png"), b"x")
    assert verdicts(path) == MEMBERS | {"b.png": "member-header"}


@pytest.mark.parametrize("maker", [make, make_deflate64, lambda path: make(path, method=zipfile.ZIP_STORED)])
def test_a_hole_of_zeros_damages_only_what_it_covers(tmp_path, maker):
    path = maker(tmp_path / "0.zip")
    first, second = data_range(path, "a.png"), data_range(path, "b.png")
    overwrite(path, first.stop - 5000, bytes(5000))
    got = verdicts(path)
    assert got.pop("a.png") in ("member-crc", "member-deflate", "member-short", "member-long")
    assert got == {name: data for name, data in MEMBERS.items() if name != "a.png"}
    overwrite(path, first.stop - 5000, bytes(5000 + len(second)))
    assert verdicts(path)["b.png"] == "member-header"


def test_a_flipped_bit_is_a_wrong_checksum(tmp_path):
    path = make(tmp_path / "0.zip", method=zipfile.ZIP_STORED)
    flip(path, data_range(path, "a.png")[777])
    assert verdicts(path) == MEMBERS | {"a.png": "member-crc"}
    with (
        Reader(str(tmp_path)) as reader,
        pytest.raises(MemberDamaged, match=r"CRC-32 is [0-9a-f]{8}") as raised,
    ):
        content(reader, accepted(listed(path))[0])
    assert f"{zlib.crc32(NOISE):08x}" in str(raised.value)


def test_the_last_buffer_waits_for_the_checksum(tmp_path):
    path = make(tmp_path / "0.zip", method=zipfile.ZIP_STORED)
    flip(path, data_range(path, "a.png")[0])
    buffers: list[bytes] = []
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged):
        buffers.extend(reader.read(accepted(listed(path))[0], 10_000))
    assert len(b"".join(buffers)) == 40_000


def test_a_local_header_at_the_very_end(tmp_path):
    path = make(tmp_path / "0.zip")
    entry = accepted(listed(path))[0]
    path.write_bytes(path.read_bytes()[:20])
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged) as raised:
        content(reader, entry)
    assert raised.value.code == "member-header"


def test_an_archive_that_loses_its_end_while_it_is_read(tmp_path):
    path = make(tmp_path / "0.zip", {"a.png": NOISE, "b.png": NOISE})
    first, second = accepted(listed(path))
    with Reader(str(tmp_path)) as reader:
        assert content(reader, first) == NOISE
        os.truncate(path, second.offset_bytes + 100)
        with pytest.raises(MemberDamaged) as raised:
            content(reader, second)
    assert raised.value.code == "archive-changed"
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged) as raised:
        content(reader, second)
    assert raised.value.code == "member-short"


HTML = b"\xef\xbb\xbf\n<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "archive-empty", "0 bytes"),
        (HTML, "archive-html", "log in and download it again"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "archive-html", "web page"),
        (b"\x1f\x8b\x08\0\0\0", "archive-not-zip", "gzip data"),
        (b"7z\xbc\xaf\x27\x1c", "archive-not-zip", "7-Zip archive"),
        (bytes(5000), "archive-not-zip", "never filled in"),
        (b"hello world", "archive-not-zip", "'hello world'"),
        (b"PK\3\4" + bytes(5000), "archive-truncated", "after 5,004 bytes"),
        (b"PK\7\x08PK\3\4" + bytes(500), "archive-multi-disk", "zip -s 0"),
    ],
)
def test_files_that_are_no_archive(tmp_path, data, code, words):
    (tmp_path / "0.zip").write_bytes(data)
    error = refused(tmp_path / "0.zip")
    assert error.code == code
    assert words in str(error)


def test_archives_that_cannot_be_opened(tmp_path):
    assert refused(tmp_path / "0.zip").code == "archive-missing"
    (tmp_path / "0.zip").mkdir()
    assert refused(tmp_path / "0.zip").code == "archive-unreadable"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_archive_without_permission(tmp_path):
    make(tmp_path / "0.zip").chmod(0)
    assert refused(tmp_path / "0.zip").code == "archive-permission"


def test_an_archive_whose_name_cannot_travel(tmp_path):
    with pytest.raises(SourceError, match="backslash") as raised:
        list(entries(tmp_path, "a\\0.zip"))
    assert raised.value.code == "name-refused"


def test_truncated_anywhere(tmp_path):
    whole = make(tmp_path / "whole.zip").read_bytes()
    path = tmp_path / "0.zip"
    for length in {1, 3, *range(4, len(whole), 997), *range(len(whole) - 250, len(whole))}:
        path.write_bytes(whole[:length])
        assert refused(path).code == ("archive-truncated" if length >= 4 else "archive-not-zip")


def test_one_part_of_a_split_archive(tmp_path):
    path = make(tmp_path / "0.zip")
    overwrite(path, path.stat().st_size - 22 + 4, struct.pack("<HH", 1, 1))
    assert refused(path).code == "archive-multi-disk"


def test_a_member_on_another_disk(tmp_path):
    path = make(tmp_path / "0.zip")
    patch(path, "b.png", disk=3)
    assert refused(path).code == "archive-multi-disk"


@pytest.mark.parametrize(
    ("offset", "code"),
    [(10, "archive-directory"), (12, "archive-directory")],
    ids=["count", "size"],
)
def test_end_records_that_lie(tmp_path, offset, code):
    path = make(tmp_path / "0.zip")
    at = path.stat().st_size - 22 + offset
    overwrite(path, at, bytes([path.read_bytes()[at] - 1]))
    assert refused(path).code == code


def test_a_directory_that_is_shorter_than_its_members(tmp_path):
    """The end record counts one member more than the directory holds: it is not silently left out."""
    path = make(tmp_path / "0.zip")
    overwrite(path, path.stat().st_size - 22 + 8, struct.pack("<HH", 5, 5))
    error = refused(path)
    assert error.code == "archive-directory"
    assert "4 members found, 5 declared" in str(error)


def test_a_directory_elsewhere_than_declared(tmp_path):
    path = make(tmp_path / "0.zip")
    at = path.stat().st_size - 22 + 16
    start = struct.unpack_from("<I", path.read_bytes(), at)[0]
    overwrite(path, at, struct.pack("<I", start + 1))
    assert set(verdicts(path).values()) <= {"member-header", "member-overlap"}
    overwrite(path, at, struct.pack("<I", start - 1))
    assert refused(path).code == "archive-directory"


def test_an_archive_cut_behind_an_archive_inside_it_is_not_taken_for_that_one(tmp_path):
    inner = make(tmp_path / "inner.zip").read_bytes()
    path = make(tmp_path / "0.zip", {"a.png": NOISE, "inner.zip": inner, "b.png": NOISE}, zipfile.ZIP_STORED)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(inner) + len(inner) + 100])
    error = refused(path)
    assert error.code == "archive-directory"
    assert "belongs to another archive" in str(error)


def test_two_archives_joined_are_not_taken_for_the_last_alone(tmp_path):
    path = make(tmp_path / "0.zip")
    path.write_bytes(path.read_bytes() + make(tmp_path / "other.zip", {"z.png": TEXT}).read_bytes())
    assert refused(path).code == "archive-directory"


def test_a_directory_in_a_comment_is_not_taken_for_the_archive_s_own(tmp_path):
    path = make(tmp_path / "0.zip")
    fake = make(tmp_path / "fake.zip", {"z.png": TEXT}).read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = fake
    error = refused(path)
    assert error.code == "archive-directory"
    assert "comment" in str(error)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes no holes unless asked")
def test_an_archive_larger_than_the_memory(tmp_path):
    """Only its end is read: a file of 4 TiB, nearly all of it a hole."""
    path = make(tmp_path / "0.zip")
    data = path.read_bytes()
    path.write_bytes(b"")
    os.truncate(path, 4 << 40)
    with path.open("ab") as file:
        file.write(data)
    assert len(accepted(listed(path))) == len(MEMBERS)


def test_a_directory_with_a_broken_record(tmp_path):
    path = make(tmp_path / "0.zip")
    overwrite(path, path.read_bytes().rindex(CENTRAL), b"XX")
    assert refused(path).code == "archive-directory"


names = st.text(st.characters(min_codepoint=48, max_codepoint=0x2FF, categories=["L", "N"]), min_size=1, max_size=8)
contents = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda data, times: data * times, st.binary(max_size=9), st.integers(0, 9999)),
)


@settings(max_examples=60, deadline=None)
@given(
    members=st.dictionaries(names, st.tuples(contents, st.sampled_from([0, 8])), max_size=5),
    chunk_bytes=st.one_of(st.integers(20, 5000), st.integers(1, 1 << 40)),
)
def test_round_trip(tmp_path_factory, members, chunk_bytes):
    path = tmp_path_factory.mktemp("zip") / "0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, (data, method) in members.items():
            archive.writestr(name, data, method)
    # Tiny chunks of long members would take many thousand buffers and show no more.
    chunk_bytes = max(chunk_bytes, max((len(data) for data, _ in members.values()), default=0) // 500)
    with Reader(str(path.parent)) as reader:
        for entry in accepted(listed(path)):
            buffers = list(reader.read(entry, max(chunk_bytes, 1)))
            assert b"".join(buffers) == members[entry.member][0]
            assert {len(buffer) for buffer in buffers[:-1]} <= {chunk_bytes}
    assert {entry.member for entry in accepted(listed(path))} == set(members)


@settings(max_examples=60, deadline=None)
@given(
    data=contents,
    method=st.sampled_from([DEFLATED, DEFLATE64]),
    piece_bytes=st.integers(1, 3000),
    wanted_bytes=st.integers(200, 5000),
)
def test_inflating_never_gives_more_than_asked(data, method, piece_bytes, wanted_bytes):
    packer = inflate64.Deflater() if method == DEFLATE64 else None
    packed = packer.deflate(data) + packer.flush() if packer else zlib.compress(data, wbits=-15)
    pieces = iter([packed[at : at + piece_bytes] for at in range(0, len(packed), piece_bytes)])
    source, parts = decompressor(method), []
    while part := fill(source, pieces, wanted_bytes):
        parts.append(part)
    assert b"".join(parts) == data
    assert {len(part) for part in parts[:-1]} <= {wanted_bytes}
    assert source.eof


SMALL = {"a.png": TEXT[:300], "b.png": NOISE[:200], "sub/c.png": b"", "ä.png": TEXT[:40]}


@pytest.mark.parametrize("kind", ["stored", "deflated", "streamed", "deflate64"])
def test_no_mutation_passes_for_the_original(tmp_path, kind):
    path = tmp_path / "0.zip"
    if kind == "streamed":
        with Unseekable(path) as stream:
            make(stream, SMALL)
    elif kind == "deflate64":
        ascii_only = {name.replace("ä", "x"): data for name, data in SMALL.items()}
        make_deflate64(path, ascii_only)
    else:
        make(path, SMALL, zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED)
    original = verdicts(path)
    assert set(original.values()) <= set(SMALL.values())
    whole = path.read_bytes()
    rng = random.Random(kind)
    survived = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            got = verdicts(path, chunk_bytes=rng.choice([64, 1 << 20]))
        except SourceError:
            continue
        right = {name: seen for name, seen in got.items() if isinstance(seen, bytes)}
        assert right.items() <= original.items()
        assert len(got) + sum(name == "" for name in got) >= len(original)
        survived += len(right)
    assert survived > 100


def test_threads_inflate_at_the_same_time(tmp_path):
    """Two threads that wait for each other inside a member: neither holds a lock while it yields."""
    path = make(tmp_path / "0.zip", {"a.png": NOISE, "b.png": TEXT})
    barrier = threading.Barrier(2, timeout=20)
    results: dict[str, bytes] = {}

    def read(reader: Reader, entry: Entry) -> None:
        parts = []
        for number, buffer in enumerate(reader.read(entry, 20_000)):
            if number == 0:
                barrier.wait()
            parts.append(buffer)
        results[entry.member] = b"".join(parts)

    with Reader(str(tmp_path)) as reader:
        threads = [threading.Thread(target=read, args=(reader, entry)) for entry in accepted(listed(path))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {"a.png": NOISE, "b.png": TEXT}
