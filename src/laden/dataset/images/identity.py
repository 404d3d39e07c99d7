"""Does an image's header say who a person is? Names of its fields are told, never what they hold.

In order: every element of a DICOM file that holds something is held against the table below, in sequences and behind
the pixels too (`elements`); all private ones count as one; then what burned-in text and recognisable faces the header
admits, and text in the preamble. What cannot be parsed to its end is a header that cannot be read. Of PNG, JPEG and
TIFF, text, Exif, XMP and IPTC fields whose name is a person's, or whose text names one, as in `Patient: ...`.

The table is from DICOM PS3.15, table E.1-1, "Application Level Confidentiality Profile Attributes", Basic Profile, as
it stood in September 2024: of the 619 attributes that it removes or replaces, those of names, births, identifiers of
people, visits and orders, addresses, institutions, and free text about the patient. Besides them counts whatever holds
the name of a person. Dates and times of studies, UIDs, devices, sex, age, size and weight, descriptions of studies and
series, clinical trials, and text in the pixels themselves are not looked for. A file that says of itself that it was
de-identified (0012,0062) may hold names and IDs that the profile replaces: they stand for others.
"""

from __future__ import annotations

import re
import zlib

from laden.dataset.images.elements import Element, Unreadable, Walk

_NAMES = (
    "PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "ResponsiblePerson",
    "ReferringPhysicianName", "PerformingPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy",
    "RequestingPhysician", "ScheduledPerformingPhysicianName", "ConsultingPhysicianName", "OperatorsName",
    "ContentCreatorName", "ReviewerName", "PersonName", "VerifyingObserverName", "HumanPerformerName",
    "NamesOfIntendedRecipientsOfResults", "InterpretationRecorder", "InterpretationTranscriber", "InterpretationAuthor",
    "PhysicianApprovingInterpretation", "DistributionName", "OrderEnteredBy", "ResultsDistributionListSequence",
    "VerifyingOrganization", "ROIInterpreter", "CurrentObserverTrial", "VerbalSourceTrial", "CameraOwnerName",
    "TopicAuthor", "ActualHumanPerformersSequence", "AuthorObserverSequence",
    "ConsultingPhysicianIdentificationSequence", "ContentCreatorIdentificationCodeSequence",
    "CustodialOrganizationSequence", "IntendedRecipientsOfResultsIdentificationSequence",
    "InterpretationApproverSequence", "OperatorIdentificationSequence", "ParticipantSequence",
    "PerformingPhysicianIdentificationSequence", "PersonIdentificationCodeSequence",
    "PhysiciansOfRecordIdentificationSequence", "PhysiciansReadingStudyIdentificationSequence",
    "ReferringPhysicianIdentificationSequence", "ROICreatorSequence", "ROIInterpreterSequence",
    "ScheduledHumanPerformersSequence", "ScheduledPerformingPhysicianIdentificationSequence",
    "VerbalSourceIdentifierCodeSequenceTrial", "VerifyingObserverIdentificationCodeSequence",
    "VerifyingObserverSequence", "ReferencedPatientPhotoSequence",
)  # fmt: skip
_ALTERNATIVE_CALENDARS = ("PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar")
"""Not in the table, though the birth date that they give again is."""
_BIRTHS = ("PatientBirthDate", "PatientBirthTime", *_ALTERNATIVE_CALENDARS)
_IDS = (
    "PatientID", "OtherPatientIDs", "OtherPatientIDsSequence", "IssuerOfPatientID", "MedicalRecordLocator",
    "AccessionNumber", "AdmissionID", "IssuerOfAdmissionID", "IssuerOfAdmissionIDSequence",
    "InsurancePlanIdentification", "ServiceEpisodeID", "IssuerOfServiceEpisodeID", "IssuerOfServiceEpisodeIDSequence",
    "PatientInsurancePlanCodeSequence", "ResponsibleOrganization", "FillerOrderNumberImagingServiceRequest",
    "PlacerOrderNumberImagingServiceRequest", "ReferencedPatientAliasSequence", "StudyID", "StudyIDIssuer",
    "RequestedProcedureID", "ScheduledProcedureStepID", "PerformedProcedureStepID", "SpecimenAccessionNumber",
    "SpecimenIdentifier", "InterpretationID", "InterpretationIDIssuer", "ResultsID", "ResultsIDIssuer", "BarcodeValue",
    "LabelText",
)  # fmt: skip
_PLACES = (
    "PatientAddress", "PatientTelephoneNumbers", "PatientTelecomInformation", "CountryOfResidence", "RegionOfResidence",
    "ReferringPhysicianAddress", "ReferringPhysicianTelephoneNumbers", "PersonAddress", "PersonTelephoneNumbers",
    "PersonTelecomInformation", "AddressTrial", "TelephoneNumberTrial", "DistributionAddress",
    "OrderCallbackPhoneNumber", "OrderCallbackTelecomInformation", "OrderEntererLocation", "InstitutionName",
    "InstitutionAddress", "InstitutionCodeSequence", "InstitutionalDepartmentName", "HumanPerformerOrganization",
    "RequestingService", "CurrentPatientLocation", "PatientInstitutionResidence",
    "ScheduledPatientInstitutionResidence", "PerformedLocation", "RequestedProcedureLocation",
    "ScheduledProcedureStepLocation", "ScheduledStudyLocation", "StationName", "PerformedStationName",
    "PerformedStationNameCodeSequence", "PerformedStationGeographicLocationCodeSequence", "ScheduledStationName",
    "ScheduledStationNameCodeSequence", "ScheduledStationGeographicLocationCodeSequence", "GPSLatitude", "GPSLongitude",
    "GPSDestLatitude", "GPSDestLongitude", "GPSAreaInformation",
)  # fmt: skip
_ABOUT = (
    "PatientComments", "AdditionalPatientHistory", "Occupation", "EthnicGroup", "EthnicGroupCodeSequence",
    "PatientPrimaryLanguageCodeSequence", "PatientReligiousPreference", "MilitaryRank", "BranchOfService",
    "PatientState", "SpecialNeeds", "MedicalAlerts", "Allergies", "AdmittingDiagnosesDescription",
    "DischargeDiagnosisDescription", "ConfidentialityConstraintOnPatientDataDescription",
    "PatientTransportArrangements", "PreMedication", "ReasonForStudy", "ReasonForVisit",
    "ReasonForTheImagingServiceRequest", "ReasonForTheRequestedProcedure", "ServiceEpisodeDescription",
    "IdentifyingComments", "AcquisitionComments", "FrameComments", "ImageComments", "ImagePresentationComments",
    "ImagingServiceRequestComments", "RequestedProcedureComments", "CommentsOnThePerformedProcedureStep",
    "StudyComments", "VisitComments", "ResultsComments", "TextComments", "Impressions", "InterpretationText",
    "InterpretationDiagnosisDescription",
)  # fmt: skip
_WRITTEN = ("TextValue", "UnformattedTextValue", "EncapsulatedDocument")
"""What a person wrote: a report's sentences, notes drawn on an image, a document of another kind."""
ATTRIBUTES = (*_NAMES, *_BIRTHS, *_IDS, *_PLACES, *_ABOUT, *_WRITTEN)
"""Keywords (PS3.6) of what may say who a person is; besides them, whatever holds a person's name (VR `PN`)."""

