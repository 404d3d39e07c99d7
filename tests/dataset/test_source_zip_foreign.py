"""Zips of strangers: names, kinds and records as unpackers read them, and what none can read told in one sentence."""

import struct
import sys
import unicodedata
import zlib
from pathlib import Path

import pytest

from laden.dataset.source import Reader, entries
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import Entry, Finding, Severity
from tests.support.zips import FAT, MACOS, NTFS, UNIX, UTF8, Made, Zip, extra, unicode_path

S_IFLNK, S_IFDIR, S_IFIFO, S_IFCHR, S_IFSOCK = 0o120000, 0o040000, 0o010000, 0o020000, 0o140000


def looked(path: Path, encoding: str | None = None) -> dict[str, bytes | str]:
    """Per member its content, or the code of what is wrong; what is said of the whole under its code."""
    result: dict[str, bytes | str] = {}
    with Reader(str(path.parent)) as reader:
        for one in entries(path.parent, path.name, encoding):
            if isinstance(one, Finding):
                result[one.member or one.code] = one.code
                continue
            try:
                result[one.member] = b"".join(reader.read(one, 1 << 20))
            except MemberDamaged as error:
                result[one.member] = error.code
    return result


def only(tmp_path: Path, *members: Made, encoding: str | None = None) -> dict[str, bytes | str]:
    return looked(Zip([*members, Made(b"z.png", b"zz")]).write(tmp_path / "0.zip"), encoding)


def findings(path: Path) -> list[Finding]:
    return [one for one in entries(path.parent, path.name) if isinstance(one, Finding)]


GOOD = {"z.png": b"zz"}

# Names


@pytest.mark.parametrize("in_local", [True, False])
def test_the_unicode_path_is_the_name(tmp_path: Path, in_local: bool) -> None:
    raw = b"t_rax_001.png"
    field = unicode_path(raw, "tórax_001.png")
    one = Made(raw, b"x", extra=field, local_extra=field if in_local else b"", host=FAT)
    assert only(tmp_path, one) == {"tórax_001.png": b"x", **GOOD}


@pytest.mark.parametrize(
    "field",
    [
        unicode_path(b"a.png", "b.png", off=1),
        unicode_path(b"a.png", "b.png", version=2),
        extra(0x7075, b"\1\0"),
        extra(0x7075, struct.pack("<BI", 1, zlib.crc32(b"a.png")) + b"\xff.png"),
        unicode_path(b"other.png", "b.png"),
    ],
    ids=["checksum", "version", "short", "no utf-8", "of another name"],
)
def test_a_unicode_path_that_does_not_fit_is_none(tmp_path: Path, field: bytes) -> None:
    assert only(tmp_path, Made(b"a.png", b"x", extra=field)) == {"a.png": b"x", **GOOD}


def test_a_unicode_path_may_not_travel_further_than_a_name(tmp_path: Path) -> None:
    got = only(tmp_path, Made(b"a.png", b"x", extra=unicode_path(b"a.png", "../up.png")))
    assert got == {"../up.png": "name-refused", **GOOD}


@pytest.mark.parametrize(
    ("raw", "host", "name"),
    [
        (b"./a.png", UNIX, "a.png"),
        (b"././/d/a.png", UNIX, "d/a.png"),
        (b"png\\0\\a.png", FAT, "png/0/a.png"),
        (b"png\\a.png", NTFS, "png/a.png"),
        (b".\\a.png", FAT, "a.png"),
        (b"png\\a.png", 14, "png/a.png"),
    ],
)
def test_names_as_unpackers_read_them(tmp_path: Path, raw: bytes, host: int, name: str) -> None:
    assert only(tmp_path, Made(raw, b"x", host=host)) == {name: b"x", **GOOD}


@pytest.mark.parametrize(
    ("raw", "host"),
    [(b"a\\b.png", UNIX), (b"a\\b/c.png", FAT), (b"..\\up.png", FAT), (b"C:\\x.png", FAT), (b"\\x", FAT)],
)
def test_names_that_are_refused_all_the_same(tmp_path: Path, raw: bytes, host: int) -> None:
    assert sorted(map(str, only(tmp_path, Made(raw, b"x", host=host)).values())) == ["b'zz'", "name-refused"]


