"""Tars and tars in gzip data as a source: healthy ones of several makers, and every way in which one can be broken."""

import gzip
import io
import os
import random
import shutil
import struct
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from laden.dataset.source import Reader, entries, sequence
from laden.values.records import IN_GZIP, IN_TAR, Entry, Finding, Severity
from tests.contracts.source import CONTENTS, SourceContract, accepted, content, listed, refused, verdicts

RNG = random.Random(11)
NOISE = RNG.randbytes(50_000)
TEXT = b"".join(b"%d," % number for number in range(20_000))
MEMBERS = {"a.png": NOISE, "b.png": TEXT, "c.png": b"", "d/e.PNG": TEXT[:100]}
END = bytes(1024)


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    """The header (or headers) of one member, as the standard library writes them."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for field, value in more.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.PAX_FORMAT if info.pax_headers else tarfile.GNU_FORMAT)


def member(name: str, data: bytes, kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    return header(name, len(data), kind, **more) + data + bytes(-len(data) % 512)


def tar(members: dict[str, bytes] = MEMBERS) -> bytes:
    return b"".join(member(name, data) for name, data in members.items()) + END


def put(path: Path, data: bytes) -> Path:
    """Write a tar; in gzip data where its name says so."""
    path.write_bytes(gzip.compress(data, 1) if path.name.endswith("gz") else data)
    return path


@pytest.fixture(params=["0.tar", "0.tar.gz"])
def path(request, tmp_path) -> Path:
    return tmp_path / request.param


def codes(path: Path) -> list[str]:
    return [one.code for one in listed(path) if isinstance(one, Finding)]


class TarContract(SourceContract):
    name = "sub/0.tar"

    def place(self, root, contents):
        (root / "sub").mkdir()
        put(root / self.name, tar(contents))
        return list(entries(root, self.name))

    def touched(self, root, member):
        return root / self.name


class TestPlain(TarContract):
    pass


class TestGzip(TarContract):
    name = "sub/0.tar.gz"


class TestTgz(TarContract):
    name = "sub/0.TGZ"

    def place(self, root, contents):
        (root / "sub").mkdir()
        (root / self.name).write_bytes(gzip.compress(tar(contents)))
        return list(entries(root, self.name))


class TestGzipInParts(TarContract):
    name = "sub/0.tar.gz"

    def place(self, root, contents):
        (root / "sub").mkdir()
        data = gzip.compress(tar(contents), 1)
        for number in range(3):
            (root / f"{self.name}.{number + 1:03d}").write_bytes(
                data[number * 30_000 :][: 30_000 if number < 2 else None]
            )
        return list(entries(root, self.name))

    def touched(self, root, member):
        return root / f"{self.name}.002"


class TestGzipBehindItself(TarContract):
    """Every piece is asked for when the cursor is beyond it and has kept nothing."""

    name = "sub/0.tar.gz"

    @pytest.fixture(autouse=True)
    def _forgetful(self, monkeypatch):
        monkeypatch.setattr(sequence, "_STASH_BYTES", 0)
        monkeypatch.setattr(sequence, "_CURSORS", 1)


def test_entries_of_a_plain_tar_name_its_time(tmp_path):
    path = put(tmp_path / "0.tar", tar({"a.png": NOISE, "b.png": TEXT}))
    first, second = accepted(listed(path))
    mtime_ns = path.stat().st_mtime_ns
    assert first == Entry("0.tar", "a.png", len(NOISE), None, mtime_ns, 512, len(NOISE), IN_TAR)
    assert second.offset_bytes == 512 + 50_176 + 512


def test_entries_in_gzip_data_have_a_checksum(tmp_path):
    path = put(tmp_path / "0.tar.gz", tar({"a.png": NOISE}))
    assert listed(path) == [Entry("0.tar.gz", "a.png", len(NOISE), zlib.crc32(NOISE), None, 512, len(NOISE), IN_GZIP)]


# Healthy archives of several makers


def run(*command: str, cwd: Path) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


LONG = "folder/" * 30 + "x" * 90 + ".png"
TREE = CONTENTS | {LONG: b"long"}


@pytest.mark.parametrize("kind", ["gnu", "oldgnu", "posix", "ustar", "v7"])
@pytest.mark.parametrize("packed", [False, True])
def test_archives_of_gnu_tar(tmp_path, kind, packed):
    tree = {name: data for name, data in TREE.items() if kind not in ("v7", "ustar") or len(name) < 90}
    for name, data in tree.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data)
    name = "0.tgz" if packed else "0.tar"
    run("tar", "-czf" if packed else "-cf", name, f"--format={kind}", "-C", "data", ".", cwd=tmp_path)
    found = listed(tmp_path / name)
    assert [one.code for one in found if isinstance(one, Finding)] == ["junk-ignored"]
    with Reader(str(tmp_path)) as reader:
        assert {one.member: content(reader, one, 4096) for one in accepted(found)} == tree


def test_archives_of_7_zip(tmp_path):
    for name, data in CONTENTS.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data)
    run("7z", "a", "-ttar", "../0.tar", ".", cwd=tmp_path / "data")
    run("7z", "a", "-tgzip", "1.tar.gz", "0.tar", cwd=tmp_path)
    for name in ("0.tar", "1.tar.gz"):
        with Reader(str(tmp_path)) as reader:
            assert {one.member: content(reader, one) for one in accepted(listed(tmp_path / name))} == CONTENTS


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_the_standard_library(path, style):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w", format=style) as archive:
        for name, data in CONTENTS.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            archive.addfile(info, io.BytesIO(data))
    assert verdicts(path) == CONTENTS


def test_times_that_gnu_keeps_where_others_keep_names(path):
    block = bytearray(header("a.png", 3))
    block[345:369] = b"14527451000\x0014527451000\x00"
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    put(path, bytes(block) + b"abc" + bytes(509) + END)
    assert verdicts(path) == {"a.png": b"abc"}


def test_sizes_beyond_8_gib_and_a_size_that_pax_gives(path):
    data = member("a.png", b"abc", pax_headers={"path": "ä/b.png", "mtime": "1.25"})
    big = header("big.png", 9 << 30)
    put(path, data + big)
    assert [entry.member for entry in accepted(listed(path))] == ["ä/b.png"]
    assert codes(path) == ["archive-truncated"]


@pytest.mark.skipif(os.name == "nt", reason="files with holes need another call on Windows")
def test_members_beyond_8_gib(tmp_path):
    with (tmp_path / "0.tar").open("wb") as file:
        file.write(header("hole.png", 9 << 30))
        file.seek(9 << 30, os.SEEK_CUR)
        file.write(member("a.png", NOISE) + END)
    hole, last = accepted(listed(tmp_path / "0.tar"))
    assert hole.size_bytes == 9 << 30
    with Reader(str(tmp_path)) as reader:
        assert content(reader, last) == NOISE


def test_gzip_data_of_several_streams_and_padding(tmp_path):
    data = tar()
    packed = b"".join(gzip.compress(data[at : at + 9001]) for at in range(0, len(data), 9001))
    (tmp_path / "0.tar.gz").write_bytes(packed + bytes(1000))
    assert verdicts(tmp_path / "0.tar.gz", 4096) == MEMBERS


@pytest.mark.parametrize("name", ["0.tar", "0.tar.gz"])
def test_what_lies_in_it_decides_not_the_name(tmp_path, name):
    """Browsers inflate a `.tar.gz` on the way; others name gzip data `.tar`."""
    (tmp_path / name).write_bytes(tar() if name.endswith("gz") else gzip.compress(tar()))
    assert verdicts(tmp_path / name) == MEMBERS


# What is no member


def test_links_devices_and_sparse_files_are_refused(path):
    data = header("l.png", kind=tarfile.SYMTYPE, linkname="../../etc/passwd")
    data += header("h.png", kind=tarfile.LNKTYPE, linkname="a.png")
    data += header("dev.png", kind=tarfile.CHRTYPE) + header("pipe.png", kind=tarfile.FIFOTYPE)
    data += member("odd.png", b"?", b"Q") + member("s.png", b"s", pax_headers={"GNU.sparse.major": "1"})
    put(path, data + tar({"a.png": NOISE}))
    assert verdicts(path) == {
        "l.png": "member-link",
        "h.png": "member-link",
        "dev.png": "member-kind",
        "pipe.png": "member-kind",
        "odd.png": "member-kind",
        "s.png": "member-sparse",
        "a.png": NOISE,
    }
    assert {one.severity for one in listed(path) if isinstance(one, Finding)} == {Severity.ERROR}


@pytest.mark.parametrize("style", ["gnu", "posix"])
def test_sparse_files_of_gnu_tar_are_refused_and_passed_over(tmp_path, style):
    with (tmp_path / "s.png").open("wb") as file:
        for number in range(60):
            file.seek(number << 20)
            file.write(b"data")
    (tmp_path / "z.png").write_bytes(NOISE)
    run("tar", "-cf", "0.tar", "-S", f"--format={style}", "s.png", "z.png", cwd=tmp_path)
    assert verdicts(tmp_path / "0.tar") == {"s.png": "member-sparse", "z.png": NOISE}


def test_folders_labels_and_system_files_are_junk(path):
    data = header("label", kind=b"V") + header("./", kind=tarfile.DIRTYPE) + header("d/", kind=tarfile.DIRTYPE)
    data += member("__MACOSX/._x.png", b"x") + member("d/Thumbs.db", b"x")
    put(path, data + tar({"./d/a.png": NOISE}))
    (entry,), (junk,) = accepted(listed(path)), [one for one in listed(path) if isinstance(one, Finding)]
    assert entry.member == "d/a.png"
    assert (junk.code, junk.severity) == ("junk-ignored", Severity.INFO)
    assert junk.message.startswith("5 members")


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up.png", "a/../b.png", "a\\b.png", "a\nb.png", "C:/x.png", "././../x", "x" * 1025, "d//a"],
)
def test_names_that_may_not_travel(path, name):
    put(path, member(name, b"x") + tar({"a.png": b"a"}))
    findings = [one for one in listed(path) if isinstance(one, Finding)]
    assert [one.code for one in findings] == ["name-refused"]
    assert "\n" not in findings[0].member
    assert [one.member for one in accepted(listed(path))] == ["a.png"]


def test_names_that_are_no_utf_8_are_refused(path):
    put(path, member("caf\udce9.png", b"x") + END)
    (finding,) = listed(path)
    assert isinstance(finding, Finding)
    assert (finding.code, finding.member) == ("name-refused", "caf\\udce9.png")


def test_members_of_one_name(path):
    twins = [member("same.png", TEXT), member("same.png", TEXT), member("other.png", TEXT), member("other.png", NOISE)]
    short = [member("short.png", b"ab"), member("short.png", b"ba")]
    put(path, b"".join(twins + short) + END)
    found = listed(path)
    assert [one.member for one in accepted(found)] == ["same.png"]
    assert [(one.member, one.severity.value) for one in found if isinstance(one, Finding)] == [
        ("same.png", "warning"),
        ("other.png", "error"),
        ("other.png", "error"),
        ("short.png", "error"),
        ("short.png", "error"),
    ]


# What is broken


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "archive-empty", "0 bytes"),
        (b"<!DOCTYPE html><html>" + bytes(600), "archive-html", "web page"),
        (b"PK\3\4" + bytes(600), "archive-not-tar", "a zip archive"),
        (NOISE, "archive-not-tar", "is not a tar"),
        (b"BZh9" + NOISE, "archive-not-tar", "bzip2"),
    ],
)
def test_what_is_no_tar(path, data, code, words):
    put(path, data)
    error = refused(path)
    assert error.code == code
    assert words in str(error)


@pytest.mark.parametrize("name", ["0.tar", "0.tar.gz"])
def test_a_plain_web_page_under_either_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"<html>please sign in</html>")
    assert refused(tmp_path / name).code == "archive-html"


def test_a_tar_that_breaks_off_gives_what_is_whole(path):
    data = tar({"a.png": NOISE, "b.png": TEXT})
    put(path, data[: 512 + 50_176 + 512 + 100])
    assert verdicts(path) == {"a.png": NOISE, "": "archive-truncated"}
    finding = listed(path)[-1]
    assert isinstance(finding, Finding)
    assert "100 bytes into b.png" in finding.message
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("cut_bytes", "whole", "told"),
    [(512, 2, False), (700, 2, True), (1024, 2, True), (1025, 1, True), (1536, 1, True), (1700, 1, True)],
)
def test_a_missing_end_mark_is_told(path, cut_bytes, whole, told):
    """One block of zeros is enough, as it is for GNU's tar."""
    members = {"a.png": NOISE, "b.png": b"b" * 512}
    put(path, tar(members)[:-cut_bytes])
    found = verdicts(path)
    assert found.pop("", None) == ("archive-truncated" if told else None)
    assert found == dict(list(members.items())[:whole])


