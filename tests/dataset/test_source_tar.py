"""Tars and tars in gzip data as a source: healthy ones of several makers, and every way in which one can be broken."""

import gzip
import io
import os
import random
import shutil
import struct
import subprocess
import tarfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.source import Reader, entries, sequence
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import IN_GZIP, IN_TAR, Entry, Finding, Severity
from tests.contracts.source import CONTENTS, SourceContract, accepted, content

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


def listed(path: Path) -> list[Entry | Finding]:
    return list(entries(path.parent, path.name))


def codes(path: Path) -> list[str]:
    return [one.code for one in listed(path) if isinstance(one, Finding)]


def verdicts(path: Path, chunk_bytes: int = 1 << 30) -> dict[str, bytes | str]:
    """Per member: its content, or the code of what is wrong with it; of the whole, under no name."""
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


# Gzip data


@pytest.mark.parametrize("change", ["crc", "length", "middle", "cut", "cut trailer", "half a mark"])
def test_gzip_data_that_are_not_proven_give_nothing(tmp_path, change):
    path = put(tmp_path / "0.tar.gz", tar())
    data = bytearray(path.read_bytes())
    if change == "crc":
        data[-8] ^= 1
    elif change == "length":
        data[-1] ^= 1
    elif change == "middle":
        data[len(data) // 2] ^= 1
    elif change == "cut":
        del data[-20_000:]
    elif change == "cut trailer":
        del data[-3:]
    else:
        data += b"\x1f\x8b"
    path.write_bytes(data)
    error = refused(path)
    assert error.code == ("archive-truncated" if change not in ("crc", "length", "middle") else "archive-gzip")
    assert "nothing in it is vouched for" in str(error)


@pytest.mark.parametrize("tail", [b"garbage" * 10, b"\0" * 600 + b"junk", b"\x1f\x8c", b"<html>"])
def test_bytes_behind_gzip_data_that_met_their_checksum_are_told(tmp_path, tail):
    path = put(tmp_path / "0.tar.gz", tar())
    path.write_bytes(path.read_bytes() + tail)
    got = verdicts(path, 4096)
    assert got.pop("") == "archive-trailing"
    assert got == MEMBERS


def test_the_second_reading_must_give_what_the_first_one_proved(tmp_path):
    path = put(tmp_path / "0.tar.gz", tar({"a.png": NOISE, "b.png": TEXT}))
    first, second = accepted(listed(path))
    put(path, tar({"a.png": NOISE, "b.png": TEXT[:-1] + b"!"}))
    with Reader(str(tmp_path)) as reader:
        assert content(reader, first) == NOISE
        with pytest.raises(MemberDamaged) as raised:
            content(reader, second)
    assert raised.value.code == "member-crc"


@pytest.mark.parametrize("shorter", [True, False])
def test_gzip_data_that_break_after_they_were_proven(tmp_path, shorter):
    path = put(tmp_path / "0.tar.gz", tar({"a.png": TEXT, "b.png": NOISE}))
    first, second = accepted(listed(path))
    data = path.read_bytes()
    path.write_bytes(gzip.compress(tar({"a.png": TEXT}), 1) if shorter else data[: len(data) // 2])
    with Reader(str(tmp_path)) as reader:
        assert content(reader, first) == TEXT
        for _ in range(2):
            with pytest.raises(MemberDamaged) as raised:
                content(reader, second)
            assert raised.value.code == ("member-short" if shorter else "member-deflate")


def test_a_plain_tar_that_changed_since_it_was_listed(tmp_path):
    path = put(tmp_path / "0.tar", tar({"a.png": NOISE, "b.png": TEXT}))
    first, second = accepted(listed(path))
    os.utime(path, ns=(5, 5))
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged) as raised:
        content(reader, first)
    assert raised.value.code == "archive-changed"
    path.write_bytes(tar({"a.png": NOISE, "b.png": TEXT})[:60_000])
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged) as raised:
        content(reader, second)
    assert raised.value.code == "archive-changed"


def test_gzip_headers_without_end(tmp_path):
    path = tmp_path / "0.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (5 << 20))
    error = refused(path)
    assert error.code == "archive-gzip"
    assert "header" in str(error)


# Many threads


@pytest.fixture
def large(tmp_path) -> dict[str, bytes]:
    members = {f"{number}.png": RNG.randbytes(1000 + number * 37 % 40_000) for number in range(400)}
    put(tmp_path / "0.tar.gz", tar(members))
    return members


def cursors(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    made: list[object] = []
    real = sequence._Cursor.__init__

    def noted(self, file):
        made.append(self)
        real(self, file)

    monkeypatch.setattr(sequence._Cursor, "__init__", noted)
    return made


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_neighbours_share_one_pass(tmp_path, large, monkeypatch, threads):
    made = cursors(monkeypatch)
    found = accepted(listed(tmp_path / "0.tar.gz"))
    batches = [found[at : at + 16] for at in range(0, len(found), 16)]
    with Reader(str(tmp_path)) as reader, ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(lambda batch: [content(reader, entry) for entry in batch], batches))
    assert [data for batch in read for data in batch] == list(large.values())
    assert len(made) == 1


def test_any_order_gives_the_right_bytes(tmp_path, large, monkeypatch):
    monkeypatch.setattr(sequence, "_STASH_BYTES", 200_000)
    monkeypatch.setattr(sequence, "_PIECE_BYTES", 10_000)
    made = cursors(monkeypatch)
    found = accepted(listed(tmp_path / "0.tar.gz"))
    random.Random(5).shuffle(found)
    with Reader(str(tmp_path)) as reader:
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda entry: content(reader, entry, 7000), found))
        assert read == [large[entry.member] for entry in found]
        assert len(reader._sequences._cursors) <= sequence._CURSORS
        assert all(sum(len(piece) for _, piece in one._passed) <= 200_000 for one in reader._sequences._cursors)
    assert len(made) > 1


