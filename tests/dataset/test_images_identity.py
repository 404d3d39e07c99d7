"""Names of fields that say who a person is are told, and nothing that they hold."""

import gzip
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from laden.dataset.images import look
from laden.dataset.images.identity import ATTRIBUTES
from tests.dataset.test_images import fed, splits
from tests.dataset.test_images_other import RAW, dicom, jpeg
from tests.support import png

SECRET = "Zebulon^Quux"
UNREAD_ONLY = ("a header that cannot be read",)


def headed(change: Any = None, syntax: Any = ExplicitVRLittleEndian, **fields: Any) -> bytes:
    """A good DICOM image without a name, with those fields."""
    dataset = dcmread(BytesIO(dicom(RAW, syntax)))
    del dataset.PatientName
    for keyword, value in fields.items():
        setattr(dataset, keyword, value)
    if change is not None:
        change(dataset)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def told(data: bytes, name: str = "a.dcm") -> tuple[str, ...]:
    found = look(name, data, identity=True)
    assert SECRET not in repr(found)
    assert found.state == "whole"
    return found.identity


def test_every_attribute_of_the_table_is_one_of_the_standard() -> None:
    assert [name for name in ATTRIBUTES if tag_for_keyword(name) is None] == []
    assert len(ATTRIBUTES) == len(set(ATTRIBUTES))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_names_births_ids_places_are_told_by_their_keywords(syntax: Any) -> None:
    fields = {
        "PatientName": SECRET, "PatientBirthDate": "19700101", "PatientID": "4711", "InstitutionName": SECRET,
        "ReferringPhysicianName": SECRET, "PatientAddress": SECRET, "PatientTelephoneNumbers": "555",
    }  # fmt: skip
    data = headed(None, syntax, **fields)
    assert set(told(data)) == set(fields)
    assert fed("a.dcm", splits(data, [9, 500]), "structure").identity is None, "nobody asked"


VALUES: dict[str, Any] = {
    "DA": "19700101", "TM": "120000", "DS": "1.5", "IS": "1", "CS": "YES", "OB": b"ab", "AE": "AE", "US": 1,
}  # fmt: skip


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_each_attribute_of_the_table_is_found(syntax: Any) -> None:
    for keyword in ATTRIBUTES:
        kind = dictionary_VR(keyword)
        item = Dataset()
        item.CodeValue = "1"
        value = [item] if kind == "SQ" else VALUES.get(kind, SECRET[:9])
        assert told(headed(None, syntax, **{keyword: value})) == (keyword,)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("keyword", ["EvaluatorName", "SecondaryReviewerName"])
def test_whatever_else_holds_the_name_of_a_person_is_found(keyword: str, syntax: Any) -> None:
    assert keyword not in ATTRIBUTES
    assert told(headed(None, syntax, **{keyword: SECRET})) == (keyword,)
    assert told(headed(None, syntax, **{keyword: "ANONYMOUS"})) == ()


def test_a_header_without_persons_says_nothing() -> None:
    assert told(headed()) == ()
    assert told(headed(Modality="DX", StudyDate="20200101", Manufacturer="Imaging")) == ()


@pytest.mark.parametrize("value", ["", " ", "^", "ANONYMOUS", "anonymized^", "DE-IDENTIFIED", "None", "Removed^Anon"])
def test_what_names_nobody_is_not_told(value: str) -> None:
    assert told(headed(PatientName=value)) == ()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_sequences_are_gone_through(syntax: Any) -> None:
    def nested(dataset: Dataset) -> None:
        dataset.ReferencedStudySequence = [Dataset(), Dataset()]
        dataset.ReferencedStudySequence[1].RequestAttributesSequence = [Dataset()]
        dataset.ReferencedStudySequence[1].RequestAttributesSequence[0].RequestingPhysician = SECRET
        dataset.OtherPatientIDsSequence = [Dataset()]

    assert told(headed(nested, syntax)) == ("RequestingPhysician", "OtherPatientIDsSequence")


def test_a_sequence_within_a_sequence_for_ever_is_a_header_that_cannot_be_read() -> None:
    def nested(dataset: Dataset) -> None:
        for _ in range(60):
            dataset.ReferencedStudySequence = [Dataset()]
            dataset = dataset.ReferencedStudySequence[0]
        dataset.PatientName = SECRET

    assert told(headed(nested)) == UNREAD_ONLY


