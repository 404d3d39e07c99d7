"""Is every pixel of a PNG there? Whatever can be wrong in a stream whose chunks are right, and nothing else."""

import itertools
import random
import tracemalloc
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib
from PIL import Image

from laden.dataset.images import look
from laden.values.records import ImageFacts
from tests.dataset.test_images import CUTS, fed, splits
from tests.support import png

STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)
EXTRAS = [
    (), (png.Chunk(b"gAMA", b"\0\0\xb1\x8f"),), (png.Chunk(b"tEXt", b"Comment\0x"), png.Chunk(b"prVt", b"\0" * 70)),
    (png.Chunk(b"pHYs", b"\0\0\x0b\x13\0\0\x0b\x13\1"), png.Chunk(b"tIME", b"\x07\xea\1\1\0\0\0")),
]  # fmt: skip


def state(data: bytes) -> str:
    return look("a.png", data, "pixels").state


def varied(number: int) -> tuple[bytes, int]:
    """A good image of a kind of its own, and its number of values; many together have every kind, filter and so on."""
    rng = random.Random(number)
    colour, bits = png.KINDS[number % len(png.KINDS)]
    interlaced = number // len(png.KINDS) % 2 == 1
    filters = [(0,), (1,), (2,), (3,), (4,), range(5), (4, 3, 2, 1, 0)][number % 7]
    noise = png.noise(number, bits, colour)
    values: set[tuple[int, ...]] = set()

    def pixel(x: int, y: int) -> tuple[int, ...]:
        values.add(value := noise(x, y))
        return value

    parts = png.picture(
        rng.choice([1, 2, 3, 5, 8, 9, 17, 32]),
        rng.choice([1, 2, 4, 7, 8, 13, 31]),
        bits,
        colour,
        pixel,
        filters=filters,
        interlaced=interlaced,
        level=number % 10,
        strategy=STRATEGIES[number % 5],
        idats=rng.choice([1, 2, 9, 1000]),
        extra=EXTRAS[number % 4],
    )
    return png.encode(parts), len(values)


def test_no_good_image_is_suspected() -> None:
    """Five hundred of every kind; Pillow, which shares no code with laden, decodes them too."""
    found = set()
    for number in range(500):
        data, values = varied(number)
        with Image.open(BytesIO(data)) as image:
            image.load()
            facts = look(f"{number}.png", data, "pixels")
            found.add((facts.bits, facts.state))
        assert facts[1:3] == image.size
        assert facts.state == ("whole" if values > 1 else "image-constant"), number
    assert {bits for bits, state in found if state == "whole"} == {1, 2, 4, 8, 16}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 0}, {"compress_level": 1}])
def test_what_pillow_writes_is_whole(mode: str, options: dict[str, object]) -> None:
    size = 64 * 48
    noise = random.Random(mode).randbytes(size * 2)
    image = Image.frombytes("I;16", (64, 48), noise) if mode == "I;16" else Image.frombytes("L", (64, 48), noise[:size])
    file = BytesIO()
    image.convert(mode).save(file, "PNG", **options)
    assert state(file.getvalue()) == "whole"


def test_what_isa_l_deflates_is_whole() -> None:
    for level, idats in itertools.product((0, 1, 2, 3), (1, 30)):
        packed = isal_zlib.compress(b"".join(b"\1" + bytes(range(y, y + 90)) for y in range(90)), level)
        assert state(png.encode(png.assembled(png.header(90, 90, 8), packed, idats))) == "whole"


HEAD = png.header(16, 16, 8)
RAW = b"".join(b"\0" + bytes(range(y, y + 16)) for y in range(16))
PACKED = zlib.compress(RAW)


def made(packed: bytes, head: png.Chunk = HEAD, idats: int = 2) -> bytes:
    return png.encode(png.assembled(head, packed, idats))


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x40
    return bytes(changed)


WRONG = {
    "a line is missing": (made(zlib.compress(RAW[:-17])), "png-pixels-short"),
    "a byte is missing": (made(zlib.compress(RAW[:-1])), "png-pixels-short"),
    "no line at all": (made(zlib.compress(b"")), "png-pixels-short"),
    "the stream is cut": (made(PACKED[:-40]), "png-pixels-short"),
    "the checksum is cut": (made(PACKED[:-2]), "png-zlib"),
    "the checksum is wrong": (made(flipped(PACKED, -1)), "png-zlib"),
    "a code is wrong": (made(PACKED[:2] + b"\xff" + PACKED[3:]), "png-zlib"),
    "no zlib header": (made(b"\0" + PACKED), "png-zlib"),
    "zeros where pixels were": (made(PACKED[:20] + bytes(20) + PACKED[40:]), "png-zlib"),
    "a line too many": (made(zlib.compress(RAW + RAW[:17])), "png-pixels-long"),
    "a byte too many": (made(zlib.compress(RAW + b"\0")), "png-pixels-long"),
    "a filter that is none": (made(zlib.compress(RAW[:170] + b"\5" + RAW[171:])), "png-filter"),
    "the first filter": (made(zlib.compress(b"\xff" + RAW[1:])), "png-filter"),
    "header of another size": (made(PACKED, png.header(16, 17, 8)), "png-pixels-short"),
    "header of another depth": (made(PACKED, png.header(16, 16, 4)), "png-filter"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), WRONG.values(), ids=WRONG)
