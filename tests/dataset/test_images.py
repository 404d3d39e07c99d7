"""Is a PNG whole? Each way of being broken has its own state, however the bytes arrive."""

import itertools
import re
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.dataset.images import BROKEN, STATES, Level, checker, facts_from_text, facts_to_text, look
from laden.dataset.images.png import PngCheck
from laden.dataset.images.states import Buffer
from laden.values.records import NOT_LOOKED_INTO, ImageFacts
from tests.support.png import KINDS, SIGNATURE, Chunk, chunks, encode, ends, header

TEXT = Chunk(b"tEXt", b"Comment\0none")


def fed(name: str, buffers: Iterable[Buffer], level: Level = "structure") -> ImageFacts:
    """What a check says that gets a file in parts."""
    parts = list(buffers)
    check = checker(name, level, sum(map(len, parts)))
    assert check is not None
    for part in parts:
        check.feed(part)
    return check.finish()


def state(data: bytes, name: str = "a.png") -> str:
    return look(name, data).state


@pytest.mark.parametrize(("colour", "bits"), KINDS)
def test_every_legal_kind_of_png_is_whole(colour: int, bits: int) -> None:
    assert look("a.png", encode(chunks(7, 4, bits, colour))) == ImageFacts("png", 7, 4, bits, "whole")


def test_interlaced_and_ancillary_chunks_are_whole() -> None:
    parts = chunks()
    interlaced = [
        header(5, 3, 16, 0, 0, 0, 1),
        Chunk(b"gAMA", b"\0\0\xb1\x8f"),
        *parts[1:-1],
        TEXT,
        parts[-1],
    ]
    assert state(encode(interlaced)) == "whole"


def test_bytes_after_the_end_are_harmless() -> None:
    assert state(encode(chunks()) + b"\0\0rest of a block") == "whole"


HEAD, FIRST, SECOND, END = chunks()
WHOLE_BYTES = encode([HEAD, FIRST, SECOND, END])
PALETTE = chunks(bits=8, colour=3)
BAD_HEADERS = [
    header(width=0),
    header(height=0),
    header(width=1 << 31),
    header(height=1 << 31),
    header(width=(1 << 32) - 1, height=(1 << 32) - 1),
    header(bits=3),
    header(bits=16, colour=3),
    header(bits=8, colour=1),
    header(5, 3, 16, 0, 1),
    header(5, 3, 16, 0, 0, 1),
    header(5, 3, 16, 0, 0, 0, 2),
    Chunk(b"IHDR", HEAD.data + b"\0"),
    Chunk(b"IHDR", HEAD.data[:12]),
]