_REPEATED = frozenset({"OverlayComments"})
"""Of as many tags as there may be overlays."""
_KNOWN = frozenset(ATTRIBUTES)
PRIVATE = "private attributes"
PREAMBLE = "text in the preamble"
UNREAD = "a header that cannot be read"
"""Told instead of fields: nobody knows whom it names."""
_FACE = {"BurnedInAnnotation": "burned-in annotation", "RecognizableVisualFeatures": "recognisable face"}
"""Attributes that say YES where the pixels themselves identify somebody (PS3.3, C.7.6.1.1.4 and C.7.6.3)."""
_STAND_INS = frozenset({"PatientName", "PatientID", "StudyID"})
"""What every image must have (PS3.3, C.7.1.1 and C.7.2.1), so that a de-identified file holds replacements."""
_EMPTY = re.compile(
    rb"[\s\0^*_.,:;-]*(?:(?:anon(?:ymous|ymized|ymised)?|de-?identified|removed|none|unknown|empty)[\s\0^*_.,:;-]*)*",
    re.IGNORECASE,
)
"""Values that name nobody, as tools for de-identification leave them."""
_PREAMBLE_BYTES = 128
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WORD = re.compile(rb"[A-Za-z]{4}|[0-9]{6}")

_PERSONS = re.compile(
    rb"author|artist|creator\b|patient|physician|doctor|operator|birth|surname|owner|institution|hospital|\bmrn\b",
    re.IGNORECASE,
)
"""In the keyword of a PNG's text, in names within XMP, and in the words before a colon of a free text."""
_XML_NAME = re.compile(rb"[<\s](?:[\w.-]+:)?([\w.-]+)\s*[=>/]")
_IPTC = re.compile(rb"\x1c\x02[\x50\x55\x5a\x5c\x76\x78\x7a]")
_TEXT_BYTES = 64 << 10
_FREE = {0x010E: "ImageDescription", 0x9286: "UserComment", 0x9C9B: "XPTitle", 0x9C9C: "XPComment"}
_XMP_TAG, _IPTC_TAG, _EXIF_IFD = 0x02BC, 0x83BB, 0x8769
_EXIF = {0x013B: "Artist", 0x9C9D: "XPAuthor", 0xA430: "CameraOwnerName", 0x8825: "GPSInfo"}
"""Exif tags of persons and places (Exif 2.32, tables 4 and 8; XPAuthor is Windows')."""
TAGS = frozenset({*_EXIF, *_FREE, _XMP_TAG, _IPTC_TAG})
"""Which `in_tag` knows."""


