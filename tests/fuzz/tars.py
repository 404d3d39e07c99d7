"""The seeds of the tar fuzzer and its mutations, the cutting of a zip into parts, and what is right about a member.

A tar is a list of pieces, each one header with its data, so that it can be changed as a whole and stay right elsewhere;
a header that is changed gets its checksum again, mostly. `case` and `parts_case` are pure functions of seed and number.
"""

import gzip
import random
import re
import tarfile
import zlib
from collections.abc import Callable

from laden.values.records import Entry
from tests.fuzz import zips
from tests.support.dataset import tiny_png

_RNG = random.Random("tar seeds")
_TEXT = b"".join(b"%d," % number for number in range(400))
_CONTENTS = [
    b"",
    b"x",
    _TEXT,
    _RNG.randbytes(700),
    tiny_png(2),
    bytes(5000),
]
_NAMES = ["a.png", "./b.png", "d/e/f.png", "ä.png", "long/" * 40 + "g.png", "h.png"]
_BAD_NAMES = [
    "", "/etc/passwd", "../up.png", "a/../../b.png", "C:\\x.png", "a\\b.png", "a\nb.png", "a//b", "./", "././../x", ".",
    "x" * 1025, "s/" * 255 + "x", "dot.",
    "\x1b[2Jx.png", "\udcff\udcfe.png", "\u202ex", "__MACOSX/._x", "Thumbs.db", "d/",
]  # fmt: skip
_KINDS = [bytes([number]) for number in (*range(0x30, 0x38), *b"AKLMNSVXgxD\0\xff")]
_SIZES = [0, 1, 511, 512, 513, 5000, 2**20, 2**33 - 1, 2**33, 2**62, 2**63, 2**90, -1, -512]
_FIELDS = [(0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155), (482, 1), (483, 12)]
"""Offset and length of the fields of a header: name, mode, size, time, type, link, magic, prefix; of GNU's sparse
files, whether more follow and the real size.
"""

Pieces = list[bytearray]


def _piece(name: str, content: bytes, style: int, kind: bytes = tarfile.REGTYPE, **pax: str) -> bytearray:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, "a.png" if kind in b"12" else ""
    info.pax_headers = pax
    return bytearray(info.tobuf(style, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512))


def seeds() -> list[Pieces]:
    """Healthy tars of every style, with all that may stand in them."""
    found: list[Pieces] = []
    for style in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        members = zip(_NAMES, _CONTENTS, strict=True)
        found.append([_piece(name, content, style) for name, content in members if len(name) < 90 or style])
    others = [
        _piece("dir/", b"", tarfile.GNU_FORMAT, tarfile.DIRTYPE),
        _piece("l.png", b"", tarfile.PAX_FORMAT, tarfile.SYMTYPE),
        _piece("s.png", b"sparse", tarfile.PAX_FORMAT, **{"GNU.sparse.major": "1"}),
        _piece("p.png", b"pax", tarfile.PAX_FORMAT, path="pax/name.png", mtime="1.5"),
        _piece("last.png", _CONTENTS[3], tarfile.GNU_FORMAT),
    ]
    return [*found, others, []]


def _rewrite(rng: random.Random, piece: bytearray, at: int, value: bytes) -> None:
    piece[at : at + len(value)] = value
    if rng.random() < 0.85:
        head = piece[:148] + b" " * 8 + piece[156:512]
        piece[148:156] = b"%06o\0 " % sum(head)


def _number(rng: random.Random, value: int) -> bytes:
    if 0 <= value < 8**11 and rng.random() < 0.7:
        return rng.choice([b"%011o\0", b"%11o ", b"%o"]) % value
    return (value % 2**96 | 2**95).to_bytes(12, "big") if value >= 0 else (value % 2**96).to_bytes(12, "big")


def _header(rng: random.Random, pieces: Pieces) -> None:
    piece = rng.choice(pieces)
    at, length = rng.choice(_FIELDS)
    value = rng.choice([bytes(length), b"\xff" * length, rng.randbytes(length), b"7" * length, b" " * length])
    _rewrite(rng, piece, at, value)


