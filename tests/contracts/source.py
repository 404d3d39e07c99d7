"""What every source owes to whoever reads it: the same suite runs over every kind of archive and over plain files.

A test class inherits `SourceContract` and says in `place` how content comes to lie in its source.
"""

import os
import pickle
import random
import zlib
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from laden.dataset.source import Reader, crc32, entries
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import Entry, Finding

CONTENTS = {
    "empty.png": b"",
    "one.png": b"x",
    "deep/er/a.PNG": random.Random(1).randbytes(70_000),
    "flat.png": bytes(200_000),
    "ümläut 中.png": b"name" * 999,
}


def content(reader: Reader, entry: Entry, chunk_bytes: int = 1 << 30) -> bytes:
    """The entry's bytes in one piece."""
    return b"".join(reader.read(entry, chunk_bytes))


def accepted(found: list[Entry | Finding]) -> list[Entry]:
    """The entries among them."""
    return [one for one in found if isinstance(one, Entry)]


class SourceContract(ABC):
    """Inherit it, and say how content is placed and listed."""

    @abstractmethod
    def place(self, root: Path, contents: dict[str, bytes]) -> list[Entry | Finding]:
        """Put the contents below `root` and list them."""

    @abstractmethod
    def touched(self, root: Path, member: str) -> Path:
        """The file whose change must be noticed when that member is read."""

    @pytest.fixture
    def placed(self, tmp_path: Path) -> dict[str, Entry]:
        found = self.place(tmp_path, CONTENTS)
        assert len(accepted(found)) == len(found)
        return {entry.member: entry for entry in accepted(found)}

    @pytest.fixture
    def reader(self, tmp_path: Path):
        with Reader(str(tmp_path)) as reader:
            yield reader

    def test_lists_names_and_sizes(self, placed):
        assert {name: entry.size_bytes for name, entry in placed.items()} == {
            name: len(data) for name, data in CONTENTS.items()
        }

    @pytest.mark.parametrize("name", CONTENTS)
    @pytest.mark.parametrize("chunk_bytes", [1, 1000, 65_536, 70_000, 100_000, 200_000, 1 << 30])
    def test_buffers_have_the_promised_lengths(self, placed, reader, name, chunk_bytes):
        if chunk_bytes == 1 and len(CONTENTS[name]) > 5000:
            chunk_bytes = 7
        buffers = list(reader.read(placed[name], chunk_bytes))
        assert b"".join(buffers) == CONTENTS[name]
        full, rest = divmod(len(CONTENTS[name]), chunk_bytes)
        expected = [chunk_bytes] * full + ([rest] if rest or not full else [])
        assert [len(buffer) for buffer in buffers] == expected

    def test_declared_checksums_hold(self, placed):
        for name, entry in placed.items():
            assert entry.crc32 in (None, zlib.crc32(CONTENTS[name]), crc32(CONTENTS[name]))

    def test_many_threads_share_one_reader(self, placed, reader):
        entries = list(placed.values()) * 20
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda entry: content(reader, entry, 4096), entries))
        assert read == [CONTENTS[entry.member] for entry in entries]

    def test_reads_where_the_system_has_no_pread(self, placed, reader, monkeypatch):
        monkeypatch.delattr(os, "pread", raising=False)
        self.test_many_threads_share_one_reader(placed, reader)

    def test_pickles_in_the_middle_of_reading(self, placed, reader):
        first = content(reader, placed["one.png"])
        with pickle.loads(pickle.dumps(reader)) as other:
            assert content(other, placed["one.png"]) == first == b"x"

    def test_reads_again_after_close(self, placed, reader):
        assert content(reader, placed["one.png"]) == b"x"
        reader.close()
        assert content(reader, placed["one.png"]) == b"x"

    def test_refuses_chunks_of_nothing(self, placed, reader):
        with pytest.raises(ValueError, match="positive"):
            reader.read(placed["one.png"], 0)

    def test_what_is_gone_is_named(self, placed, reader, tmp_path):
        path = self.touched(tmp_path, "one.png")
        path.unlink()
        with pytest.raises(SourceError, match=path.name) as raised:
            content(reader, placed["one.png"])
        assert not isinstance(raised.value, MemberDamaged)

    @pytest.mark.parametrize("change", ["longer", "newer"])
    def test_a_change_while_reading_is_noticed(self, placed, reader, tmp_path, change):
        buffers = reader.read(placed["flat.png"], 65_536)
        next(buffers)
        path = self.touched(tmp_path, "flat.png")
        if change == "longer":
            with path.open("ab") as file:
                file.write(b"more")
        else:
            os.utime(path, ns=(0, 0))
        with pytest.raises(MemberDamaged, match=placed["flat.png"].archive or "flat.png") as raised:
            list(buffers)
        assert raised.value.code in ("archive-changed", "file-changed")


def listed(path: Path) -> list[Entry | Finding]:
    return list(entries(path.parent, path.name))


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