def in_dicom(head: memoryview, walk: Walk) -> tuple[str, ...]:
    """What of a file may say who a person is: keywords in order, each once, then the rest in words.

    Args:
        head: the file, or its beginning.
        walk: through its data set.
    """
    found: set[str] = set()
    claims: set[bool] = set()
    told = []
    try:
        for element in walk.elements():
            _take(element, found, claims)
    except Unreadable:
        told.append(UNREAD)
    if claims == {True}:
        found -= _STAND_INS
    names = [name for name in ATTRIBUTES if name in found]
    names += sorted(found - _KNOWN - {PRIVATE, *_FACE.values()})
    names += [words for words in _FACE.values() if words in found]
    names += [PREAMBLE] if _is_text(bytes(head[:_PREAMBLE_BYTES])) else []
    return (*names, *([PRIVATE] if PRIVATE in found else []), *told)


def _take(element: Element, found: set[str], claims: set[bool]) -> None:
    """Note what one element says of a person, or of itself."""
    from pydicom.datadict import keyword_for_tag

    if not len(element.value):
        return
    keyword = PRIVATE if element.tag >> 16 & 1 else keyword_for_tag(element.tag)
    if keyword == PRIVATE:
        found.add(PRIVATE)
    elif keyword in _KNOWN or keyword in _REPEATED or element.representation == "PN":
        if element.representation == "SQ" or not _EMPTY.fullmatch(element.value):
            found.add(keyword or "a person's name")
    elif keyword in _FACE and _text(element) == b"YES":
        found.add(_FACE[keyword])
    elif keyword == "PatientIdentityRemoved" and element.depth == 0:
        claims.add(_text(element) == b"YES")


def _text(element: Element) -> bytes:
    return bytes(element.value[:64]).strip(b" \0").upper()


def _is_text(preamble: bytes) -> bool:
    """Whether somebody wrote there; the head of a TIFF may stand there too (PS3.10, section 7.1)."""
    return not preamble.startswith(_TIFF) and _WORD.search(preamble) is not None


def in_text(chunk: bytes, kind: bytes) -> str | None:
    """The name of a text field of a PNG, if it is a person's, or `text` where what it says names a person's field."""
    name, _, rest = chunk.partition(b"\0")
    if _PERSONS.search(name[:79]):
        shown = name[:79].decode("latin-1")
        return shown if shown.isprintable() else "text"
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        rest = _inflated(rest) if packed else rest
    elif kind == b"zTXt":
        rest = _inflated(rest[1:])
    if name == b"XML:com.adobe.xmp":
        return in_xmp(rest)
    return "text" if in_comment(rest) else None


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _TEXT_BYTES)
    except zlib.error:
        return b""


def in_comment(comment: bytes) -> str | None:
    """`comment`, if a free text holds a person's field, as in `Patient: ...`."""
    return "comment" if any(_PERSONS.search(part[-40:]) for part in re.split(rb"[:=]", comment)[:-1]) else None


def in_xmp(packet: bytes) -> str | None:
    """`XMP`, if an element or attribute of such a packet (ISO 16684-1) is called as a person's field."""
    return "XMP" if any(_PERSONS.search(name) for name in _XML_NAME.findall(packet)) else None


def in_iptc(records: bytes) -> str | None:
    """`IPTC`, if such records (IIM 4.2, record 2) have a by-line, a caption, a contact, a writer or a place."""
    return "IPTC" if _IPTC.search(records) else None


def in_tag(tag: int, value: bytes) -> str | None:
    """The name of a TIFF or Exif field that holds a person or place, or whose text or packet names one."""
    if not value.strip(b"\0 "):
        return None
    if tag in _FREE:
        return _FREE[tag] if in_comment(value.replace(b"\0", b"")) else None
    if tag == _XMP_TAG:
        return in_xmp(value)
    return in_iptc(value) if tag == _IPTC_TAG else _EXIF.get(tag)


def in_exif(data: bytes) -> tuple[str, ...]:
    """Names of Exif fields that hold a person or a place, or whose text names a person's field."""
    from PIL.Image import Exif

    exif = Exif()
    try:
        exif.load(data)
        fields = {**exif, **exif.get_ifd(_EXIF_IFD)}
        told = [in_tag(tag, _as_bytes(value)) for tag, value in fields.items() if tag in TAGS]
        return tuple(filter(None, told))
    except Exception:  # noqa: BLE001 - Pillow raises anything at all over broken fields
        return ()


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode("utf-8", "replace")