def test_a_broken_header_ends_it(path):
    data = bytearray(tar({"a.png": NOISE, "b.png": TEXT, "c.png": b"c"}))
    data[512 + 50_176 + 5] ^= 1
    put(path, bytes(data))
    assert verdicts(path) == {"a.png": NOISE, "": "archive-header"}


def test_what_follows_the_end_mark_is_told(path):
    put(path, tar({"a.png": NOISE}) + tar({"b.png": TEXT}))
    assert verdicts(path) == {"a.png": NOISE, "": "archive-rest"}


def test_a_download_that_was_never_filled_in(path):
    put(path, member("a.png", NOISE) + bytes(6 << 20))
    assert verdicts(path) == {"a.png": NOISE, "": "archive-rest"}
    put(path, member("a.png", NOISE) + bytes(1 << 20))
    assert verdicts(path) == {"a.png": NOISE}


@pytest.mark.parametrize(
    "extension",
    [
        header("x", 1 << 40, tarfile.XHDTYPE),
        header("x", 2 << 20, tarfile.GNUTYPE_LONGNAME) + bytes(2 << 20),
        member("x", b"12 path=a.png", tarfile.XHDTYPE),
        member("x", b"999999999999 path=a\n", tarfile.XHDTYPE),
        member("x", b"0 path=a\n", tarfile.XHDTYPE),
        member("x", b"21 size=-5\n", tarfile.XHDTYPE),
        member("x", b"27 size=99999999999999999\n", tarfile.XHDTYPE),
        member("x", b"11 size=-5\n", tarfile.XHDTYPE),
        struct.pack("512s", header("a", 5)[:124] + b"\xff" * 12 + bytes(12) + b"       0"),
    ],
)
def test_absurd_headers_end_it(path, extension):
    put(path, member("first.png", TEXT) + extension + tar({"a.png": NOISE}))
    found = verdicts(path)
    assert found.pop("") in ("archive-header", "archive-truncated")
    assert found == {"first.png": TEXT}


def test_any_number_of_extensions_may_come_before_a_member(path):
    put(path, member("x", b"11 path=ab\n", tarfile.XHDTYPE) * 5000 + member("a.png", b"x") + END)
    assert verdicts(path) == {"ab": b"x"}