def _size(rng: random.Random, pieces: Pieces) -> None:
    piece = rng.choice(pieces)
    near = [len(piece) - 512 + rng.choice([-512, -1, 1, 512, 1024])]
    _rewrite(rng, piece, 124, _number(rng, rng.choice(_SIZES + near * 5)))


def _kind(rng: random.Random, pieces: Pieces) -> None:
    _rewrite(rng, rng.choice(pieces), 156, rng.choice(_KINDS))


def _rename(rng: random.Random, pieces: Pieces) -> None:
    content = rng.choice(_CONTENTS)
    name = rng.choice(_BAD_NAMES + _NAMES)
    style = rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    if "\n" in name and style == tarfile.PAX_FORMAT:
        style = tarfile.GNU_FORMAT
    pieces.insert(rng.randrange(len(pieces) + 1), _piece(name, content, style))


def _extension(rng: random.Random, pieces: Pieces) -> None:
    """Extended headers that lie, are cut, or claim what nobody can hold."""
    key, value = rng.choice(
        [
            (b"path", rng.choice(_BAD_NAMES).encode("utf-8", "surrogateescape")),
            (b"size", rng.choice([b"0", b"1", b"700", b"-1", b"1e9", b"9" * 30, b"", b"0x10", b"\xd9\xa3"])),
            (b"GNU.sparse.name", b"../../x"),
            (b"GNU.sparse.map", b"0,1"),
            (b"linkpath", b"/etc"),
            (b"comment", rng.randbytes(rng.choice([0, 9, 3000]))),
            (b"hdrcharset", b"BINARY"),
        ]
    )
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body) + 3))
    record = str(length + rng.choice([0, 0, 0, -1, 1, 10**6])).encode() + body
    kind = rng.choice([tarfile.XHDTYPE, tarfile.XHDTYPE, tarfile.XGLTYPE, b"X", b"L", b"K"])
    piece = _piece("ext", record * rng.choice([1, 1, 2, 400]), tarfile.USTAR_FORMAT, kind)
    if rng.random() < 0.2:
        _rewrite(rng, piece, 124, _number(rng, rng.choice(_SIZES)))
    pieces.insert(rng.randrange(len(pieces) + 1), piece)


def _twin(rng: random.Random, pieces: Pieces) -> None:
    twin = bytearray(rng.choice(pieces))
    if rng.random() < 0.5 and len(twin) > 512:
        twin[rng.randrange(512, len(twin))] ^= 1
    pieces.insert(rng.randrange(len(pieces) + 1), twin)


def _within(rng: random.Random, pieces: Pieces) -> None:
    """A tar as the content of a member, which may then be declared shorter than it is."""
    inner = _joined(rng.choice(seeds()))
    pieces.insert(0, _piece("inner.tar", inner, tarfile.GNU_FORMAT))
    if rng.random() < 0.6:
        _rewrite(rng, pieces[0], 124, _number(rng, rng.choice([0, 512, len(inner) - 512])))


def _zeros(rng: random.Random, pieces: Pieces) -> None:
    """A hole, or an end mark in the middle."""
    pieces.insert(rng.randrange(len(pieces) + 1), bytearray(rng.choice([512, 1024, 10240, 5 << 20])))


STRUCTURE: list[Callable[[random.Random, Pieces], None]] = [
    _header, _header, _size, _size, _kind, _rename, _extension, _extension, _twin, _within, _zeros,
]  # fmt: skip


def _joined(pieces: Pieces) -> bytes:
    return b"".join(pieces) + bytes(1024)


def _bytes(rng: random.Random, data: bytearray) -> None:
    at, how = rng.randrange(len(data)), rng.randrange(5)
    if how == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1:
        del data[at:]
    elif how == 2:
        end = min(len(data), at + rng.choice([1, 10, 512, 1000]))
        data[at:end] = bytes(end - at) if rng.random() < 0.5 else b""
    elif how == 3:
        at -= at % 512
        del data[at : at + 512]
    else:
        data[at:at] = data[rng.randrange(len(data)) :][: rng.choice([1, 10, 512])]