def test_each_defect_of_pixels_has_its_state(data: bytes, expected: str) -> None:
    assert look("a.png", data).state == "whole", "the structure does not show it"
    assert state(data) == expected


PADDED = {
    "bytes after the stream": made(PACKED + b"more"),
    "zeros after the stream": made(PACKED + bytes(300_000)),
    "a chunk after the stream": png.encode([
        HEAD, png.Chunk(b"IDAT", PACKED), png.Chunk(b"IDAT", b"x"), png.Chunk(b"IEND")
    ]),
    "another stream": made(PACKED + PACKED),
}  # fmt: skip


@pytest.mark.parametrize("data", PADDED.values(), ids=PADDED)
def test_padding_behind_the_compressed_pixels_is_no_defect(data: bytes) -> None:
    with Image.open(BytesIO(data)) as image:
        image.load()
    assert state(data) == "whole"


def test_pixels_are_not_looked_at_unless_asked() -> None:
    assert look("a.png", WRONG["a line is missing"][0], "none") == ImageFacts("", 0, 0, 0, "unseen")


def test_a_defect_is_told_with_its_place() -> None:
    assert look("a.png", WRONG["a line is missing"][0], "pixels").detail == "after 15 of 16 lines"


def test_what_the_structure_shows_comes_first() -> None:
    broken = flipped(WRONG["a filter that is none"][0], -1)
    assert look("a.png", broken, "pixels").state == "png-chunk-crc"


# Of two things wrong at once, which one shows first may depend on where buffers end.
SINGLE = [data for case, (data, _) in WRONG.items() if case != "zeros where pixels were"]
EVERY = SINGLE + [varied(number)[0] for number in range(0, 60, 7)]


@given(st.sampled_from(EVERY), CUTS, st.sampled_from([bytes, bytearray, memoryview]))
def test_any_split_tells_the_same(data: bytes, cuts: list[int], kind: type[bytes]) -> None:
    assert fed("a.png", map(kind, splits(data, cuts)), "pixels") == look("a.png", data, "pixels")


@given(st.sampled_from(png.KINDS), st.integers(1, 40), st.integers(1, 20), st.booleans(), st.data())
def test_equal_pixels_are_found_whatever_filters_hide_them(
    kind: tuple[int, int], width: int, height: int, interlaced: bool, data: st.DataObject
) -> None:
    colour, bits = kind
    samples = st.tuples(*[st.integers(0, (1 << bits) - 1)] * png.SAMPLES[colour])
    value, other = data.draw(samples), data.draw(samples)
    odd = data.draw(st.none() | st.tuples(st.integers(0, width - 1), st.integers(0, height - 1)))
    filters = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    parts = png.picture(
        width, height, bits, colour, lambda x, y: other if (x, y) == odd else value,
        filters=filters, interlaced=interlaced, idats=data.draw(st.sampled_from([1, 3, 50])),
    )  # fmt: skip
    equal = odd is None or other == value or width * height == 1
    assert state(png.encode(parts)) == ("image-constant" if equal else "whole")


def test_lines_longer_than_a_piece_are_compared_too() -> None:
    width = 1_500_000
    for changed, expected in ((b"", "image-constant"), (b"\1", "whole")):
        raw = b"".join(b"\0" + b"\7\7" * width for _ in range(2))
        packed = zlib.compress(raw[: len(raw) - len(changed)] + changed, 1)
        assert state(made(packed, png.header(width, 2, 16))) == expected


def test_sixteen_bits_of_one_value_in_two_bytes_are_one_value() -> None:
    """Seen through the halves: a first byte that differs from the second is no second value."""
    assert state(png.encode(png.picture(9, 9, 16, 0, lambda _x, _y: (0x0102,)))) == "image-constant"


def bomb(width: int, height: int) -> bytes:
    """Declares what nobody has room for, and holds 64 MiB of zeros of it."""
    deflater = zlib.compressobj(9)
    packed = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(64)) + deflater.flush()
    return png.encode(png.assembled(png.header(width, height, 16), packed))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((60_000, 60_000), "image-too-large"), (((1 << 31) - 1,) * 2, "image-too-large"),
     ((11_000, 11_000), "png-pixels-short"), ((100_000_000, 1), "png-pixels-short")],
)  # fmt: skip
def test_a_bomb_takes_no_memory(size: tuple[int, int], expected: str) -> None:
    data = bomb(*size)
    tracemalloc.start()
    try:
        assert state(data) == expected
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