def test_private_attributes_are_told_together() -> None:
    def private(dataset: Dataset) -> None:
        block = dataset.private_block(0x0011, SECRET, create=True)
        block.add_new(1, "LO", SECRET)
        block.add_new(2, "PN", SECRET)

    assert told(headed(private)) == ("private attributes",)


def test_burned_in_names_and_faces_are_told_where_the_header_admits_them() -> None:
    assert told(headed(BurnedInAnnotation="YES", RecognizableVisualFeatures="YES")) == (
        "burned-in annotation", "recognisable face",
    )  # fmt: skip
    assert told(headed(BurnedInAnnotation="NO")) == ()


def test_a_file_that_was_de_identified_may_hold_stand_ins() -> None:
    fields = {"PatientIdentityRemoved": "YES", "PatientName": "case 12", "PatientID": "12"}
    assert told(headed(**fields)) == ()
    assert told(headed(**fields, InstitutionName=SECRET)) == ("InstitutionName",)


@pytest.mark.parametrize(
    "rest", [b"\xff" * 60, b"\x10\x00\x10\x00PN\xff\xff", b"\x10\x00\x10\x00SQ\0\0\xff\xff\xff\xff"]
)
def test_a_header_that_breaks_off_is_a_state_and_no_crash(rest: bytes) -> None:
    data = headed(PatientName=SECRET)
    found = look("a.dcm", data[:200] + rest, identity=True)
    assert found.state != "whole"
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(5000),
        headed(PatientName=SECRET)[132:],
        headed(None, DeflatedExplicitVRLittleEndian, PatientName=SECRET)[:-900],
    ],
    ids=["empty", "zeros", "without preamble", "deflated and cut"],
)
def test_a_header_that_cannot_be_read_is_told_as_such(data: bytes) -> None:
    assert look("a.dcm", data, identity=True).identity == UNREAD_ONLY
    assert look("a.dcm", data).identity is None


def test_where_nobody_looks_for_persons_nobody_says_that_there_are_none() -> None:
    for name, data in (("a.nii.gz", b"x"), ("notes.txt", b"x"), ("1.2.3", bytes(500))):
        assert look(name, data, identity=True).identity is None
    assert look("a.png", png.encode(png.chunks()), identity=True).identity == ()


@pytest.mark.parametrize("room", [300, 2000])
def test_the_head_of_a_jpeg_too_large_to_be_kept_is_gone_through(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.dataset.images.content.MOST_BYTES", 2000)
    monkeypatch.setattr("laden.dataset.images.jpeg.MOST_BYTES", 2000)
    monkeypatch.setattr("laden.dataset.images.content.HEAD_BYTES", room)
    for options, expected in (({"comment": b"Patient: " + SECRET.encode()}, ("comment",)), ({}, ())):
        file = BytesIO()
        Image.effect_noise((200, 200), 50).save(file, "JPEG", **options)
        assert len(file.getvalue()) > 2000
        found = look("a.jpg", file.getvalue(), identity=True)
        assert found.state == "image-too-large"
        unread = ("a header that cannot be read",) if room == 300 else ()
        assert found.identity == expected + unread, "its tables end later"
        assert (found.width, found.height) == ((200, 200) if room == 2000 else (found.width, found.height))


def text(kind: bytes, data: bytes) -> bytes:
    parts = png.chunks()
    return png.encode([*parts[:-1], png.Chunk(kind, data), parts[-1]])


EXIF = Image.Exif()
EXIF[0x013B] = SECRET


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (text(b"tEXt", b"Author\0" + SECRET.encode()), ("Author",)),
        (text(b"iTXt", b"Patient name\0\0\0\0\0" + SECRET.encode()), ("Patient name",)),
        (text(b"zTXt", b"Institution\0\0" + SECRET.encode()), ("Institution",)),
        (text(b"eXIf", EXIF.tobytes().removeprefix(b"Exif\0\0")), ("Artist",)),
        (text(b"tEXt", b"Software\0" + SECRET.encode()), ()),
        (text(b"eXIf", b"no exif at all"), ()),
    ],
)
def test_text_of_a_png_is_told_by_its_keyword(data: bytes, expected: tuple[str, ...]) -> None:
    assert told(data, "a.png") == expected
    for size in (1, 50):
        check = [data[at : at + size] for at in range(0, len(data), size)]
        assert fed_for_identity("a.png", check) == expected


