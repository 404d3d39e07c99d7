"""Zip archives made and then patched: one header field, a byte, a cut; and what reading each member says."""

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

import inflate64

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