def flipped(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 0x01
    return bytes(changed)


LONG = encode(chunks(60, 60))


def holed(data: bytes, count: int) -> bytes:
    """The file with so many bytes in its first chunk of pixels, and after it, lost."""
    return data[:100] + bytes(count) + data[100 + count :]


DEFECTS = {
    "empty": (b"", "png-truncated"),
    "text": (b"<html>Please log in</html>", "png-signature"),
    "zeros": (bytes(100), "png-signature"),
    "line ends converted": (WHOLE_BYTES.replace(b"\r\n", b"\n", 1), "png-signature"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(50), "png-is-jpeg"),
    "only half a signature": (SIGNATURE[:5], "png-truncated"),
    "only a signature": (SIGNATURE, "png-no-iend"),
    "cut in the head of IHDR": (WHOLE_BYTES[:13], "png-truncated"),
    "cut in IHDR": (WHOLE_BYTES[:20], "png-truncated"),
    "cut after IHDR": (WHOLE_BYTES[:33], "png-no-iend"),
    "cut in the head of a chunk": (WHOLE_BYTES[:39], "png-truncated"),
    "cut in the data of a chunk": (WHOLE_BYTES[: ends(chunks())[2] - 7], "png-truncated"),
    "cut in the CRC of a chunk": (WHOLE_BYTES[: ends(chunks())[2] - 1], "png-truncated"),
    "cut between chunks": (WHOLE_BYTES[: ends(chunks())[2]], "png-no-iend"),
    "cut in IEND": (WHOLE_BYTES[:-1], "png-truncated"),
    "without IEND": (encode([HEAD, FIRST, SECOND]), "png-no-iend"),
    "without pixels": (encode([HEAD, TEXT, END]), "png-no-idat"),
    "without IHDR": (encode([FIRST, SECOND, END]), "png-order"),
    "two IHDR": (encode([HEAD, HEAD, FIRST, SECOND, END]), "png-order"),
    "a chunk between the pixels": (encode([HEAD, FIRST, TEXT, SECOND, END]), "png-order"),
    "palette missing": (encode([part for part in PALETTE if part.kind != b"PLTE"]), "png-order"),
    "palette late": (encode([HEAD, FIRST, SECOND, PALETTE[1], END]), "png-order"),
    "palette without entries": (encode([PALETTE[0], Chunk(b"PLTE"), *PALETTE[2:]]), "png-palette"),
    "palette with half an entry": (encode([PALETTE[0], Chunk(b"PLTE", bytes(7)), *PALETTE[2:]]), "png-palette"),
    "palette of too many": (encode([PALETTE[0], Chunk(b"PLTE", bytes(3 * 257)), *PALETTE[2:]]), "png-palette"),
    "two palettes": (encode([*PALETTE[:2], *PALETTE[1:]]), "png-order"),
    "IHDR flipped": (flipped(WHOLE_BYTES, 18), "png-chunk-crc"),
    "data flipped": (flipped(WHOLE_BYTES, 45), "png-chunk-crc"),
    "CRC flipped": (flipped(WHOLE_BYTES, ends(chunks())[2] - 1), "png-chunk-crc"),
    "IEND's CRC flipped": (flipped(WHOLE_BYTES, -1), "png-chunk-crc"),
    "a hole of zeros": (WHOLE_BYTES[:33] + bytes(len(WHOLE_BYTES) - 33), "png-chunk-type"),
    "zeros in the data of a chunk": (holed(LONG, 1000), "png-hole"),
    "zeros from there on": (holed(LONG, len(LONG) - 200), "png-hole"),
    "type with a digit": (encode([HEAD, Chunk(b"ID4T", b"x"), FIRST, SECOND, END]), "png-chunk-type"),
    "first type zero": (SIGNATURE + bytes(40), "png-chunk-type"),
    "length beyond the end": (WHOLE_BYTES[:33] + b"\x7f" + WHOLE_BYTES[34:], "png-truncated"),
    **{f"header {n}": (encode([bad, FIRST, SECOND, END]), "png-header") for n, bad in enumerate(BAD_HEADERS)},
}


@pytest.mark.parametrize(("data", "expected"), DEFECTS.values(), ids=DEFECTS)
def test_each_defect_has_its_state(data: bytes, expected: str) -> None:
    assert state(data) == expected


@pytest.mark.parametrize("data", [case[0] for case in DEFECTS.values()] + [WHOLE_BYTES], ids=[*DEFECTS, "whole"])
def test_single_bytes_tell_the_same(data: bytes) -> None:
    assert fed("a.png", (data[n : n + 1] for n in range(len(data)))) == look("a.png", data)


def test_every_state_of_a_structure_can_happen() -> None:
    of_pixels = {"png-zlib", "png-filter", "png-pixels-short", "png-pixels-long"}
    assert {expected for _, expected in DEFECTS.values()} == {code for code in BROKEN if "png-" in code[:4]} - of_pixels


def test_size_is_known_once_the_header_was_read() -> None:
    assert look("a.png", WHOLE_BYTES[:40])[:4] == ("png", 5, 3, 16)
    assert look("a.png", WHOLE_BYTES[:30])[:4] == ("png", 0, 0, 0)


def splits(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


FILES = st.sampled_from([case[0] for case in DEFECTS.values()] + [encode(chunks(colour=c, bits=b)) for c, b in KINDS])
CUTS = st.lists(st.integers(0, 1 << 16), max_size=12)


@given(FILES, CUTS, st.sampled_from([bytes, bytearray, memoryview]))
def test_any_split_tells_the_same(data: bytes, cuts: list[int], kind: type[bytes]) -> None:
    assert fed("a.png", map(kind, splits(data, cuts))) == look("a.png", data)


@given(st.sampled_from(KINDS), st.data())
def test_no_mutation_stays_whole(kind: tuple[int, int], data: st.DataObject) -> None:
    original = encode(chunks(bits=kind[1], colour=kind[0]))
    start = data.draw(st.integers(0, len(original) - 1))
    new = data.draw(st.binary(min_size=1, max_size=9))
    mutated = original[:start] + new + original[start + len(new) :]
    if data.draw(st.booleans()):
        mutated = mutated[: data.draw(st.integers(0, len(original) - 1))]
    found = fed("a.png", splits(mutated, data.draw(CUTS)))
    assert (found.state == "whole") == mutated.startswith(original)
    assert found.state in {"whole", *STATES}


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_image(data: bytes) -> None:
    assert state(data) != "whole"
    assert state(SIGNATURE + data) != "whole"


@pytest.mark.parametrize("name", ["a.png", "x/A.PNG", "b.Png"])
def test_png_is_told_by_its_name_in_any_case(name: str) -> None:
    assert isinstance(checker(name, "structure", 1), PngCheck)
    assert checker(name, "none", 1) is None


@pytest.mark.parametrize("name", ["a.csv", "a.png.txt", "x.y/notes.txt"])
def test_other_files_are_no_images(name: str) -> None:
    for data in (b"", b"anything", b"anything" * 40):
        for identity in (False, True):
            assert look(name, data, "pixels", identity=identity) == NOT_LOOKED_INTO


def test_a_large_image_costs_little_more_than_its_checksums() -> None:
    """At least 1 GB/s: ten times slower than measured, yet any byte-wise loop in Python would fail."""
    body = Chunk(b"IDAT", bytes(65536))
    data = encode([HEAD, *[body] * 128, END])
    best_s = min(_duration_s(data) for _ in range(5))
    assert len(data) / best_s > 1e9


def _duration_s(data: bytes) -> float:
    start = time.perf_counter()
    assert state(data) == "whole"
    return time.perf_counter() - start


@given(
    st.sampled_from(["png", "jpeg", "dicom", "tiff", "nifti", "gzip"]),
    *[st.integers(0, (1 << 31) - 1)] * 2,
    st.integers(0, 255),
    st.sampled_from(["whole", *STATES]),
)
def test_facts_survive_as_text(kind: str, width: int, height: int, bits: int, state: str) -> None:
    facts = ImageFacts(kind, width, height, bits, state)
    text = facts_to_text(facts)
    assert re.fullmatch("[!-~]+", text), "blob metadata is ASCII"
    assert facts_from_text(text) == facts


def test_facts_as_text() -> None:
    assert facts_to_text(ImageFacts("png", 2140, 2500, 16, "whole")) == "png;2140;2500;16;whole"
    assert facts_from_text(facts_to_text(NOT_LOOKED_INTO)) == NOT_LOOKED_INTO
    assert facts_from_text(";0;0;0;whole") == NOT_LOOKED_INTO, "which earlier versions wrote"


@pytest.mark.parametrize(
    "text",
    [
        "", "png", "png;1;2;16", "png;1;2;16;whole;", " png;1;2;16;whole", "png;1;2;16;whole\n",
        "gif;1;2;16;whole", "png;-1;2;16;whole", "png;01;2;16;whole", "png;1_0;2;16;whole",
        "png;\u0661;2;16;whole", "png;1;2;16;odd", "png;99999999999;2;16;whole", "png;2147483648;2;16;whole",
    ],
)  # fmt: skip
def test_other_text_is_no_facts(text: str) -> None:
    assert facts_from_text(text) is None


LENGTHS = {
    b"cHRM": ({32}, {0, 31, 33}), b"gAMA": ({4}, {0, 3, 8}), b"sRGB": ({1}, {0, 2}), b"pHYs": ({9}, {0, 8, 10}),
    b"tIME": ({7}, {0, 6, 8}), b"cICP": ({4}, {3, 5}), b"bKGD": ({1, 2, 6}, {0, 3, 7}), b"sBIT": ({1, 2, 3, 4}, {0, 5}),
    b"iCCP": ({3, 400}, {0, 2}), b"tEXt": ({2, 400}, {0, 1}), b"zTXt": ({3, 400}, {0, 2}), b"iTXt": ({6, 400}, {0, 5}),
    b"eXIf": ({8, 400}, {0, 7}), b"sPLT": ({3, 400}, {0, 2}), b"tRNS": ({1, 2, 6}, {0}), b"hIST": ({2, 8}, {0, 1}),
    b"prIv": ({0, 1, 400}, set()),
}  # fmt: skip
"""Ancillary chunks with lengths that they may have and may not (PNG, Third Edition, section 11.3)."""


@pytest.mark.parametrize("kind", LENGTHS)
@pytest.mark.parametrize("level", ["structure", "pixels"])
def test_a_chunk_that_decoders_can_do_without_may_be_of_the_wrong_length(kind: bytes, level: Level) -> None:
    good, bad = LENGTHS[kind]
    for length in good | bad:
        data = encode([HEAD, Chunk(kind, bytes(length)), FIRST, SECOND, END])
        expected = ("png-chunk-length", f"{kind.decode()} of {length:,} bytes") if length in bad else ("whole", "")
        for parts in ([data], [data[at : at + 7] for at in range(0, len(data), 7)]):
            found = fed("a.png", parts, level)
            assert (found.state, found.detail) == expected
            assert (found.width, found.height, found.bits) == (5, 3, 16)


def test_of_a_broken_image_such_a_chunk_is_not_what_is_told() -> None:
    assert state(encode([HEAD, Chunk(b"gAMA", b"1"), FIRST, END])[:-30]) == "png-truncated"
    assert state(encode([HEAD, Chunk(b"gAMA", b"1"), END])) == "png-no-idat"
