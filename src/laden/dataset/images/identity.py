"""Does an image's header say who a person is? Names of its fields are told, never what they hold.

In order: every field of a DICOM header that holds something is held against the table below, sequences included; all
private ones count as one; then what burned-in text and recognisable faces the header admits. Of PNG and JPEG, text and
Exif fields whose name is that of a person's field.

The table is from DICOM PS3.15, table E.1-1, "Application Level Confidentiality Profile Attributes", Basic Profile, as
it stood in September 2024: of the 619 attributes that it removes or replaces, those of names, births, identifiers of
people, visits and orders, addresses, institutions, and free text about the patient. Besides them counts whatever holds
the name of a person. Dates and times of studies, UIDs, devices, sex, age, size and weight, descriptions of studies and
series, clinical trials, and text in the pixels themselves are not looked for. A file that says of itself that it was
de-identified (0012,0062) may hold names and IDs that the profile replaces: they stand for others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import BaseTag

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
ATTRIBUTES = (*_NAMES, *_BIRTHS, *_IDS, *_PLACES, *_ABOUT)
"""Keywords (PS3.6) of what may say who a person is; besides them, whatever holds a person's name (VR `PN`)."""

_KNOWN = frozenset(ATTRIBUTES)
PRIVATE = "private attributes"
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
_DEEPEST = 16
"""Sequences within sequences; real ones have five."""

_PERSONS = re.compile(
    rb"author|artist|creator\b|patient|physician|doctor|operator|birth|surname|owner|institution|hospital",
    re.IGNORECASE,
)
"""In the keyword of a PNG's text, and in the words before a colon of a JPEG's comment."""
_EXIF = {0x013B: "Artist", 0x9C9D: "XPAuthor", 0xA430: "CameraOwnerName", 0x8825: "GPSInfo"}
"""Exif tags of persons and places (Exif 2.32, tables 4 and 8; XPAuthor is Windows')."""


def in_dicom(dataset: Dataset) -> tuple[str, ...]:
    """What of a header may say who a person is: keywords in order, each once, then the rest in words.

    Args:
        dataset: the header, as pydicom read it; values of what is not a sequence are not parsed.
    """
    found = set(_walked(dataset, 0))
    if _raw(dataset, "PatientIdentityRemoved") == b"YES":
        found -= _STAND_INS
    told = [name for name in ATTRIBUTES if name in found]
    told += sorted(found - _KNOWN - {PRIVATE})
    told += [words for keyword, words in _FACE.items() if _raw(dataset, keyword) == b"YES"]
    return (*told, PRIVATE) if PRIVATE in found else tuple(told)


def _walked(dataset: Dataset, depth: int) -> Iterator[str]:
    from pydicom.datadict import keyword_for_tag

    for tag in dataset.keys():  # noqa: SIM118 - to iterate a data set parses its values
        keyword = PRIVATE if tag.is_private else keyword_for_tag(tag)
        element = dataset.get_item(tag)
        value = element.value
        if not value:
            continue
        if _is_sequence(element) or not isinstance(value, bytes):
            if keyword in _KNOWN or keyword == PRIVATE or _is_a_name(element):
                yield keyword
            elif depth < _DEEPEST:
                yield from _nested(dataset, tag, depth)
        elif keyword == PRIVATE or ((keyword in _KNOWN or _is_a_name(element)) and not _EMPTY.fullmatch(value)):
            yield keyword


def _is_sequence(element: RawDataElement | DataElement) -> bool:
    """Whether it holds data sets."""
    return _representation(element) == "SQ"


def _is_a_name(element: RawDataElement | DataElement) -> bool:
    """Whether it holds a person's name."""
    return _representation(element) == "PN" and not element.tag.is_private


def _representation(element: RawDataElement | DataElement) -> str:
    """The value representation (PS3.5, 6.2); where the file does not say it, by the standard's dictionary."""
    from pydicom.datadict import dictionary_VR

    if element.VR not in (None, "UN") or element.tag.is_private:
        return str(element.VR)
    try:
        return dictionary_VR(element.tag)
    except KeyError:
        return ""


def _nested(dataset: Dataset, tag: BaseTag, depth: int) -> Iterator[str]:
    """What the items of a sequence hold; of one that cannot be read nothing is known."""
    try:
        items = dataset[tag].value if dataset[tag].VR == "SQ" else ()
    except Exception:  # noqa: BLE001 - pydicom raises anything at all over broken values
        return
    for item in items or ():
        yield from _walked(item, depth + 1)


def _raw(dataset: Dataset, keyword: str) -> bytes:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return b""
    value = dataset.get_item(tag).value
    text = value if isinstance(value, bytes) else str(value or "").encode()
    return text.strip(b" \0").upper()


def in_text(keyword: bytes) -> str | None:
    """The name of a text field, if it is a person's; what it holds is not looked at."""
    name = keyword.partition(b"\0")[0][:79]
    return name.decode("latin-1") if _PERSONS.search(name) and name.decode("latin-1").isprintable() else None


def in_comment(comment: bytes) -> str | None:
    """`comment`, if a free text holds a person's field, as in `Patient: ...`."""
    return "comment" if any(_PERSONS.search(part[-40:]) for part in re.split(rb"[:=]", comment)[:-1]) else None


def in_exif(data: bytes) -> tuple[str, ...]:
    """Names of Exif fields that hold a person or a place."""
    from PIL.Image import Exif

    exif = Exif()
    try:
        exif.load(data)
        return tuple(name for tag, name in _EXIF.items() if exif.get(tag))
    except Exception:  # noqa: BLE001 - as above
        return ()
