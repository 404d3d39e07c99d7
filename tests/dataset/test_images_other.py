"""Are JPEGs and DICOM files whole? Files that their own libraries write, and what can become of them."""

import random
import struct
import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from laden.dataset.images import BROKEN, look
from laden.values.records import NOT_LOOKED_INTO, ImageFacts
from tests.dataset.test_images import fed, splits
from tests.support import png

NOISE = np.random.Generator(np.random.PCG64(7)).integers(0, 4096, (50, 40), np.uint16)


def state(name: str, data: bytes) -> str:
    return look(name, data, "pixels").state


def jpeg(mode: str = "L", size: tuple[int, int] = (40, 50), **options: Any) -> bytes:
    rng = random.Random(size[0])
    image = Image.frombytes("L", size, rng.randbytes(size[0] * size[1])).convert(mode)
    file = BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"optimize": True}, {"subsampling": 2}, {"quality": 1}, {"quality": 100},
     {"restart_marker_blocks": 2}, {"comment": b"\xff\xd9 is no end here"}, {"dpi": (300, 300)}],
)  # fmt: skip
def test_good_jpegs_are_whole(mode: str, options: dict[str, object]) -> None:
    data = jpeg(mode, **options)
    assert look("a.jpg", data) == look("A.JPEG", data, "pixels") == ImageFacts("jpeg", 40, 50, 8, "whole")
    assert look("a.jpg", data + b"\0\0 rest of a block", "pixels").state == "whole"
    assert fed("a.jpg", splits(data, [3, 100, 700]), "pixels").state == "whole"


GOOD = jpeg()
FRAME = GOOD.index(b"\xff\xc0")
SCAN = GOOD.index(b"\xff\xda")


def changed(at: int, new: bytes, data: bytes = GOOD) -> bytes:
    return data[:at] + new + data[at + len(new) :]


HOLED = GOOD[: SCAN + 100] + GOOD[-200:]
PROGRESSIVE = jpeg(progressive=True)
SECOND_SCAN = PROGRESSIVE.index(b"\xff\xc4", PROGRESSIVE.index(b"\xff\xda"))
BAD_JPEGS = {
    "empty": (b"", "jpeg-truncated"),
    "text": (b"<html>Please log in</html>", "jpeg-signature"),
    "a PNG": (png.encode(png.chunks()), "jpeg-is-png"),
    "only a start": (GOOD[:2], "jpeg-truncated"),
    "cut in a segment": (GOOD[: FRAME + 6], "jpeg-truncated"),
    "cut in the scan": (GOOD[: SCAN + 200], "jpeg-truncated"),
    "without its end": (GOOD[:-2], "jpeg-truncated"),
    "zeros from the header on": (changed(FRAME, bytes(len(GOOD) - FRAME)), "jpeg-marker"),
    "a marker overwritten": (changed(FRAME, b"\0\0"), "jpeg-marker"),
    "a reserved marker": (changed(FRAME, b"\xff\x05"), "jpeg-marker"),
    "a segment of no length": (changed(FRAME + 2, b"\0\1"), "jpeg-marker"),
    "two starts": (GOOD[:2] + GOOD, "jpeg-marker"),
    "no width": (changed(FRAME + 7, b"\0\0"), "jpeg-header"),
    "too many bits": (changed(FRAME + 4, b"\x20"), "jpeg-header"),
    "no components": (changed(FRAME + 9, b"\0"), "jpeg-header"),
    "two frames": (GOOD[:SCAN] + GOOD[FRAME : FRAME + 13] + GOOD[SCAN:], "jpeg-order"),
    "no scan": (GOOD[:SCAN] + b"\xff\xd9", "jpeg-order"),
    "a scan without a frame": (GOOD[:FRAME] + GOOD[FRAME + 13 :], "jpeg-order"),
    "fewer pixels than declared": (changed(FRAME + 5, struct.pack(">HH", 700, 700)), "jpeg-pixels"),
    "a hole in its pixels": (HOLED, "jpeg-pixels"),
    "progressive, its last pixels missing": (PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xda") + 60] + b"\xff\xd9",
                                             "jpeg-pixels"),
    "progressive, a hole in its first scan": (PROGRESSIVE[: SECOND_SCAN - 8] + PROGRESSIVE[SECOND_SCAN:],
                                              "jpeg-pixels"),
    "far fewer": (changed(FRAME + 5, struct.pack(">HH", 11_000, 11_000)), "jpeg-pixels"),
    "a table that is none": (changed(GOOD.index(b"\xff\xc4") + 5, b"\xff" * 16), "jpeg-pixels"),
    "a bomb": (changed(FRAME + 5, struct.pack(">HH", 60_000, 60_000)), "image-too-large"),
    "twelve bits": (changed(FRAME, b"\xff\xc1\0\x0b\x0c"), "image-undecodable"),
    "lossless": (changed(FRAME, b"\xff\xc3"), "image-undecodable"),
    "one grey": (jpeg("L", (1, 1)), "image-constant"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), BAD_JPEGS.values(), ids=BAD_JPEGS)