def test_a_large_member_and_its_successors_at_once(tmp_path, monkeypatch):
    """The others pass the large one by; it goes on from a cursor of its own, once."""
    monkeypatch.setattr(sequence, "_STASH_BYTES", 100_000)
    members = {"large.png": RNG.randbytes(3_000_000)} | {f"{number}.png": RNG.randbytes(9000) for number in range(50)}
    put(tmp_path / "0.tar.gz", tar(members))
    made = cursors(monkeypatch)
    first, *others = accepted(listed(tmp_path / "0.tar.gz"))
    with Reader(str(tmp_path)) as reader:
        blocks = reader.read(first, 200_000)
        data = bytes(next(blocks))
        for entry in others:
            assert content(reader, entry) == members[entry.member]
        assert data + b"".join(blocks) == members["large.png"]
    assert len(made) == 2


def test_the_earliest_of_those_that_wait_comes_first():
    turn = sequence._Turn()
    served: list[int] = []

    def ask(at_bytes: int) -> None:
        with turn.of(at_bytes):
            served.append(at_bytes)

    threads = [threading.Thread(target=ask, args=(at_bytes,)) for at_bytes in (30, 10, 20)]
    with turn.of(0):
        for thread in threads:
            thread.start()
        while len(turn._waiting) < len(threads):
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert served == [10, 20, 30]


def test_a_disk_that_fails_once_makes_no_wrong_bytes(tmp_path, large, monkeypatch):
    found = accepted(listed(tmp_path / "0.tar.gz"))
    with Reader(str(tmp_path)) as reader:
        assert content(reader, found[0]) == large["0.png"]
        file = reader._archives["0.tar.gz"]
        real = file.read_at

        def failing(count_bytes, offset_bytes):
            monkeypatch.setattr(file, "read_at", real)
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(file, "read_at", failing)
        with pytest.raises(SourceError, match="cannot be read") as raised:
            content(reader, found[-1])
        assert not isinstance(raised.value, MemberDamaged)
        assert [content(reader, entry) for entry in found] == list(large.values())


# Whatever is changed


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_mutation_passes_for_the_original(tmp_path_factory, data):
    """What is accepted of a mutated tar in gzip data is as it was, for the one checksum proves all."""
    path = tmp_path_factory.mktemp("mutated") / "0.tar.gz"
    original = {"a.png": NOISE[:300], "b.png": TEXT[:700]}
    put(path, tar(original))
    content_ = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content_[data.draw(st.integers(10, len(content_) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content_)
    try:
        found = verdicts(path)
    except SourceError:
        return
    assert found == original
