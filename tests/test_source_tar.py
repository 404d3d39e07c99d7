"""Tars and tars in gzip data as a source: healthy ones of several makers, and every way in which one can be broken."""

import gzip
import random
import tarfile
import zlib
from pathlib import Path

import pytest

from laden.errors import MemberDamaged, SourceError
from laden.records import IN_GZIP, IN_TAR, Entry, Finding
from laden.source import Reader, entries, sequence
from tests.contracts.source import SourceContract, accepted, content

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