def fed_for_identity(name: str, parts: list[bytes]) -> tuple[str, ...]:
    from laden.dataset.images import checker

    check = checker(name, "structure", sum(map(len, parts)), identity=True)
    assert check is not None
    for part in parts:
        check.feed(part)
    return check.finish().identity


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exif": EXIF.tobytes()}, ("Artist",)),
        ({"comment": b"Patient: " + SECRET.encode()}, ("comment",)),
        ({"comment": b"CREATOR: gd-jpeg v1.0"}, ("comment",)),
        ({"comment": b"made of noise"}, ()),
        ({}, ()),
    ],
)
def test_text_of_a_jpeg_is_told_by_its_field(options: dict[str, Any], expected: tuple[str, ...]) -> None:
    file = BytesIO()
    Image.linear_gradient("L").save(file, "JPEG", **options)
    assert told(file.getvalue(), "a.jpg") == expected


def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    """Of explicit representation and little endian."""
    head = struct.pack("<HH2s", group, number, kind)
    long = kind in (b"SQ", b"UN", b"OB")
    return head + (struct.pack("<HI", 0, len(value)) if long else struct.pack("<H", len(value))) + value


def inserted(data: bytes, more: bytes) -> bytes:
    """Before the rows: `(0028,0010)`."""
    at = data.index(b"\x28\x00\x10\x00US")
    return data[:at] + more + data[at:]


NAME = element(0x0010, 0x0010, b"PN", SECRET.encode())


@pytest.mark.parametrize("ending", ["ima", "img", "dic", "ct", "png", "jpg", "tif", "nii", "txt", "dcm ", "IM1"])
def test_what_is_dicom_by_its_bytes_is_looked_at_whatever_it_is_called(ending: str) -> None:
    data = headed(PatientName=SECRET)
    for name in (f"a.{ending}", f"b/{ending}"):
        assert look(name, data, identity=True).identity == ("PatientName",)
        assert fed_for_identity(name, [data[at : at + 50] for at in range(0, len(data), 50)]) == ("PatientName",)
        assert look(name, headed(), identity=True).identity == ()
    assert look("a.ima", data).kind == "dicom", "its structure too, where nobody asks for persons"


@pytest.mark.parametrize("name", ["a.dcm.gz", "a.gz", "a.nii.gz"])
def test_what_gzip_data_hold_is_looked_at(name: str) -> None:
    packed = gzip.compress(headed(PatientName=SECRET))
    assert look(name, packed, identity=True).identity == ("PatientName",)
    assert fed_for_identity(name, [packed[at : at + 50] for at in range(0, len(packed), 50)]) == ("PatientName",)
    assert look(name, gzip.compress(headed()), identity=True).identity == ()
    assert look(name, packed).identity is None


@pytest.mark.parametrize("name", ["a.dcm", "a.ima", "a"])
def test_a_data_set_without_a_preamble_cannot_be_read(name: str) -> None:
    assert look(name, headed()[132:], identity=True).identity == UNREAD_ONLY


@pytest.mark.parametrize(
    "more",
    [
        element(0x0008, 0x1140, b"SQ", b"GARBAGE PATIENT DOE SECRET 19400101 "),
        element(0x0008, 0x1140, b"SQ", b"\xfe\xff\x00\xe0" + struct.pack("<I", 500) + NAME),
        element(0x0008, 0x1140, b"SQ", b"\xfe\xff\x00\xe0\x10\0\0\0" + NAME[:8] + b"\xff\xff" * 4),
        b"\x08\x00\x40\x11LO\xff\xff" + NAME,
        b"\x08\x00\x40\x11\0\0\xff\xff" + NAME,
    ],
    ids=["no item", "item too long", "element too long", "value too long", "no representation"],
)
def test_what_cannot_be_parsed_is_a_header_that_cannot_be_read(more: bytes) -> None:
    found = look("a.dcm", inserted(headed(), more), identity=True).identity
    assert found is not None
    assert found[-1:] == UNREAD_ONLY


def test_behind_the_pixels_is_looked_too() -> None:
    for data in (headed(), dicom_compressed()):
        assert look("a.dcm", data + NAME, identity=True).identity == ("PatientName",)
        assert look("a.dcm", data + bytes(600), identity=True).identity == ()
        assert look("a.dcm", data + b"some words of somebody", identity=True).identity == UNREAD_ONLY
        assert look("a.dcm", data[:-9], identity=True).identity == (), "what is cut short are pixels"


