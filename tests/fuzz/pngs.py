"""The seeds of the PNG fuzzer, its mutations, and a second, slow reader of chunks that judges what was called whole."""

import random
import struct
import zlib

from laden.dataset.images import STATES, WHOLE, look
from laden.dataset.images.png import PngCheck
from tests.support import png


def case(seed: int, number: int) -> bytes:
    """Mutated PNG `number`."""
    rng = random.Random(f"png {seed} {number}")
    colour, bits = rng.choice(png.KINDS)
    chunks = png.chunks(rng.randrange(1, 9), rng.randrange(1, 9), bits, colour, seed=number, idats=rng.randrange(1, 4))
    if rng.random() < 0.3:
        at = rng.randrange(len(chunks))
        chunks[at:at] = [
            rng.choice([chunks[-1], chunks[0], png.Chunk(b"tEXt", b"a\0b"), png.Chunk(b"ABCD"), chunks[at]])
        ]
    if rng.random() < 0.2:
        del chunks[rng.randrange(len(chunks))]
    return mutated(png.encode(chunks), rng, [0, 1, 1, 1, 3])


def mutated(original: bytes, rng: random.Random, times: list[int]) -> bytes:
    """A file after one of so many mutations: bits, cuts, numbers, noise."""
    data = bytearray(original)
    for _ in range(rng.choice(times)):
        at = rng.randrange(len(data))
        how = rng.randrange(5)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del data[max(at, 1) :]
        elif how == 2:
            data[at : at + rng.choice([1, 4, 50])] = b""
            data = data or bytearray(b"x")
        elif how == 3:
            data[at : at + 4] = struct.pack(">I", rng.choice([0, 1, 13, 2**31 - 1, 2**31, 2**32 - 1]))
        else:
            data[at:at] = rng.randbytes(rng.choice([1, 12, 60]))
    return bytes(data)


def judge(data: bytes, piece_bytes: int) -> str:
    """The state that was found; raises where a file is called whole and is not, or where a split changes it."""
    check = PngCheck()
    for at in range(0, len(data), piece_bytes):
        check.feed(data[at : at + piece_bytes])
    facts = check.finish()
    assert facts == look("a.png", data)
    assert facts.state in {*STATES, WHOLE}
    if facts.state == WHOLE:
        kinds = _kinds(data)
        assert kinds[0] == b"IHDR", kinds
        assert kinds[-1] == b"IEND", kinds
        assert b"IDAT" in kinds
        assert (facts.width, facts.height, facts.bits) == struct.unpack_from(">IIB", data, 16)
    return facts.state


def _kinds(data: bytes) -> list[bytes]:
    """Types of all chunks up to the end mark; raises where a CRC-32 does not fit or a chunk is cut."""
    assert data[:8] == png.SIGNATURE
    kinds: list[bytes] = []
    at = 8
    while not kinds or kinds[-1] != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        assert len(body) == 4 + length
        assert zlib.crc32(body) == struct.unpack_from(">I", data, at + 8 + length)[0]
        kinds.append(body[:4])
        at += 12 + length
    return kinds
