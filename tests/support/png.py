"""Writes tiny PNG files of every kind in the specification, chunk by chunk, so that any can be damaged.

Slow, general, and separate from what laden writes and reads: the standard library's zlib does all checksums.
"""

import random
import struct
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type to samples per pixel."""
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(colour, bits) for colour, depths in DEPTHS.items() for bits in depths]
"""Every legal pair of colour type and bit depth (PNG specification, table 11.1)."""


class Chunk(NamedTuple):
    kind: bytes
    data: bytes = b""

    def encode(self) -> bytes:
        crc = zlib.crc32(self.kind + self.data)
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", crc)


def header(width: int = 5, height: int = 3, bits: int = 16, colour: int = 0, *methods: int) -> Chunk:
    """IHDR; `methods` are compression, filter and interlace, 0 where left out."""
    return Chunk(b"IHDR", struct.pack(">II5B", width, height, bits, colour, *(*methods, 0, 0, 0)[:3]))


def chunks(
    width: int = 5, height: int = 3, bits: int = 16, colour: int = 0, *, seed: int = 0, idats: int = 2
) -> list[Chunk]:
    """The chunks of an image of noise: a palette if it needs one, and that many IDAT chunks."""
    noise = random.Random(seed)
    row_bytes = (width * bits * SAMPLES[colour] + 7) // 8
    packed = zlib.compress(b"".join(b"\0" + noise.randbytes(row_bytes) for _ in range(height)))
    size = -(-len(packed) // idats)
    palette = [Chunk(b"PLTE", noise.randbytes(3 * (1 << bits)))] if colour == 3 else []
    data = [Chunk(b"IDAT", packed[size * n : size * (n + 1)]) for n in range(idats)]
    return [header(width, height, bits, colour), *palette, *data, Chunk(b"IEND")]


def encode(parts: list[Chunk]) -> bytes:
    return SIGNATURE + b"".join(part.encode() for part in parts)


def ends(parts: list[Chunk]) -> list[int]:
    """Where the signature and each chunk end in the file."""
    found = [len(SIGNATURE)]
    for part in parts:
        found.append(found[-1] + 12 + len(part.data))
    return found
