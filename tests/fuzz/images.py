"""Mutated pixels, JPEGs, DICOM files, TIFFs and volumes, and what holds the checks to their word.

Pixels are inflated a second time by the standard library, which shares no code with ISA-L: what is whole, and only
that, must be called whole. Of JPEG and DICOM, what was called whole must open in Pillow and pydicom.
"""

import random
import warnings
import zlib
from functools import cache
from io import BytesIO

from PIL import Image

from laden.dataset.images import STATES, look
from laden.values.records import ImageFacts
from tests.fuzz.pngs import mutated
from tests.support import png

FINE = {"whole", "image-constant"}


def pixels_case(seed: int, number: int) -> bytes:
    """A PNG whose chunks are right, and whose compressed or filtered pixels may be anything."""
    rng = random.Random(f"pixels {seed} {number}")
    colour, bits = rng.choice(png.KINDS)
    width, height, interlaced = rng.randrange(1, 12), rng.randrange(1, 12), rng.random() < 0.3
    raw = bytearray()
    for rows in png.lines(width, height, bits, png.noise(number, bits, colour), interlaced):
        raw += b"".join(bytes([rng.randrange(5)]) + row for row in rows)
    if rng.random() < 0.4:
        raw = bytearray(mutated(bytes(raw), rng, [1, 2]))
    if rng.random() < 0.1:
        raw += bytes(rng.randrange(1, 40))
    deflater = zlib.compressobj(rng.randrange(10), strategy=rng.randrange(5))
    packed = deflater.compress(raw) + deflater.flush()
    if rng.random() < 0.4:
        packed = mutated(packed, rng, [1, 2])
    sizes = [(width, height), (60_000, 60_000), (2**31 - 1, height), (width, height + 1)]
    size = rng.choices(sizes, [20, 1, 1, 2])[0]
    head = png.header(*size, bits, colour, 0, 0, int(interlaced))
    return png.encode(png.assembled(head, packed, rng.randrange(1, 5)))


def judge_pixels(data: bytes) -> str:
    """The state that was found; raises where the standard library finds otherwise."""
    facts = look("a.png", data, "pixels")
    if facts.state != "image-too-large":
        assert (facts.state in FINE) == _is_whole(data, facts), facts
    return facts.state


def _is_whole(data: bytes, facts: ImageFacts) -> bool:
    parts, at = [], 33
    while data[at + 4 : at + 8] != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            parts.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(b"".join(parts))
    except zlib.error:
        return False
    if not inflater.eof:
        return False
    pixel_bits = data[24] * png.SAMPLES[data[25]]
    for left, top, right, down in png.ADAM7 if data[28] else [(0, 0, 1, 1)]:
        columns, rows = -(-(facts.width - left) // right), -(-(facts.height - top) // down)
        line_bytes = 1 + (columns * pixel_bits + 7) // 8
        if columns <= 0 or rows <= 0:
            continue
        here, raw = raw[: rows * line_bytes], raw[rows * line_bytes :]
        if len(here) < rows * line_bytes or any(kind > 4 for kind in here[::line_bytes]):
            return False
    return not raw


@cache
def _others() -> list[tuple[str, bytes]]:
    """Good files of every kind but PNG: those of the tests, which are made once a process."""
    from tests.dataset.test_images_formats import GOOD_TIFFS, GOOD_VOLUMES, PACKED
    from tests.dataset.test_images_identity import EXIF, SECRET, headed
    from tests.dataset.test_images_other import GOOD_DICOMS, jpeg

    jpegs = [jpeg(), jpeg("RGB", (64, 48)), jpeg(progressive=True), jpeg(restart_marker_blocks=2)]
    jpegs.append(jpeg(exif=EXIF.tobytes()))
    dicoms = [*GOOD_DICOMS.values(), headed(PatientName=SECRET, InstitutionName=SECRET)]
    volumes = [("a.nii", data) for data in GOOD_VOLUMES.values()] + [("a.nii.gz", PACKED)]
    kept = {"a.jpg": jpegs, "a.dcm": dicoms, "a.tif": GOOD_TIFFS.values()}
    return [(name, data) for name, files in kept.items() for data in files] + volumes


def other_case(seed: int, number: int) -> tuple[str, bytes]:
    """A mutated file of these, most often in its first bytes, where sizes are."""
    rng = random.Random(f"other {seed} {number}")
    name, data = rng.choice(_others())
    if rng.random() < 0.5:
        end = rng.randrange(1, min(len(data), 1500))
        return name, mutated(data[:end], rng, [1, 2]) + data[end:]
    return name, mutated(data, rng, [0, 1, 1, 3])


def judge_other(name: str, data: bytes) -> str:
    """The state that was found; raises where a file is called whole that its own library does not open."""
    facts = look(name, data, "pixels")
    assert facts.state in {*STATES, *FINE}
    told = look(name, data, identity=True)
    assert all(0 <= number < 1 << 31 for number in (*told[1:4], *facts[1:4])), told
    by_structure = told.state
    if facts.state in FINE:
        assert by_structure == "whole"
        if facts.kind == "jpeg":
            with warnings.catch_warnings(), Image.open(BytesIO(data)) as image:
                warnings.simplefilter("ignore")
                assert image.size == (facts.width, facts.height)
                image.load()
    return facts.state
