"""Writes tiny PNG files of every kind in the specification, chunk by chunk, so that any can be damaged.

Slow, general, and separate from what laden writes and reads: the standard library's zlib does all checksums.
"""

import random
import struct
import zlib
from collections.abc import Callable, Sequence
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


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""First column and row of each pass, and the steps to the next (section 8.1)."""
Pixel = Callable[[int, int], tuple[int, ...]]
"""Samples of the pixel in that column and row."""


def lines(width: int, height: int, bits: int, pixel: Pixel, interlaced: bool) -> list[list[bytes]]:
    """For each pass its lines of packed samples, unfiltered; bits behind the last pixel of a line are set."""
    passes = []
    for left, top, right, down in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        columns, rows = range(left, width, right), range(top, height, down)
        if not columns or not rows:
            continue
        packed = []
        for y in rows:
            text = "".join(f"{sample:0{bits}b}" for x in columns for sample in pixel(x, y))
            text += "1" * (-len(text) % 8)
            packed.append(int(text, 2).to_bytes(len(text) // 8, "big"))
        passes.append(packed)
    return passes


def filtered(row: bytes, above: bytes, step: int, kind: int) -> bytes:
    """One line under filter type `kind` (section 9.2), with that type in front."""
    out = bytearray([kind])
    for at, value in enumerate(row):
        a, c = (row[at - step], above[at - step]) if at >= step else (0, 0)
        b = above[at]
        estimate = a + b - c
        paeth = min((a, b, c), key=lambda near: abs(estimate - near))
        out.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) & 255)
    return bytes(out)


def picture(
    width: int,
    height: int,
    bits: int,
    colour: int,
    pixel: Pixel,
    *,
    filters: Sequence[int] = range(5),
    interlaced: bool = False,
    level: int = 6,
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
    idats: int = 1,
    extra: Sequence[Chunk] = (),
) -> list[Chunk]:
    """The chunks of an image: filter types in turn, `extra` chunks after IHDR, a palette where one is needed."""
    step = max(1, bits * SAMPLES[colour] // 8)
    raw = bytearray()
    for rows in lines(width, height, bits, pixel, interlaced):
        above = bytes(len(rows[0]))
        for number, row in enumerate(rows):
            raw += filtered(row, above, step, filters[number % len(filters)])
            above = row
    deflater = zlib.compressobj(level, strategy=strategy)
    return assembled(
        header(width, height, bits, colour, 0, 0, int(interlaced)),
        deflater.compress(raw) + deflater.flush(),
        idats,
        extra,
    )


def assembled(head: Chunk, packed: bytes, idats: int = 1, extra: Sequence[Chunk] = ()) -> list[Chunk]:
    """The chunks around compressed pixels."""
    size = -(-len(packed) // idats)
    colour, bits = head.data[9], head.data[8]
    palette = [Chunk(b"PLTE", bytes(n % 256 for n in range(3 << bits)))] if colour == 3 else []
    data = [Chunk(b"IDAT", packed[at : at + size]) for at in range(0, len(packed), size)]
    return [head, *extra, *palette, *data, Chunk(b"IEND")]


def noise(seed: int, bits: int, colour: int) -> Pixel:
    """Pixels that differ, but smoothly enough for every code of Deflate to occur."""
    rng = random.Random(seed)
    most = (1 << bits) - 1
    return lambda x, y: tuple((x * 3 + y * 5 + rng.randrange(4)) & most for _ in range(SAMPLES[colour]))
