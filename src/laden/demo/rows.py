"""Invents records of the label table that PADCHEST's publisher ships beside the images.

Columns, their order and the oddities are the real table's: a first column without a name that counts the
rows, ids of 39 digits (too long for any integer type), three spellings of "missing" (`None`, `nan`, nothing),
labels with a leading blank, lists as Python and as NumPy print them, the latter with line breaks inside a
quoted field. Every value is invented.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable
from typing import NamedTuple

TABLE_NAME = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"

COLUMNS = tuple(
    """,ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,
    Projection,MethodProjection,Pediatric,Modality_DICOM,Manufacturer_DICOM,PhotometricInterpretation_DICOM,
    PixelRepresentation_DICOM,PixelAspectRatio_DICOM,SpatialResolution_DICOM,BitsStored_DICOM,WindowCenter_DICOM,
    WindowWidth_DICOM,Rows_DICOM,Columns_DICOM,XRayTubeCurrent_DICOM,Exposure_DICOM,ExposureInuAs_DICOM,
    ExposureTime,RelativeXRayExposure_DICOM,ReportID,Report,MethodLabel,Labels,Localizations,
    LabelsLocalizationsBySentence,labelCUIS,LocalizationsCUIS""".replace("\n    ", "").split(",")
)

_FINDINGS = (
    ("['normal']", "[]", "['normal']", "[]", "[]"),
    (
        "['cardiomegaly', ' pleural effusion']",
        "['loc cardiac', ' loc pleural']",
        "[['cardiomegaly', 'loc cardiac'], ['pleural effusion', 'loc pleural']]",
        "['C0000001' 'C0000002']",
        "['C1000001' 'C1000002']",
    ),
    (
        "['scoliosis', 'aortic elongation', ' kyphosis', 'costophrenic angle blunting']",
        "['loc right', ' loc basal', 'loc dorsal vertebrae', 'loc left', ' loc costophrenic angle']",
        "['scoliosis', 'loc dorsal vertebrae', 'aortic elongation', 'kyphosis']",
        "['C0000003' 'C0000004' 'C0000005' 'C0000006' 'C0000007' 'C0000008' 'C0000009'\n 'C0000010']",
        "['C1000003' 'C1000004' 'C1000005' 'C1000006' 'C1000007' 'C1000008' 'C1000009'\n 'C1000010']",
    ),
    ("['']", "['']", "['', nan]", "[]", "[]"),
    ("nan", "nan", "nan", "", ""),
)
_REPORTS = (
    " sin hallazg relev .",
    " cardiomegali . derram pleural izquierd .",
    "nan",
    " escoliosis dorsal .",
    " .",
)


class Picture(NamedTuple):
    """What a record says of its image."""

    image_id: str
    """The file's name, and the record's key."""
    image_dir: str
    """The archive's name without `.zip`."""
    height: int
    width: int


def image_id(rng: random.Random, number: int) -> str:
    """Invent the name of image `number`: the study's id, then one of the two shapes of ending, in turns."""
    study = _digits(rng, 39) if number % 9 else f"{_digits(rng, 6)}-{_digits(rng, 18)}"
    if number % 3 == 1:
        return f"{study}_{_digits(rng, 2)}-{_digits(rng, 3)}-{_digits(rng, 3)}.png"
    letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6))
    return f"{study}_{'-' + letters[1:] if number == 2 else letters}.png"


def encode(pictures: Iterable[Picture], seed: int) -> bytes:
    """Return the table: UTF-8, LF, quoted only where a field needs it, one record for each picture."""
    rng = random.Random(f"rows {seed}")  # noqa: S311 - invents, protects nothing
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_record(rng, index, picture) for index, picture in enumerate(pictures))
    return text.getvalue().encode()


def _digits(rng: random.Random, count: int) -> str:
    return rng.choice("123456789") + "".join(rng.choices("0123456789", k=count - 1))


def _record(rng: random.Random, index: int, picture: Picture) -> list[str]:
    study = picture.image_id.partition("_")[0]
    finding = index % len(_FINDINGS)
    date = f"{rng.randint(2008, 2016)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    birth = f"{rng.randint(1920, 2005)}.0" if index % 17 else ""
    patient = [date, study, _digits(rng, 39), birth, rng.choice("MF")]
    view = rng.choice((["POSTEROANTERIOR", "PA"], ["nan", "PA"], ["AP", "AP_horizontal"], ["nan", "AP"]))
    device = ["Manual review of DICOM fields", "No", "DX", "ExampleImaging", "MONOCHROME2", "0"]
    pixels = [rng.choice(("None", "[1, 1]")), rng.choice(("0.2000000029802", "None")), "12"]
    window = rng.choice((["2047.0", "4095.0"], ["2046", "4095"], ["5.115000e+02", "1.023000e+03"], ["None", "None"]))
    size = [str(picture.height), str(picture.width)]
    exposure = rng.choice((["None"] * 5, [str(rng.randint(100, 400)), "4", "4000", str(rng.randint(5, 20)), "1400.0"]))
    report = [str(rng.randint(10**6, 10**7)), _REPORTS[finding], "Physician"]
    return [
        *(str(index), picture.image_id, picture.image_dir),
        *(patient + view + device + pixels + window + size + exposure + report),
        *_FINDINGS[finding],
    ]
