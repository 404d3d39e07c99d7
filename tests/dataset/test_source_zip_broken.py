"""Zips that are no zips, or broken ones: what is told, and that nothing wrong passes."""

import os
import random
import struct
import sys
import threading
import zipfile
import zlib

import inflate64
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.source import Reader, entries
from laden.dataset.source.inflate import DEFLATE64, DEFLATED, decompressor, fill
from laden.dataset.source.placeholder import pointer
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import Entry
from tests.contracts.source import accepted, content, listed, refused, verdicts
from tests.support.patched_zips import CENTRAL, MEMBERS, NOISE, TEXT, Unseekable, make, make_deflate64, overwrite, patch

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


@pytest.mark.parametrize("after", [b"\0", bytes(100_000), b"x" * 65_535, b"<html>" * 30_000, b"\n" * (1 << 20) + b"PK"])
def test_bytes_behind_a_whole_zip_are_told_and_cost_nothing(tmp_path, after):
    path = make(tmp_path / "0.zip", {"a.png": NOISE, "b.png": TEXT})
    path.write_bytes(path.read_bytes() + after)
    found = listed(path)
    (told,) = (one for one in found if not isinstance(one, Entry))
    assert (told.code, told.severity) == ("archive-trailing", "warning")
    assert told.message.startswith(f"{len(after):,} bytes follow the end of 0.zip")
    with Reader(str(tmp_path)) as reader:
        assert [content(reader, entry) for entry in accepted(found)] == [NOISE, TEXT]


def test_a_comment_is_nothing_that_follows(tmp_path):
    path = make(tmp_path / "0.zip", {"a.png": NOISE})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"c" * 65_535
    assert all(isinstance(one, Entry) for one in listed(path))
    path.write_bytes(path.read_bytes() + bytes(70_000))
    assert listed(path)[-1].message.startswith("70,000 bytes follow")


@pytest.mark.parametrize("size", [200_000, 70_000, 1000])
def test_another_archive_behind_it_that_is_cut_is_no_such_thing(tmp_path, size):
    other = make(tmp_path / "other.zip", {"c.png": os.urandom(300_000)}).read_bytes()
    path = make(tmp_path / "0.zip", {"a.png": NOISE})
    path.write_bytes(path.read_bytes() + other[:size])
    error = refused(path)
    assert error.code == "archive-directory"
    assert f"{size:,} bytes follow it that begin as another archive does" in str(error)


@pytest.mark.parametrize("left", [30, 70_000, 200_000])
def test_a_cut_download_that_holds_a_whole_zip_is_a_cut_download(tmp_path, left):
    """The last directory in it is that of a member, whose offsets are those of no member of the file."""
    inner = make(tmp_path / "inner.zip", {"a.png": NOISE}).read_bytes()
    path = tmp_path / "0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", inner)
        archive.writestr("b.png", os.urandom(400_000))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(inner) + len(inner) + left])
    assert refused(path).code == ("archive-truncated" if left > 65_535 else "archive-directory")


@pytest.mark.parametrize("cut", [1, 10, 21])
def test_an_end_that_is_cut_is_none(tmp_path, cut):
    path = make(tmp_path / "0.zip", {"a.png": NOISE})
    path.write_bytes(path.read_bytes()[:-cut])
    assert refused(path).code == "archive-truncated"
    path.write_bytes(path.read_bytes()[-22 + cut :])
    assert refused(path).code == "archive-not-zip"


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
).filter(lambda data: pointer(data) is None)
"""Hypothesis knows the texts that stand in laden's modules, and draws them too."""


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
