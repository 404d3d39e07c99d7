"""The seeds of the zip fuzzer, and its mutations: first of the structure, then of single bytes.

`case` is a pure function of seed and number. Contents are small, so that an archive is read in a millisecond; what
inflates far is there too, as every bomb is small on the disk.
"""

import copy
import itertools
import random
import struct
from collections.abc import Callable

from tests.fuzz.archives import CENTRAL_FIELDS, END_FIELDS, LOCAL_FIELDS, Archive, Member, encode, pack
from tests.support.dataset import tiny_png

_RNG = random.Random("zip seeds")
_TEXT = b"".join(b"%d," % number for number in range(400))
_CONTENTS = [b"", b"x", _TEXT, _RNG.randbytes(300), tiny_png(1), bytes(5000)]
_NAMES = [b"a.png", "\u00e4.png".encode(), b"sub/b.png", b"c.png", "\u00e9.png".encode("cp437"), b"d.png"]
_BAD_NAMES = [
    b"", b"/etc/passwd", b"../up.png", b"a/../../b.png", b"C:\\x.png", b"a\\b.png", b"a\0.png", b"a\nb.png", b"a//b",
    b"x" * 1025, b"/".join([b"s"] * 255), b"dot.", b"\x1b[2Jx.png", b"\xff\xfe.png", "\u202ex".encode(), b"dir/",
    b"\xed\xa0\x80.png", b"\xee\x80\x80", b"__MACOSX/._x", b"Thumbs.db", b".", b"..", b"con.png ", b"\xef\xbf\xbf",
]  # fmt: skip
_NUMBERS = [0, 1, 2, 7, 8, 9, 12, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
_WIDE_NUMBERS = [*_NUMBERS, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1]
_MARKS = [b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08"]


def _fresh(contents: list[bytes], **more: int) -> list[Member]:
    return [Member(name, content, **more) for name, content in zip(_NAMES, contents, strict=False)]


def seeds() -> list[Archive]:
    """Healthy archives of every kind that laden reads."""
    streamed = _fresh(_CONTENTS, flags=8)
    for member in streamed:
        member.descriptor = b"PK\7\x08" + bytes(12)
    wide = _fresh(_CONTENTS[:4])
    for member in wide:
        member.zip64 = True
    long_extra = _fresh(_CONTENTS[:3])
    for member in long_extra:
        member.extra = struct.pack("<HH", 0xCAFE, 300) + bytes(300)
    return [
        Archive(_fresh(_CONTENTS)),
        Archive(_fresh(_CONTENTS, method=0)),
        Archive(_fresh(_CONTENTS, method=9)),
        Archive(streamed),
        Archive(wide, zip64=True),
        Archive(long_extra, comment=b"a comment"),
        Archive(_fresh(_CONTENTS[:2]), prefix=b"MZ" + bytes(200)),
        Archive([]),
    ]


def _near(rng: random.Random, value: int) -> int:
    return rng.choice([value + 1, value - 1, value * 2, value // 2, value ^ (1 << rng.randrange(32))])


def _lie(rng: random.Random, archive: Archive) -> None:
    """One field of one header, in the directory or in front of the data."""
    member = rng.choice(archive.members)
    local = rng.random() < 0.5
    name = rng.choice(LOCAL_FIELDS if local else CENTRAL_FIELDS)
    true = {"size": len(member.content), "stored": len(pack(member.content, member.method))}.get(name, 0)
    value = _near(rng, true) if rng.random() < 0.3 else rng.choice(_NUMBERS)
    (member.local if local else member.central)[name] = value


def _lie_twice(rng: random.Random, archive: Archive) -> None:
    """The same lie in directory and local header, where nothing contradicts it but the data."""
    member = rng.choice(archive.members)
    name = rng.choice(["size", "stored", "crc", "method", "flags"])
    value = _near(rng, len(member.content)) if name in ("size", "stored") else rng.choice(_NUMBERS)
    member.local[name] = member.central[name] = value


def _lie_at_the_end(rng: random.Random, archive: Archive) -> None:
    if archive.zip64 and rng.random() < 0.6:
        names = ("record_bytes", *END_FIELDS[:-1], "at", "disks", "locator_disk")
        archive.end64[rng.choice(names)] = rng.choice(_WIDE_NUMBERS)
    else:
        archive.end[rng.choice(END_FIELDS)] = rng.choice(_NUMBERS)


def _absurd_counts(rng: random.Random, archive: Archive) -> None:
    count = rng.choice([1, 100, 0xFFFE, 0xFFFF, 2**32, 2**63])
    archive.end |= {"count": count, "count_here": count}
    archive.end64 |= {"count": count, "count_here": count}


def _rename(rng: random.Random, archive: Archive) -> None:
    member = rng.choice(archive.members)
    name = rng.choice(_BAD_NAMES + _NAMES)
    how = rng.random()
    if how < 0.6:
        member.name = name
    elif how < 0.8:
        member.local_name = name
    else:
        member.local_name, member.name = member.name, name
    member.flags |= rng.choice([0, 0, 0x800])


def _extras(rng: random.Random, archive: Archive) -> None:
    """Extra fields: zip64 ones that lie or are cut, ones of absurd length, other names (0x7075)."""
    member = rng.choice(archive.members)
    wide = struct.pack("<HH", 1, rng.choice([0, 4, 8, 16, 24, 28, 0xFFFF]))
    wide += b"".join(struct.pack("<Q", rng.choice(_WIDE_NUMBERS)) for _ in range(rng.randrange(4)))
    other = struct.pack("<HHBI", 0x7075, 5 + 9, 1, rng.choice(_NUMBERS)) + b"other.png"
    junk = struct.pack("<HH", rng.randrange(2**16), rng.choice([0, 3, 200, 0xFFFF])) + rng.randbytes(rng.choice([0, 9]))
    extra = rng.choice([wide, wide, other, junk, wide + junk])
    if rng.random() < 0.5:
        member.local_extra = extra
    if rng.random() < 0.7:
        member.extra = extra
    if rng.random() < 0.5:
        member.central |= {rng.choice(["size", "stored", "offset"]): 2**32 - 1}


def _duplicate(rng: random.Random, archive: Archive) -> None:
    twin = copy.deepcopy(rng.choice(archive.members))
    if rng.random() < 0.5:
        twin.content = rng.choice(_CONTENTS)
    archive.members.insert(rng.randrange(len(archive.members) + 1), twin)


def _order(rng: random.Random, archive: Archive) -> None:
    """Members that the directory names twice, late, or not at all."""
    archive.order = [rng.randrange(len(archive.members)) for _ in range(rng.randrange(2 * len(archive.members)))]


def _overlap(rng: random.Random, archive: Archive) -> None:
    """Several members of the directory at one place, or a few bytes apart."""
    base = rng.choice(archive.members)
    if not base.packed:
        base.content = bytes(rng.choice([100, 5000, 200_000]))
    at = len(archive.prefix) + rng.choice([0, 0, 1, 30, 40])
    for number in range(rng.choice([1, 3, 50])):
        twin = copy.deepcopy(base)
        twin.name = b"o%d.png" % number if rng.random() < 0.8 else base.name
        twin.central["offset"] = at + number * rng.choice([0, 1, 36, 100])
        archive.members.append(twin)


def _quoted_overlap(rng: random.Random, archive: Archive) -> None:
    """Each member's data quote the next one's header, and all share the last one's data (D. Fifield, "A better zip
    bomb", 2019): a stored block of Deflate hides the header.
    """
    content = bytes(rng.choice([1000, 100_000, 300_000]))
    count = rng.choice([2, 5, 20])
    inner = Member(b"q%d.png" % count, content, packed=pack(content, 8))
    quoted = [inner]
    for number in reversed(range(count)):
        head = encode(Archive([inner]))[: 30 + len(inner.name)]
        packed = b"\0" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF) + head + inner.packed
        inner = Member(b"q%d.png" % number, head + inner.content, packed=packed)
        quoted.insert(0, inner)
    at = len(archive.prefix)
    for member, following in itertools.pairwise(quoted):
        at += 30 + len(member.name) + 5
        following.ghost = True
        following.central["offset"] = at
    archive.members, archive.order = quoted, None


def _bomb(rng: random.Random, archive: Archive) -> None:
    """More data than declared: much, or one byte."""
    member = rng.choice(archive.members)
    method = rng.choice([8, 9])
    member.content = bytes(rng.choice([1, 100, 4000]))
    member.packed = pack(member.content + bytes(rng.choice([1, 1000, 2_000_000])), method)
    member.method = method


def _data(rng: random.Random, archive: Archive) -> None:
    """Flip, cut or lengthen what a member holds, the headers staying right for it."""
    member = rng.choice(archive.members)
    packed = bytearray(pack(member.content, member.method))
    how = rng.random()
    if how < 0.5 and packed:
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    elif how < 0.75:
        del packed[rng.randrange(len(packed) + 1) :]
    else:
        packed += rng.randbytes(rng.choice([1, 100]))
    member.packed = bytes(packed)


def _comments(rng: random.Random, archive: Archive) -> None:
    """A comment (of the archive, or of a member) that holds a directory, or the start of one."""
    fake = encode(rng.choice(seeds()))
    fake = rng.choice([fake, fake[fake.index(b"PK\5\6") :], fake[-rng.randrange(1, 22) :], rng.choice(_MARKS) * 3])
    if rng.random() < 0.7:
        archive.comment = (fake + rng.choice([b"", b"x", bytes(22)]))[:0xFFFF]
    else:
        rng.choice(archive.members).comment = fake[:0xFFFF]


def _splice(rng: random.Random, archive: Archive) -> None:
    """Another archive in front, behind, inside, or in between."""
    other = encode(rng.choice(seeds()))
    place = rng.randrange(5)
    if place == 0:
        archive.prefix += other
    elif place == 1:
        archive.suffix = other
    elif place == 2:
        archive.before_end = other[: rng.randrange(len(other))]
    elif place == 3:
        rng.choice(archive.members).gap = other
    else:
        member = rng.choice(archive.members)
        member.method, member.content = 0, other


def _split(rng: random.Random, archive: Archive) -> None:
    """One part of an archive of several disks."""
    if rng.random() < 0.5:
        archive.end[rng.choice(["disk", "directory_disk"])] = rng.choice([1, 2, 0xFFFE])
    else:
        rng.choice(archive.members).central["disk"] = rng.choice([1, 9, 0xFFFF])


def _encrypted_or_unknown(rng: random.Random, archive: Archive) -> None:
    member = rng.choice(archive.members)
    if rng.random() < 0.4:
        member.flags |= rng.choice([1, 0x41, 0x2001])
    else:
        member.method, member.packed = rng.choice([1, 6, 12, 14, 93, 95, 99, 0xFFFF]), member.content or b"x"


STRUCTURE: list[Callable[[random.Random, Archive], None]] = [
    _lie, _lie, _lie_twice, _lie_at_the_end, _absurd_counts, _rename, _extras, _duplicate, _order, _overlap,
    _quoted_overlap, _bomb, _data, _comments, _splice, _split, _encrypted_or_unknown,
]  # fmt: skip


def _bytes(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    how = rng.randrange(6)
    if how == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1:
        data[at] = rng.choice([0, 0xFF, rng.randrange(256)])
    elif how == 2:
        del data[at:]
    elif how == 3:
        end = min(len(data), at + rng.choice([1, 4, 100, 1000]))
        data[at:end] = bytes(end - at) if rng.random() < 0.5 else b""
    elif how == 4:
        data[at:at] = data[rng.randrange(len(data)) :][: rng.choice([1, 22, 46, 400])]
    else:
        mark = rng.choice(_MARKS)
        data[at : at + len(mark)] = mark


def case(seed: int, number: int) -> bytes:
    """Mutated archive `number`: mostly one or two changes, sometimes many."""
    rng = random.Random(f"zip {seed} {number}")
    archive = copy.deepcopy(rng.choice(seeds()))
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        if archive.members:
            rng.choice(STRUCTURE)(rng, archive)
    data = bytearray(encode(archive))
    for _ in range(rng.choice([0, 0, 0, 1, 2, 8])):
        if data:
            _bytes(rng, data)
    return bytes(data)
