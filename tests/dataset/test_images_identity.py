"""Names of fields that say who a person is are told, and nothing that they hold."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from laden.dataset.images import look
from laden.dataset.images.identity import ATTRIBUTES
from tests.dataset.test_images import fed, splits
from tests.dataset.test_images_other import RAW, dicom
from tests.support import png

SECRET = "Zebulon^Quux"


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


def test_a_sequence_within_a_sequence_for_ever_is_left_alone() -> None:
    def nested(dataset: Dataset) -> None:
        for _ in range(60):
            dataset.ReferencedStudySequence = [Dataset()]
            dataset = dataset.ReferencedStudySequence[0]
        dataset.PatientName = SECRET

    assert told(headed(nested)) == ()


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
    assert look("a.dcm", data, identity=True).identity == ("a header that cannot be read",)
    assert look("a.dcm", data).identity is None


def test_where_nobody_looks_for_persons_nobody_says_that_there_are_none() -> None:
    tiff = BytesIO()
    Image.linear_gradient("L").save(tiff, "TIFF")
    for name, data in (("a.tif", tiff.getvalue()), ("a.nii.gz", b"x"), ("notes.txt", b"x"), ("1.2.3", bytes(500))):
        assert look(name, data, identity=True).identity is None
    assert look("a.png", png.encode(png.chunks()), identity=True).identity == ()


@pytest.mark.parametrize("room", [300, 2000])
def test_the_head_of_a_jpeg_too_large_to_be_kept_is_gone_through(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.dataset.images.MOST_BYTES", 2000)
    monkeypatch.setattr("laden.dataset.images.jpeg.MOST_BYTES", 2000)
    monkeypatch.setattr("laden.dataset.images._HEAD_BYTES", room)
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
