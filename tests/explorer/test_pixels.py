"""Grey values as they travel to the browser, held against those that were written; broken images, as far as they go."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from laden.demo import png
from laden.explorer.pixels import Decoders, Opened, open_image

RNG = np.random.Generator(np.random.PCG64(7))
DECODERS = Decoders(1)


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    yield
    DECODERS.close()


GREY = RNG.integers(0, 4096, (40, 30), dtype=np.uint16)


def dicom(pixels: np.typing.NDArray[Any], **fields: Any) -> bytes:
    """An uncompressed DICOM file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def opened(data: bytes, frame: int = 0, *, inverted: bool = False) -> Opened:
    found = open_image(data, frame, DECODERS, inverted=inverted)
    assert found is not None
    return found


def values(one: Opened) -> np.typing.NDArray[Any]:
    """What the browser shows as the value of each pixel."""
    kind = np.uint8 if one.samples == "grey8" else np.dtype("<u2")
    stored = np.frombuffer(one.data, kind).reshape(one.height, one.width)
    return stored * one.slope + one.intercept


def encoded(image: Image.Image, form: str, **more: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **more)
    return file.getvalue()


def test_a_16_bit_png_travels_as_it_is() -> None:
    one = opened(png.encode(GREY))
    assert (one.samples, one.slope, one.intercept, one.part, one.rows) == ("grey16", 1, 0, 1, None)
    assert (values(one) == GREY).all()
    assert one.least == GREY.min()
    assert one.most == GREY.max()
    assert GREY.min() <= one.low < one.high <= GREY.max()


def test_the_table_says_that_the_lowest_value_is_white() -> None:
    one = opened(png.encode(GREY), inverted=True)
    assert one.inverted
    assert (values(one) == GREY).all()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_8_bits_are_8_bits(form: str) -> None:
    grey = (GREY >> 4).astype(np.uint8)
    one = opened(encoded(Image.fromarray(grey), form))
    assert (one.samples, one.low, one.high) == ("grey8", 0, 255)
    assert (values(one) == grey).all()


def test_colours_stay_colours() -> None:
    rgb = RNG.integers(0, 256, (20, 10, 3), dtype=np.uint8)
    one = opened(encoded(Image.fromarray(rgb), "PNG"))
    assert one.samples == "rgb8"
    assert (np.frombuffer(one.data, np.uint8).reshape(20, 10, 3) == rgb).all()


def test_a_png_that_ends_early_shows_the_rows_that_are_there() -> None:
    tall = RNG.integers(0, 4096, (400, 300), dtype=np.uint16)
    data = png.encode(tall)
    one = opened(data[: len(data) // 2])
    assert one.rows is not None
    assert 100 < one.rows < 300
    assert 0.3 < one.part < 0.7
    assert (values(one)[: one.rows] == tall[: one.rows]).all()
    assert not values(one)[one.rows :].any()


def test_monochrome1_windows_and_rescaling_of_a_dicom() -> None:
    data = dicom(
        GREY,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
        RescaleSlope="2",
        RescaleIntercept="-100",
        WindowCenter=["300", "40"],
        WindowWidth=["400", "80"],
        WindowCenterWidthExplanation=["LUNG", "SOFT"],
    )
    one = opened(data)
    assert one.inverted
    assert (values(one) == GREY * 2.0 - 100).all()
    assert one.windows == [
        {"name": "LUNG", "centre": 300.0, "width": 400.0},
        {"name": "SOFT", "centre": 40.0, "width": 80.0},
    ]
    assert ((one.low * one.slope + one.intercept), (one.high * one.slope + one.intercept)) == (100, 500)


def test_negative_values_keep_their_values() -> None:
    signed = (GREY.astype(np.int16) - 1024).astype(np.int16)
    one = opened(dicom(signed))
    assert (values(one) == signed).all()


def test_every_frame_is_there() -> None:
    frames = RNG.integers(0, 4096, (3, 20, 30), dtype=np.uint16)
    data = dicom(frames, NumberOfFrames=3)
    for number in range(3):
        one = opened(data, number)
        assert (one.frame, one.frames) == (number, 3)
        assert (values(one) == frames[number]).all()
    assert opened(data, 99).frame == 0


def test_more_than_16_bits_are_shown_in_steps_and_say_so() -> None:
    deep = RNG.integers(0, 2**31, (10, 10), dtype=np.uint32)
    one = opened(dicom(deep))
    assert one.note
    assert np.abs(values(one) - deep).max() <= 2**31 / 65_535


def test_a_dicom_that_ends_early_shows_what_is_there() -> None:
    data = dicom(GREY)
    one = opened(data[: len(data) - GREY.nbytes // 2])
    assert one.rows == 20
    assert (values(one)[:20] == GREY[:20]).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        bytes(128) + b"DICM" + b"\xff" * 64,
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"P6\n100000 100000\n255\n",
        encoded(Image.new("RGB", (4, 4)), "PPM"),
        encoded(Image.new("RGB", (16, 16)), "ICO"),
    ],
)
def test_what_is_no_image_or_none_of_the_kinds_that_are_decoded_is_nothing(data: bytes) -> None:
    assert open_image(data, 0, DECODERS, inverted=False) is None