def test_two_spellings_of_one_name_are_one_name(tmp_path: Path) -> None:
    path = Zip([Made(b"d/a.png", b"x"), Made(b"d\\a.png", b"y", host=FAT)]).write(tmp_path / "0.zip")
    assert [one.code for one in findings(path)] == ["member-duplicate"] * 2


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp932", "胸部_表.png"),
        ("gbk", "胸片_001.png"),
        ("cp1252", "tórax.png"),
        ("latin-1", "Größe.png"),
        ("koi8-r", "снимок.png"),
    ],
)
def test_names_whose_encoding_a_person_names(tmp_path: Path, encoding: str, name: str) -> None:
    raw = name.encode(encoding)
    member = Made(raw, b"x", host=FAT)
    assert only(tmp_path, member, encoding=encoding) == {name: b"x", **GOOD}
    guessed = only(tmp_path, member)
    assert guessed.pop("names-encoding") == "names-encoding"
    assert len(guessed) == 2
    (warning,) = (one for one in findings(tmp_path / "0.zip") if one.code == "names-encoding")
    assert warning.severity is Severity.WARNING
    assert "--names" in warning.message
    if encoding in ("cp932", "gbk", "cp1252"):
        assert f"'{name}' in {encoding}" in warning.message


def test_an_encoding_is_only_for_names_that_do_not_say_theirs(tmp_path: Path) -> None:
    told = Made("ä.png".encode(), b"x", flags=UTF8)
    assert only(tmp_path, told, encoding="cp1252") == {"ä.png": b"x", **GOOD}
    field = unicode_path(b"\x84.png", "ä.png")
    assert only(tmp_path, Made(b"\x84.png", b"x", extra=field), encoding="cp1252") == {"ä.png": b"x", **GOOD}


def test_letters_taken_apart_keep_their_form(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "tórax.png")
    assert only(tmp_path, Made(name.encode(), b"x", flags=UTF8, host=MACOS)) == {name: b"x", **GOOD}


def test_a_local_name_of_other_bytes_is_damage_in_any_encoding(tmp_path: Path) -> None:
    path = Zip([Made("胸.png".encode("cp932"), b"x"), Made(b"z.png", b"zz")]).write(tmp_path / "0.zip")
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    assert looked(path, "cp932") == {"胸.png": "member-header", **GOOD}


# Kinds


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (Made(b"l.png", b"../../etc/passwd", mode=S_IFLNK | 0o777), "member-link"),
        (Made(b"l.png", b"target", mode=S_IFLNK | 0o777, host=MACOS), "member-link"),
        (Made(b"l.png", b"x", host=FAT, dos=0x8000 | (S_IFLNK | 0o777) << 16), "member-link"),
        (Made(b"l.png", b"", mode=S_IFIFO), "member-kind"),
        (Made(b"l.png", b"", mode=S_IFCHR), "member-kind"),
        (Made(b"l.png", b"", mode=S_IFSOCK), "member-kind"),
        (Made(b"l.png", b"data", mode=S_IFDIR), "member-kind"),
    ],
)
def test_what_is_no_regular_file_is_told(tmp_path: Path, member: Made, code: str) -> None:
    assert only(tmp_path, member) == {"l.png": code, **GOOD}


@pytest.mark.parametrize(
    "member",
    [
        Made(b"a.png", b"x", mode=0),
        Made(b"a.png", b"x", host=FAT),
        Made(b"a.png", b"x", host=FAT, dos=0x20),
        Made(b"a.png", b"x", host=NTFS, dos=S_IFLNK << 16),
        Made(b"a.png", b"x", mode=S_IFIFO | 0o600),
    ],
)
def test_what_says_nothing_of_its_kind_is_a_file(tmp_path: Path, member: Made) -> None:
    assert only(tmp_path, member) == {"a.png": b"x", **GOOD}


@pytest.mark.parametrize(
    "member",
    [
        Made(b"d/"),
        Made(b"d", mode=S_IFDIR | 0o755),
        Made(b"d", host=FAT, dos=0x10),
        Made(b"d\\", host=FAT),
        Made(b"./"),
    ],
)
def test_folders_are_junk_however_they_say_it(tmp_path: Path, member: Made) -> None:
    assert only(tmp_path, member) == {"junk-ignored": "junk-ignored", **GOOD}


@pytest.mark.parametrize("raw", [b"", b"./", b"d/"])
def test_a_member_without_a_name_is_no_junk_where_it_has_data(tmp_path: Path, raw: bytes) -> None:
    path = Zip([Made(raw, b"data"), Made(b"z.png", b"zz")]).write(tmp_path / "0.zip")
    assert [one.code for one in findings(path)] == ["name-refused"]