def test_of_a_large_file_what_lies_behind_the_head_is_not_called_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.dataset.images.content.MOST_BYTES", 2000)
    monkeypatch.setattr("laden.dataset.images.content.HEAD_BYTES", 1500)
    assert look("a.ima", headed(), identity=True).identity == (), "its pixels end where it ends"
    assert look("a.ima", headed() + NAME, identity=True).identity == UNREAD_ONLY


def test_of_a_tag_that_comes_twice_each_counts() -> None:
    empty = element(0x0010, 0x0010, b"PN", b"")
    for more in (NAME + empty, empty + NAME, NAME + NAME):
        assert look("a.dcm", inserted(headed(), more), identity=True).identity == ("PatientName",)
    removed, kept = (element(0x0012, 0x0062, b"CS", value) for value in (b"YES ", b"NO"))
    assert look("a.dcm", inserted(headed(), NAME + removed), identity=True).identity == ()
    assert look("a.dcm", inserted(headed(), NAME + removed + kept), identity=True).identity == ("PatientName",)


def test_notes_of_overlays_and_texts_of_reports_are_told() -> None:
    def noted(dataset: Dataset) -> None:
        dataset.add_new(0x60024000, "LT", SECRET)
        dataset.ContentSequence = [Dataset()]
        dataset.ContentSequence[0].TextValue = SECRET

    assert told(headed(noted)) == ("TextValue", "OverlayComments")


def test_text_in_the_preamble_is_told() -> None:
    for preamble, expected in ((b"DOE SECRET", ("text in the preamble",)), (b"II*\0Zebulon", ()), (b"\1\2\3", ())):
        assert told(preamble.ljust(128, b"\0") + headed()[128:]) == expected


def dicom_compressed() -> bytes:
    dataset = dcmread(BytesIO(dicom(encapsulate([jpeg()]), JPEGBaseline8Bit, BitsAllocated=8, BitsStored=8, HighBit=7)))
    del dataset.PatientName
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


XMP = b"<x:xmpmeta><dc:creator>" + SECRET.encode() + b"</dc:creator></x:xmpmeta>"
TOOL = b'<x:xmpmeta><r:D xmp:CreatorTool="x" dc:format="image/png"/></x:xmpmeta>'


@pytest.mark.parametrize(
    ("kind", "text_of_it", "expected"),
    [
        (b"tEXt", b"Comment\0Patient: " + SECRET.encode(), ("text",)),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"patient name=" + SECRET.encode()), ("text",)),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"patient name=" + SECRET.encode()), ("text",)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP, ("XMP",)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + TOOL, ()),
        (b"zTXt", b"Comment\0\0no zlib", ()),
    ],
)
def test_what_a_text_of_a_png_says_is_looked_at(kind: bytes, text_of_it: bytes, expected: tuple[str, ...]) -> None:
    assert told(text(kind, text_of_it), "a.png") == expected


IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0b\x1c\x02\x50\0\x06DOE JO\0"


def test_xmp_iptc_and_free_exif_fields_of_a_jpeg_are_told() -> None:
    exif = Image.Exif()
    exif[0x010E] = f"Patient: {SECRET}"
    exif.get_ifd(0x8769)[0xA430] = SECRET
    for options, expected in (
        ({"xmp": XMP}, ("XMP",)),
        ({"xmp": TOOL}, ()),
        ({"exif": exif}, ("ImageDescription", "CameraOwnerName")),
    ):
        file = BytesIO()
        Image.linear_gradient("L").save(file, "JPEG", **options)
        assert told(file.getvalue(), "a.jpg") == expected
    plain = jpeg()
    with_iptc = plain[:2] + b"\xff\xed" + struct.pack(">H", len(IPTC) + 2) + IPTC + plain[2:]
    assert told(with_iptc, "a.jpg") == ("IPTC",)


def test_fields_of_a_tiff_are_told() -> None:
    for fields, expected in (
        ({}, ()),
        ({270: "made of noise", 305: SECRET}, ()),
        ({270: f"Patient: {SECRET}", 315: SECRET}, ("ImageDescription", "Artist")),
        ({700: XMP}, ("XMP",)),
        ({33723: IPTC}, ("IPTC",)),
    ):
        file = BytesIO()
        Image.linear_gradient("L").save(file, "TIFF", tiffinfo=fields)
        assert told(file.getvalue(), "a.tif") == expected
    assert look("a.tif", file.getvalue()[:40], identity=True).identity == UNREAD_ONLY
