"""Small pictures of images, whole and broken: what is bright is bright, and what is left of a broken one is told."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from laden.dataset.images.decode import MOST_BYTES as MOST_DECODED_BYTES
from laden.dataset.images.decode import decode
from laden.dataset.images.salvage import salvage
from laden.demo import png
from laden.report import pixels as drawing
from laden.report.pixels import EDGE_PIXELS, MOST_BYTES, Drawn
from tests.support.dataset import tiny_png

Pixels = npt.NDArray[np.uint16]
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def ramp(height: int = 120, width: int = 100, top: int = 1023) -> Pixels:
    """Dark at the top, bright below, in a small part of 16 bits, as detectors use it."""
    return np.repeat(np.linspace(0, top, height).astype(np.uint16)[:, None], width, axis=1)


def draw(data: bytes, *, invert: bool = False) -> Drawn | None:
    """As the report does, in this process."""
    decoded = decode(data, EDGE_PIXELS)
    return None if decoded is None else drawing.draw(decoded, invert=invert)


def seen(drawn: Drawn | None) -> npt.NDArray[np.uint8]:
    assert drawn is not None
    return np.asarray(Image.open(io.BytesIO(drawn.webp)).convert("RGBA"))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def saved(mode: str, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    grey = Image.fromarray((ramp() >> 2).astype(np.uint8))
    grey.convert(mode).save(file, kind, **options)
    return file.getvalue()


def interlaced(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An Adam7 PNG, which Pillow reads and does not write."""
    passes = [pixels[top::down, left::across] for left, top, across, down in _ADAM7]
    raw = b"".join(b"\0" + row.tobytes() for one in passes if one.size for row in one)
    header = struct.pack(">II5B", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 1)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def dicom(pixels: Pixels, photometric: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PhotometricInterpretation = photometric
    dataset.PixelData = pixels.tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_sixteen_bits_are_spread_over_what_a_screen_shows() -> None:
    picture = seen(draw(png.encode(ramp())))
    assert picture.shape[:2] == (120, 100)
    assert picture[:10, :, 0].max() < 40, "a plain shift by eight bits would make all of it black"
    assert picture[-10:, :, 0].min() > 215


def test_a_few_bright_pixels_do_not_darken_the_rest() -> None:
    pixels = ramp(400, 400)
    pixels[:2, :2] = 65535
    assert seen(draw(png.encode(pixels)))[-10:, :, 0].min() > 200


def test_an_inverted_image_is_shown_as_it_is_meant() -> None:
    picture = seen(draw(png.encode(ramp()), invert=True))
    assert picture[:10, :, 0].min() > 215
    assert picture[-10:, :, 0].max() < 40


@pytest.mark.parametrize(("photometric", "top_is_bright"), [("MONOCHROME1", True), ("MONOCHROME2", False)])
def test_a_dicom_file_says_itself_which_end_is_white(photometric: str, top_is_bright: bool) -> None:
    picture = seen(draw(dicom(ramp(), photometric)))
    assert bool(picture[:10, :, 0].mean() > picture[-10:, :, 0].mean()) is top_is_bright


def test_a_dicom_file_that_ends_early_shows_its_beginning() -> None:
    whole = dicom(ramp(), "MONOCHROME2")
    drawn = draw(whole[: -ramp().nbytes // 2])
    if drawn is None:
        pytest.fail("half of the rows are there")
    assert drawn.part == pytest.approx(0.5, abs=0.02)


def test_a_large_image_is_made_small_in_its_proportions() -> None:
    drawn = draw(tiny_png(1, height=1000, width=500))
    assert drawn is not None
    assert (drawn.width, drawn.height, drawn.part) == (EDGE_PIXELS // 2, EDGE_PIXELS, 1.0)
    assert len(drawn.webp) <= MOST_BYTES, "noise packs worst of all"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_drawn(mode: str) -> None:
    picture = seen(draw(png.encode(ramp()) if mode == "I;16" else saved(mode)))
    assert picture[-10:, :, 0].mean() - picture[:10, :, 0].mean() > 150


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "BMP"])
def test_other_formats_are_drawn_whatever_they_are_called(kind: str) -> None:
    assert seen(draw(saved("L", kind))).shape[:2] == (120, 100)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def hole(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(600) + data[middle + 600 :]


@pytest.mark.parametrize("damage", [cut, hole])
def test_the_upper_rows_of_a_broken_png_are_those_of_the_whole_one(damage: Callable[[bytes], bytes]) -> None:
    # Noise packs badly, so that half of the bytes is half of the rows.
    whole = tiny_png(5, height=200, width=200)
    broken = draw(damage(whole))
    assert broken is not None
    assert 0.3 < broken.part < 0.6
    rows = int(broken.part * 200)
    picture, right = seen(broken), seen(draw(whole))
    assert picture[: rows - 2, :, 3].min() == 255
    assert picture[rows + 2 :, :, 3].max() == 0, "what is not there is not shown as black"
    upper = picture[: rows - 2, :, :3].astype(int) - right[: rows - 2, :, :3]
    assert np.abs(upper).mean() < 12


def test_a_wrong_checksum_or_a_missing_end_loses_nothing() -> None:
    whole = png.encode(ramp())
    wrong = bytearray(whole)
    wrong[29] ^= 1  # of IHDR
    wrong[-13] ^= 1  # of the last IDAT
    for broken in (bytes(wrong), whole[:-12]):
        drawn = draw(broken)
        assert drawn is not None
        assert drawn.part == 1.0
        assert np.array_equal(seen(drawn), seen(draw(whole)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("piece_bytes", [7, 1 << 30])
def test_a_whole_png_has_the_pixels_that_its_decoder_sees(mode: str, piece_bytes: int) -> None:
    """Whatever its kind, and however its pixels are cut into chunks."""
    whole = png.encode(ramp()) if mode == "I;16" else saved(mode)
    seen_by_decoder = Image.open(io.BytesIO(whole))
    at = whole.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", whole, at)
    body = whole[at + 8 : at + 8 + length]
    pieces = [chunk(b"IDAT", body[start : start + piece_bytes]) for start in range(0, length, piece_bytes)]
    decoded = decode(whole[:at] + b"".join(pieces) + whole[at + 12 + length :])
    assert decoded is not None
    assert (decoded.part, decoded.there) == (1.0, 1.0)
    wanted = seen_by_decoder if mode == "I;16" else seen_by_decoder.convert("RGB" if mode[0] in "PR" else "L")
    assert np.array_equal(decoded.pixels, np.asarray(wanted))


def test_an_interlaced_png_is_salvaged_pass_by_pass() -> None:
    pixels = (ramp(64, 48) >> 2).astype(np.uint8)
    whole = interlaced(pixels)
    again = salvage(whole, MOST_DECODED_BYTES)
    assert again is not None
    assert (again.part, again.rows) == (1.0, None)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again.png))), pixels)
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 255, (64, 48), dtype=np.uint8)
    half = salvage(cut(interlaced(noise)), MOST_DECODED_BYTES)
    assert half is not None
    assert 0.3 < half.part < 0.6
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(half.png)))[::8, ::8], noise[::8, ::8]), "the first pass"


def test_a_jpeg_that_ends_early_shows_its_beginning() -> None:
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 255, (256, 256), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    drawn = draw(cut(file.getvalue()))
    assert drawn is not None
    assert 0.3 < drawn.part < 0.7


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", tiny_png(1)[:33], bytes(128) + b"DICM"])
def test_what_holds_no_pixels_has_no_picture(data: bytes) -> None:
    assert draw(data) is None


def test_a_header_that_promises_too_much_has_no_picture() -> None:
    whole = bytearray(tiny_png(1))
    whole[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    assert draw(bytes(whole)) is None


KINDS = [
    tiny_png(3),
    saved("P"),
    saved("L", "JPEG"),
    interlaced((ramp(16, 16) >> 2).astype(np.uint8)),
    dicom(ramp(8, 8), "MONOCHROME1"),
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_break_it(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(KINDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(whole) - 1))
        whole[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        if not whole:
            break
    drawn = draw(bytes(whole))
    assert drawn is None or (0 < drawn.part <= 1 and len(drawn.webp) > 0)