def test_archives_within_an_archive_are_told_once(tmp_path: Path) -> None:
    members = [Made(name, b"x") for name in (b"in.zip", b"b/in.rar", b"t.csv.gz", b"a.png")]
    path = Zip(members).write(tmp_path / "0.zip")
    (nested,) = findings(path)
    assert (nested.code, nested.severity) == ("archive-nested", Severity.WARNING)
    assert nested.message.startswith("2 members are archives themselves, like in.zip")


def test_an_archive_with_a_password_is_told_as_one(tmp_path: Path) -> None:
    locked = [Made(b"a.png", b"x", flags=1), Made(b"b.png", b"y", flags=1, method=99)]
    path = Zip([*locked, Made(b"d/")]).write(tmp_path / "0.zip")
    with pytest.raises(SourceError, match="encrypted, every member of it") as raised:
        list(entries(tmp_path, "0.zip"))
    assert raised.value.code == "archive-encrypted"
    assert looked(Zip([*locked, Made(b"z.png", b"zz")]).write(path)) == {
        "a.png": "member-encrypted", "b.png": "member-encrypted", **GOOD,
    }  # fmt: skip


# Records


@pytest.mark.parametrize(
    "field",
    [b"\1", b"\1\0\xff\xff", extra(1, b""), extra(0x5455, b"\1") + b"\xff\xff\xff", b"\0" * 3, extra(1, b"x" * 7)],
)
def test_a_bad_extra_field_costs_nobody_anything(tmp_path: Path, field: bytes) -> None:
    assert only(tmp_path, Made(b"a.png", b"x", extra=field)) == {"a.png": b"x", **GOOD}


def test_a_size_that_should_be_in_a_missing_field_costs_that_member_alone(tmp_path: Path) -> None:
    path = Zip([Made(b"a.png", b"x"), Made(b"z.png", b"zz")]).write(tmp_path / "0.zip")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 0xFFFFFFFF)
    path.write_bytes(data)
    assert looked(path) == {"a.png": "member-size", **GOOD}


def test_counts_that_differ_are_no_other_disk(tmp_path: Path) -> None:
    members = [Made(b"a.png", b"x"), Made(b"z.png", b"zz")]
    for counts in ((1, None), (0, None), (9, 2)):
        assert looked(Zip(members, counts=counts).write(tmp_path / "0.zip")) == {"a.png": b"x", **GOOD}
    Zip(members, counts=(None, 3)).write(tmp_path / "0.zip")
    with pytest.raises(SourceError, match="2 members found, 3 declared") as raised:
        list(entries(tmp_path, "0.zip"))
    assert raised.value.code == "archive-directory"


GIB = 1 << 30
sparse = pytest.mark.skipif(sys.platform == "win32", reason="Windows makes no holes unless asked")


@sparse
def test_members_beyond_4_gib_without_zip64(tmp_path: Path) -> None:
    """A member as long as a hole of 3 GiB, twice: what follows has an offset that wrapped."""
    path = tmp_path / "0.zip"
    big = 3 * GIB
    with path.open("wb") as file:
        directory = b""
        for name, data in (
            (b"a.png", b"first"),
            (b"hole1", None),
            (b"b.png", b"second"),
            (b"hole2", None),
            (b"c.png", b"third"),
        ):
            at, size = file.tell(), big if data is None else len(data)
            checksum = zlib.crc32(data or b"")
            fields = (0, 0, 0x21, checksum, size, size, len(name), 0)
            file.write(struct.pack("<4sHHHIIIIHH", b"PK\3\4", 20, *fields) + name + (data or b""))
            file.seek(big if data is None else 0, 1)
            tail = (0, 0, 0, 0, at & 0xFFFFFFFF)
            directory += struct.pack("<4sBBHHHIIIIHHHHHII", b"PK\1\2", 20, MACOS, 20, *fields, *tail) + name
        end = (5, 5, len(directory), file.tell() & 0xFFFFFFFF, 0)
        file.write(directory + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *end))
    listed = {one.member: one for one in entries(tmp_path, "0.zip") if isinstance(one, Entry)}
    assert list(listed) == ["a.png", "hole1", "b.png", "hole2", "c.png"]
    assert listed["c.png"].offset_bytes > 6 * GIB
    with Reader(str(tmp_path)) as reader:
        got = {name: b"".join(reader.read(listed[name], 1 << 20)) for name in ("a.png", "b.png", "c.png")}
    assert got == {"a.png": b"first", "b.png": b"second", "c.png": b"third"}
