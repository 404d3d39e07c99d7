"""Zip archives whose sizes lie, whose headers disagree, whose data are cut or changed: never the wrong bytes."""

import zipfile
import zlib

import pytest

from laden.dataset.source import Reader
from laden.values.errors import MemberDamaged
from tests.contracts.source import accepted, content, listed, verdicts
from tests.support.patched_zips import MEMBERS, NOISE, TEXT, data_range, flip, make, make_deflate64, overwrite, patch


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
