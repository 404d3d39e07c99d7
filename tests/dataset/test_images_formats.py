"""Are TIFFs, NIfTI volumes and gzip data whole? Files of our own writers, of Pillow's, and what can become of them."""

import random
import struct
import tracemalloc
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from laden.dataset.images import BROKEN, STATES, look
from laden.values.records import ImageFacts
from tests.dataset.test_images import fed, splits
from tests.support.volumes import nifti, packed, tiff

NOISE = random.Random(3).randbytes(48)
HALVES = [NOISE[:24], NOISE[24:]]


def saved(mode: str, **options: Any) -> bytes:
    values = np.random.Generator(np.random.PCG64(1)).integers(0, 4096, (50, 40), np.uint16)
    image = Image.fromarray(values) if mode == "I;16" else Image.fromarray((values >> 4).astype(np.uint8)).convert(mode)
    file = BytesIO()
    image.save(file, "TIFF", **options)
    return file.getvalue()


GOOD_TIFFS = {
    "of 16 bits": tiff(HALVES),
    "big endian": tiff(HALVES, order=">"),
    "BigTIFF": tiff(HALVES, big=True),
    "one strip": tiff([NOISE]),
    "of 8 bits": tiff([NOISE[:24]], bits=(8,)),
    "without rows per strip": tiff([NOISE], changed={278: None}),
    "rows per strip of everything": tiff([NOISE], changed={278: ("I", (2**32 - 1,))}),
    **{f"Pillow {mode} {kind}": saved(mode, compression=kind)
       for mode in ("I;16", "L", "RGB", "1") for kind in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")},
}  # fmt: skip


@pytest.mark.parametrize("data", GOOD_TIFFS.values(), ids=GOOD_TIFFS)
def test_good_tiffs_are_whole(data: bytes) -> None:
    with Image.open(BytesIO(data)) as image:
        size = image.size
    for level in ("structure", "pixels"):
        found = look("x/a.tif", data, level)  # type: ignore[arg-type]
        assert (found.kind, found.width, found.height, found.state) == ("tiff", *size, "whole"), found
        assert fed("a.TIFF", splits(data, [3, 20, 60]), level) == found  # type: ignore[arg-type]


PLAIN = tiff(HALVES)
AT = struct.unpack_from("<I", PLAIN, 4)[0]
BAD_TIFFS = {
    "empty": (b"", "tiff-signature"),
    "zeros": (bytes(5000), "tiff-signature"),
    "a web page": (b"<html>Please log in</html>", "tiff-signature"),
    "only a mark": (PLAIN[:4], "tiff-truncated"),
    "cut before the directory": (PLAIN[: AT - 1], "tiff-truncated"),
    "cut in the directory": (PLAIN[: AT + 20], "tiff-truncated"),
    "cut in its values": (PLAIN[:-1], "tiff-truncated"),
    "a directory beyond all files": (tiff(HALVES, big=True)[:8] + b"\xff" * 8 + bytes(200), "tiff-truncated"),
    "no directory": (PLAIN[:4] + bytes(4) + PLAIN[8:], "tiff-header"),
    "a circle": (PLAIN[: AT + 2 + 9 * 12] + struct.pack("<I", AT) + PLAIN[AT + 6 + 9 * 12 :], "tiff-header"),
    "no width": (tiff(HALVES, width=0), "tiff-header"),
    "an absurd width": (tiff(HALVES, width=2**32 - 1), "tiff-header"),
    "an absurd width of 64 bits": (tiff(HALVES, big=True, changed={256: ("Q", (2**64 - 1,))}), "tiff-header"),
    "absurd bits": (tiff(HALVES, bits=(60_000,)), "tiff-header"),
    "no bits": (tiff(HALVES, bits=(0,)), "tiff-header"),
    "no samples": (tiff(HALVES, changed={277: ("H", (0,))}), "tiff-header"),
    "no strips": (tiff(HALVES, changed={273: None}), "tiff-header"),
    "fewer lengths than strips": (tiff(HALVES, changed={279: ("I", (24,))}), "tiff-header"),
    "tiles of no height": (tiff(HALVES, changed={323: ("I", (0,)), 278: ("I", (0,))}), "tiff-header"),
    "a strip behind the end": (tiff(HALVES, changed={273: ("I", (8, 9_000))}), "tiff-truncated"),
    "a strip that is longer than the file": (tiff(HALVES, changed={279: ("I", (24, 2**32 - 1))}), "tiff-truncated"),
    "more values than bytes": (tiff(HALVES, changed={258: ("H", (16,) * 4)})[:-6], "tiff-truncated"),
    "a strip too few": (tiff(HALVES, height=6, changed={278: ("I", (2,))}), "tiff-length"),
    "fewer pixels": (tiff(HALVES, width=60), "tiff-length"),
    "packed pixels that are none": (tiff(HALVES, changed={259: ("H", (8,))}), "tiff-pixels"),
    "far more samples than anybody decodes": (tiff(HALVES, bits=(16, 16), changed={262: ("H", (2,))}, width=3),
                                              "image-undecodable"),
    "a bomb": (tiff(HALVES, width=60_000, height=60_000, changed={259: ("H", (8,)), 278: ("I", (30_000,))}),
               "image-too-large"),
    "one grey": (tiff([bytes(48)]), "image-constant"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), BAD_TIFFS.values(), ids=BAD_TIFFS)
def test_each_defect_of_a_tiff_has_its_state(data: bytes, expected: str) -> None:
    assert look("a.tif", data, "pixels").state == expected


VOXELS = random.Random(4).randbytes(48)
GOOD_VOLUMES = {
    "one": nifti(VOXELS),
    "big endian": nifti(VOXELS, order=">"),
    "two": nifti(VOXELS, second=True),
    "two, big endian": nifti(VOXELS, second=True, order=">"),
    "of floats": nifti(VOXELS, shape=(3, 4), datatype=16, bits=32),
    "voxels further behind": nifti(bytes(16) + VOXELS, start=368),
    "more than its header makes": nifti(VOXELS + bytes(9)),
}


@pytest.mark.parametrize("data", GOOD_VOLUMES.values(), ids=GOOD_VOLUMES)
def test_good_volumes_are_whole_packed_or_not(data: bytes) -> None:
    found = look("a.nii", data)
    assert (found.kind, found.width, found.height, found.state) == ("nifti", 3, 4, "whole"), found
    for name, file in (
        ("a.nii", data),
        ("b.nii.gz", packed(data)),
        ("B.NII.GZ", packed(data[:99]) + packed(data[99:])),
    ):
        assert look(name, file, "pixels") == found
        assert fed(name, splits(file, [1, 2, 30, 100]), "structure") == found
    assert look("a.nii.gz", packed(data) + bytes(99)) == found, "padding"


PACKED = packed(nifti(VOXELS))
BAD_VOLUMES = {
    "empty": ("a.nii", b"", "nifti-header"),
    "zeros": ("a.nii", bytes(5000), "nifti-header"),
    "a pair's header": ("a.nii", nifti(VOXELS, magic=b"ni1\0"), "nifti-header"),
    "cut in the header": ("a.nii", nifti(VOXELS)[:300], "nifti-header"),
    "no dimensions": ("a.nii", nifti(VOXELS, shape=()), "nifti-header"),
    "a negative dimension": ("a.nii", nifti(VOXELS, shape=(3, -4, 2)), "nifti-header"),
    "a datatype of other bits": ("a.nii", nifti(VOXELS, bits=8), "nifti-header"),
    "voxels at minus one": ("a.nii", nifti(VOXELS, start=-1), "nifti-header"),
    "voxels at infinity": ("a.nii", nifti(VOXELS, start=float("inf")), "nifti-header"),
    "voxels at no number": ("a.nii", nifti(VOXELS, start=float("nan")), "nifti-header"),
    "a voxel is missing": ("a.nii", nifti(VOXELS[:-1]), "nifti-length"),
    "absurd dimensions": ("a.nii", nifti(VOXELS, shape=(2**62,) * 7, second=True), "nifti-length"),
    "a voxel is missing, packed": ("a.nii.gz", packed(nifti(VOXELS[:-1])), "nifti-length"),
    "not packed at all": ("a.nii.gz", nifti(VOXELS), "gzip-signature"),
    "empty, packed": ("a.nii.gz", b"", "gzip-truncated"),
    "cut": ("a.nii.gz", PACKED[:-20], "gzip-truncated"),
    "cut in the checksum": ("a.nii.gz", PACKED[:-6], "gzip-truncated"),
    "another checksum": ("a.nii.gz", PACKED[:-8] + b"\1\2\3\4" + PACKED[-4:], "gzip-damaged"),
    "another length": ("a.nii.gz", PACKED[:-4] + b"\1\2\3\4", "gzip-damaged"),
    "a bit of another kind of file": ("table.csv.gz", PACKED[:20] + bytes([PACKED[20] ^ 1]) + PACKED[21:],
                                      "gzip-damaged"),
    "the second of two is cut": ("notes.txt.gz", PACKED + PACKED[:-4], "gzip-truncated"),
    "a page": ("notes.gz", b"<html>", "gzip-signature"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), BAD_VOLUMES.values(), ids=BAD_VOLUMES)
def test_each_defect_of_a_volume_has_its_state(name: str, data: bytes, expected: str) -> None:
    found = look(name, data)
    assert found.state == expected
    if data:
        assert fed(name, splits(data, [1, 5, 400]), "structure") == found


def test_other_gzip_data_are_vouched_for_by_their_checksum() -> None:
    assert look("table.csv.gz", packed(b"a,b\n")) == ImageFacts("gzip", 0, 0, 0, "whole")


def test_every_state_can_happen() -> None:
    told = {expected for _, expected in BAD_TIFFS.values()} | {expected for *_, expected in BAD_VOLUMES.values()}
    assert told >= {code for code in BROKEN if code.startswith(("tiff-", "nifti-", "gzip-"))}


def test_gzip_data_that_hold_gigabytes_take_no_memory() -> None:
    bomb = packed(bytes(64 << 20)) * 4
    tracemalloc.start()
    try:
        assert look("a.gz", bomb).state == "whole"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "good"), [
    ("a.tif", GOOD_TIFFS["of 16 bits"]), ("a.tif", GOOD_TIFFS["BigTIFF"]), ("a.nii", GOOD_VOLUMES["one"]),
    ("a.nii", GOOD_VOLUMES["two"]), ("a.nii.gz", PACKED),
])  # fmt: skip
@given(data=st.data())
def test_no_mutation_ends_a_check(name: str, good: bytes, data: st.DataObject) -> None:
    """Numbers of any size at any place: always a state, and sizes that fit the relations."""
    at = data.draw(st.integers(0, len(good) - 1))
    new = data.draw(st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7)]))
    cut = data.draw(st.integers(at, len(good)))
    found = look(name, (good[:at] + new + good[at + len(new) :])[: max(cut, 1)])
    assert found.state in {"whole", *STATES}
    assert all(0 <= number < 1 << 31 for number in found[1:4])