def test_each_defect_of_a_jpeg_has_its_state(data: bytes, expected: str) -> None:
    assert state("a.jpg", data) == expected


def test_one_colour_is_constant_and_two_are_not() -> None:
    file = BytesIO()
    Image.new("RGB", (90, 70), (9, 80, 200)).save(file, "JPEG")
    assert state("a.jpg", file.getvalue()) == "image-constant"


def dicom(
    pixels: bytes, syntax: UID = ExplicitVRLittleEndian, *, bits: int = 16, without: tuple[str, ...] = (), **fields: Any
) -> bytes:
    """A DICOM file of 50 rows and 40 columns, unless told otherwise, that holds those bytes as pixel data."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = syntax
    dataset = Dataset()
    dataset.file_meta, dataset.preamble = meta, bytes(128)
    dataset.SOPInstanceUID, dataset.SOPClassUID = UID("1.2.3"), meta.MediaStorageSOPClassUID
    dataset.PatientName = "Nobody"
    dataset.ReferencedStudySequence = [Dataset()]
    dataset.ReferencedStudySequence[0].Modality = "CR"
    stored = fields.pop("BitsStored", bits)
    values = {
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 50, "Columns": 40,
        "BitsAllocated": bits, "BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": 0, **fields,
    }  # fmt: skip
    for name in values.keys() - set(without):
        setattr(dataset, name, values[name])
    if "PixelData" not in without:
        dataset.PixelData = pixels
        dataset["PixelData"].VR = "OB" if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian else "OW"
        dataset["PixelData"].is_undefined_length = syntax.is_encapsulated
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def rle(pixels: np.ndarray[Any, Any]) -> bytes:
    dataset = dcmread(BytesIO(dicom(pixels.tobytes())))
    dataset.compress(RLELossless)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def jpeg2000() -> bytes:
    file = BytesIO()
    Image.fromarray(NOISE).save(file, "JPEG2000", irreversible=False, no_jp2=True)
    return file.getvalue()


RAW = NOISE.tobytes()
BYTES = RAW[:2000]
COLOUR = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
GOOD_DICOMS = {
    "explicit": dicom(RAW),
    "implicit": dicom(RAW, ImplicitVRLittleEndian),
    "big endian": dicom(NOISE.byteswap().tobytes(), ExplicitVRBigEndian),
    "deflated": dicom(RAW, DeflatedExplicitVRLittleEndian),
    "of 8 bits": dicom(BYTES, bits=8),
    "padded": dicom(BYTES[: 49 * 39] + b"\0", bits=8, Rows=49, Columns=39),
    "of single bits": dicom(BYTES[:250], bits=1),
    "of two frames": dicom(RAW + RAW, NumberOfFrames=2),
    "in colour": dicom(BYTES * 3, bits=8, **COLOUR),
    "in colour, by planes": dicom(BYTES * 3, bits=8, **COLOUR | {"PlanarConfiguration": 1}),
    "with colours shared": dicom(BYTES * 2, bits=8, **COLOUR | {"PhotometricInterpretation": "YBR_FULL_422"}),
    "deflated, in colour": dicom(BYTES * 3, DeflatedExplicitVRLittleEndian, bits=8, **COLOUR),
    "RLE": rle(NOISE),
    "JPEG": dicom(encapsulate([GOOD]), JPEGBaseline8Bit, bits=8),
    "JPEG of 8 bits, extended": dicom(encapsulate([GOOD]), JPEGExtended12Bit, bits=8),
    "JPEG, two frames": dicom(encapsulate([GOOD, GOOD]), JPEGBaseline8Bit, bits=8, NumberOfFrames=2),
    "JPEG in fragments": dicom(encapsulate([GOOD], fragments_per_frame=4), JPEGBaseline8Bit, bits=8),
    "JPEG 2000": dicom(encapsulate([jpeg2000()]), JPEG2000Lossless),
    "JPEG 2000 of another sign": dicom(encapsulate([jpeg2000()]), JPEG2000Lossless, PixelRepresentation=1),
}


@pytest.mark.parametrize("data", GOOD_DICOMS.values(), ids=GOOD_DICOMS)
def test_good_dicom_files_are_whole(data: bytes) -> None:
    bits, rows, columns = (dcmread(BytesIO(data))[name].value for name in ("BitsAllocated", "Rows", "Columns"))
    expected = ImageFacts("dicom", columns, rows, bits, "whole")
    assert look("a.dcm", data) == look("b.DICOM", data, "pixels") == look("1.2.840.113", data, "pixels") == expected
    assert fed("uid_without_ending", splits(data, [3, 100, 700]), "pixels") == expected


DICOM, JPEG = GOOD_DICOMS["explicit"], GOOD_DICOMS["JPEG"]
PIXELS = DICOM.index(b"\xe0\x7f\x10\0OW")
FRAGMENT = JPEG.index(b"\xff\xd8") - 8
DEFLATED = 132 + 12 + struct.unpack_from("<I", GOOD_DICOMS["deflated"], 140)[0]
"""Where the deflated data set starts: the group length says so (PS3.10, section 7.1)."""
SAME = np.full((50, 40), 7, np.uint16)
BAD_DICOMS = {
    "empty": (b"", "dicom-signature"),
    "no preamble": (DICOM[132:], "dicom-signature"),
    "only a preamble": (DICOM[:132], "dicom-no-image"),
    "cut in the header": (DICOM[: DICOM.index(b"\x28\0\x10\0US")], "dicom-no-image"),
    "cut before the pixels": (DICOM[:PIXELS], "dicom-no-pixels"),
    "cut in the head of the pixels": (DICOM[: PIXELS + 10], "dicom-header"),
    "cut after the head of the pixels": (DICOM[: PIXELS + 12], "dicom-truncated"),
    "cut in the pixels": (DICOM[:-1], "dicom-truncated"),
    "no rows": (dicom(RAW, without=("Rows",)), "dicom-header"),
    "no bits": (dicom(RAW, without=("BitsAllocated",)), "dicom-header"),
    "rows of nought": (dicom(RAW, Rows=0), "dicom-header"),
    "bits of 7": (changed(DICOM.index(b"\x28\0\0\1US") + 8, b"\7", DICOM), "dicom-header"),
    "frames that are no number": (dicom(RAW, NumberOfFrames=1).replace(b"IS\2\x001 ", b"IS\2\0x "), "dicom-header"),
    "a report": (dicom(b"", without=("Rows", "Columns", "BitsAllocated", "PixelData")), "dicom-no-image"),
    "fewer pixels": (dicom(RAW[:-80]), "dicom-length"),
    "more pixels": (dicom(RAW + RAW[:80]), "dicom-length"),
    "absurd rows": (dicom(RAW, Rows=65_535, Columns=65_535), "dicom-length"),
    "frames below nought": (dicom(RAW, NumberOfFrames=-1), "dicom-header"),
    "more frames than anybody counts": (dicom(RAW, NumberOfFrames=10**11), "dicom-header"),
    "absurd samples": (dicom(RAW, SamplesPerPixel=65_535), "dicom-header"),
    "absurd bits": (dicom(RAW, BitsAllocated=65_528), "dicom-header"),
    "absurd frames": (dicom(RAW, NumberOfFrames=2_000_000_000), "dicom-length"),
    "native without length": (changed(PIXELS + 8, b"\xff" * 4, DICOM), "dicom-length"),
    "deflated and cut": (GOOD_DICOMS["deflated"][:-900], "dicom-truncated"),
    "deflated and wrong": (changed(DEFLATED, b"\xff", GOOD_DICOMS["deflated"]), "dicom-header"),
    "compressed with a length": (DICOM.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"), "dicom-fragments"),
    "no end of fragments": (JPEG[:-8], "dicom-truncated"),
    "cut in a fragment": (JPEG[:-300], "dicom-truncated"),
    "no fragment": (changed(FRAGMENT, b"\xfe\xff\xdd\xe0\0\0\0\0", JPEG), "dicom-fragments"),
    "a hole in the fragments": (changed(FRAGMENT, bytes(300), JPEG), "dicom-fragments"),
    "fewer fragments than frames": (dicom(encapsulate([GOOD]), JPEGBaseline8Bit, bits=8, NumberOfFrames=3),
                                    "dicom-fragments"),
    "no JPEG inside": (dicom(encapsulate([bytes(900)]), JPEGBaseline8Bit, bits=8), "dicom-pixels"),
    "a smaller JPEG inside": (dicom(encapsulate([jpeg(size=(8, 8))]), JPEGBaseline8Bit, bits=8), "dicom-pixels"),
    "a cut JPEG inside": (dicom(encapsulate([GOOD[:600]]), JPEGBaseline8Bit, bits=8), "dicom-pixels"),
    "RLE that is none": (dicom(encapsulate([bytes(900)]), RLELossless), "dicom-pixels"),
    "RLE that is too short": (dicom(encapsulate([bytes(90)]), RLELossless, Rows=9000, Columns=9000), "dicom-pixels"),
    "a JPEG bomb": (dicom(encapsulate([GOOD]), JPEGBaseline8Bit, bits=8, Rows=60_000, Columns=60_000),
                    "image-too-large"),
    "JPEG with pixels missing inside": (dicom(encapsulate([HOLED]), JPEGBaseline8Bit, bits=8), "dicom-pixels"),
    "a film": (dicom(encapsulate([GOOD]), MPEG2MPML, bits=8), "image-undecodable"),
    "JPEG of 12 bits": (dicom(encapsulate([GOOD]), JPEGExtended12Bit, BitsStored=12), "image-undecodable"),
    "a syntax of nobody": (JPEG.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.99999.1.2.4.50"), "image-undecodable"),
    "one grey": (dicom(SAME.tobytes()), "image-constant"),
    "one grey, RLE": (rle(SAME), "image-constant"),
    "one bit": (dicom(bytes(250), bits=1), "image-constant"),
    "one colour": (dicom(b"\1\2\3" * 2000, bits=8, **COLOUR), "image-constant"),
    "one colour, by planes": (dicom(b"\1" * 2000 + b"\2" * 4000, bits=8, **COLOUR | {"PlanarConfiguration": 1}),
                              "image-constant"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), BAD_DICOMS.values(), ids=BAD_DICOMS)
def test_each_defect_of_dicom_has_its_state(data: bytes, expected: str) -> None:
    assert state("a.dcm", data) == expected


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless])
def test_what_cannot_be_decoded_is_told_with_what_to_install(syntax: UID, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom(encapsulate([GOOD]), syntax, bits=8)
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    found = look("a.dcm", data, "pixels")
    assert found.state == "image-undecodable"
    assert found.detail == f"{syntax.name}; pip install 'laden[images]' decodes it"
    assert look("a.dcm", data).state == "whole", "by its structure it is"


def test_every_state_can_happen() -> None:
    told = {expected for _, expected in (BAD_JPEGS | BAD_DICOMS).values()}
    assert told >= {code for code in BROKEN if code.startswith(("jpeg-", "dicom-"))}


def test_a_data_set_that_deflates_to_nothing_takes_no_memory() -> None:
    """Half a gigabyte of zeros behind half a megabyte: pydicom by itself would inflate it all."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(512)) + deflater.flush()
    bomb = GOOD_DICOMS["deflated"][:DEFLATED] + packed
    tracemalloc.start()
    try:
        assert state("a.dcm", bomb) == "image-too-large"
        assert tracemalloc.get_traced_memory()[1] < 600 << 20
    finally:
        tracemalloc.stop()


def test_the_head_of_a_large_file_says_whether_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.dataset.images.content.MOST_BYTES", 2000)
    monkeypatch.setattr("laden.dataset.images.content.HEAD_BYTES", 1500)
    for name, expected in (("explicit", "whole"), ("RLE", "image-too-large")):
        assert state("a.dcm", GOOD_DICOMS[name]) == expected
    assert state("a.dcm", DICOM[:-2]) == "dicom-truncated"


def test_other_files_without_an_ending_are_no_images() -> None:
    assert look("README", b"x" * 300, "pixels") == look("1.2.3", b"", "pixels") == NOT_LOOKED_INTO
