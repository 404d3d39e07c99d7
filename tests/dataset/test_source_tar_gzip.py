"""Tars in gzip data: proved by their one checksum, read again by many threads."""

import gzip
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laden.dataset.source import Reader, sequence
from laden.values.errors import MemberDamaged, SourceError
from tests.contracts.source import accepted, content, listed, refused, verdicts
from tests.dataset.test_source_tar import MEMBERS, NOISE, RNG, TEXT, put, tar

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