def case(seed: int, number: int) -> bytes:
    """Mutated tar `number`, mostly of one or two changes."""
    rng = random.Random(f"tar {seed} {number}")
    pieces = [bytearray(piece) for piece in rng.choice(seeds())]
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        if pieces:
            rng.choice(STRUCTURE)(rng, pieces)
    data = bytearray(_joined(pieces))
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        if data:
            _bytes(rng, data)
    return bytes(data)


def gzip_case(seed: int, number: int) -> bytes:
    """A tar, mutated or not, in gzip data of one stream or several, mutated or not."""
    rng = random.Random(f"gzip {seed} {number}")
    tar = case(seed, number) if rng.random() < 0.5 else _joined(rng.choice(seeds()))
    size = rng.choice([len(tar) + 1, len(tar) + 1, 1000, 10_000]) if len(tar) < 10**6 else len(tar)
    streams = [gzip.compress(tar[at : at + size], rng.choice([0, 1, 9])) for at in range(0, max(len(tar), 1), size)]
    data = bytearray(b"".join(streams))
    for _ in range(rng.choice([0, 0, 1, 2])):
        if data:
            _bytes(rng, data)
    if rng.random() < 0.1:
        data += rng.choice([bytes(100), b"garbage" * 5, b"\x1f\x8b\x08", gzip.compress(b"more")])
    return bytes(data)


def parts_case(seed: int, number: int) -> list[bytes | None]:
    """A zip, mostly whole, in parts that are mostly all there: None stands for one that is missing."""
    rng = random.Random(f"parts {seed} {number}")
    data = zips.case(seed, number * 7 if rng.random() < 0.3 else rng.randrange(3))
    size = max(rng.choice([50, 300, 1000, 4000]), len(data) // 100)
    parts: list[bytes | None] = [data[at : at + size] for at in range(0, max(len(data), 1), size)]
    if rng.random() < 0.4:
        at = rng.randrange(len(parts))
        part = parts[at] or b""
        other = rng.randrange(len(parts))
        change: list[bytes | None] = [None, part[: len(part) // 2], b"", bytes(len(part)), parts[other], part + part]
        parts[at] = rng.choice(change)
    return parts


def right_member(data: bytes, entry: Entry) -> bool:
    """Whether a tar holds this member there: a header with a right checksum in front, of a regular file, whose name and
    size stand in what comes before the data.
    """
    head = data[entry.offset_bytes - 512 : entry.offset_bytes]
    if len(head) < 512 or entry.offset_bytes % 512 or entry.offset_bytes + entry.size_bytes > len(data):
        return False
    checksum = head[:148] + b" " * 8 + head[156:]
    told = int(head[148:156].replace(b"\0", b" ").split()[0], 8)
    signed = sum(byte - 256 if byte > 127 else byte for byte in checksum)
    size = head[124:136].partition(b"\0")[0].strip()
    wide = int.from_bytes(head[125:136], "big") if head[124] == 0x80 else -1
    before = data[: entry.offset_bytes]
    sized = (
        wide == entry.size_bytes
        or (size and size[0] < 0x80 and int(size, 8) == entry.size_bytes)
        or re.search(b"size=0*%d\n" % entry.size_bytes, before)
        or (not size and not entry.size_bytes)
    )
    # The name of a hard link stands behind the data that it names.
    named = all(part in data for part in entry.member.encode().split(b"/"))
    return bool(told in (sum(checksum), signed) and head[156:157] in (b"0", b"\0", b"7") and sized and named)


def inflated(data: bytes) -> bytes | None:
    """What gzip data hold, by the standard library; None where they are not whole. What begins no stream is no data."""
    found = b""
    while data.startswith(b"\x1f\x8b\x08"):
        stream = zlib.decompressobj(31)
        try:
            found += stream.decompress(data)
        except zlib.error:
            return None
        if not stream.eof:
            return None
        data = stream.unused_data.lstrip(b"\0")
    return None if data in (b"\x1f", b"\x1f\x8b") or not found else found
