"""Small sets of other datasets, each laid out as its publisher ships it, with what a load of it should leave.

Names, folders, headers and oddities follow the documented layouts; images are tiny and made here. A set is whole, or
has one row whose image is missing and one image that no row names.
"""

import csv
import hashlib
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.support.dataset import tiny_png


@dataclass
class Published:
    """What was laid out, and what should become of it."""

    source: Path
    profile: str
    rows: int = 0
    """Of all tables, the one without image counted once for each time it is named."""
    missing_rows: int = 0
    missing: str = ""
    """What the table calls the image that is not there; empty in a whole set."""
    stray: str = ""
    """Member or path of the image that no row names."""
    images: dict[str, bytes] = field(default_factory=dict)
    """Blob name to content."""
    tables: dict[str, bytes] = field(default_factory=dict)
    """As they land where every row has its image."""
    subsets: dict[str, str] = field(default_factory=dict)
    """Table to the name of the part that lands where not every row has."""
    sidecars: dict[str, bytes] = field(default_factory=dict)


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def dicom(seed: int) -> bytes:
    """A DICOM file of 16 x 16 pixels (PS3.10, explicit little endian)."""
    noise = np.random.Generator(np.random.PCG64(seed)).integers(0, 4096, (16, 16), dtype=np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{seed}"
    image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.Modality, image.PhotometricInterpretation = "DX", "MONOCHROME2"
    image.Rows = image.Columns = 16
    image.SamplesPerPixel, image.BitsAllocated, image.BitsStored, image.HighBit = 1, 16, 12, 11
    image.PixelRepresentation = 0
    image.PixelData = noise.tobytes()
    file = io.BytesIO()
    image.save_as(file, enforce_file_format=True)
    return file.getvalue()


def sheet(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def pack(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(members.items()):
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED)


def hex_id(number: int) -> str:
    return hashlib.md5(str(number).encode()).hexdigest()


NIH_HEADER = (
    "Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position",
    "OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]",
)  # fmt: skip


def _nih(folder: Path, *, whole: bool) -> tuple[Published, dict[str, bytes]]:
    names = [f"{patient:08}_{visit:03}.png" for patient in range(1, 13) for visit in range(2)]
    images = {name: tiny_png(number) for number, name in enumerate(names)}
    listed = names if whole else [*names[1:], "00009999_000.png"]
    rows = [(name, "Cardiomegaly|Emphysema", 0, 1, 57, "M", "PA", 2682, 2749, 0.143, 0.143) for name in listed]
    table = sheet(NIH_HEADER, rows)
    made = Published(
        folder, "nih", len(rows), 0 if whole else 1, "" if whole else listed[-1], "" if whole else names[0]
    )
    made.images = {f"images/{name}": images[name] for name in listed if name in images}
    made.tables = {"Data_Entry_2017_v2020.csv": table}
    made.subsets = {"Data_Entry_2017_v2020.csv": "NIH_SMALL.csv"}
    made.sidecars = {"BBox_List_2017.csv": b"Image Index,Finding Label,Bbox [x,y,w,h],,,\n", "test_list.txt": b"a\n"}
    return made, images


def nih(folder: Path, *, whole: bool) -> Published:
    """Twelve tar.gz, and the tables beside them."""
    made, images = _nih(folder, whole=whole)
    names = sorted(images)
    folder.mkdir(parents=True)
    for number in range(12):
        with tarfile.open(folder / f"images_{number + 1:03}.tar.gz", "w:gz") as archive:
            for name in names[number * 2 : number * 2 + 2]:
                info = tarfile.TarInfo(f"images/{name}")
                info.size = len(images[name])
                archive.addfile(info, io.BytesIO(images[name]))
    for name, content in {**made.tables, **made.sidecars}.items():
        put(folder / name, content)
    made.stray = made.stray and f"images/{made.stray}"
    return made


def nih_kaggle(folder: Path, *, whole: bool) -> Published:
    """One data.zip, with twelve folders and the tables inside."""
    made, images = _nih(folder, whole=whole)
    made.tables = {"Data_Entry_2017.csv": made.tables["Data_Entry_2017_v2020.csv"]}
    made.subsets = {"Data_Entry_2017.csv": "NIH_SMALL.csv"}
    members = {f"images_{number // 2 + 1:03}/images/{name}": images[name] for number, name in enumerate(sorted(images))}
    pack(folder / "data.zip", {**made.tables, **made.sidecars, **members})
    made.stray = made.stray and f"images_001/images/{made.stray}"
    return made


CHEXPERT_LABELS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip


def chexpert(folder: Path, *, whole: bool) -> Published:
    """Four zips, in each a folder of the zip's name; the tables, and valid/, in the first."""
    batches = [
        f"CheXpert-v1.0 batch {batch}" for batch in ("1 (validate & csv)", "2 (train 1)", "3 (train 2)", "4 (train 3)")
    ]
    train = {f"patient{patient:05}/study1/view{view}_frontal.jpg" for patient in (1, 21514, 43018) for view in (1, 2)}
    valid = {f"patient{patient:05}/study1/view1_frontal.jpg" for patient in (64541, 64542)}
    images = {name: jpeg(number) for number, name in enumerate(sorted(train | valid))}
    stray, missing = (
        "patient00001/study1/view2_frontal.jpg",
        "CheXpert-v1.0/valid/patient64543/study1/view1_frontal.jpg",
    )
    paths = {
        "train": [f"CheXpert-v1.0/train/{name}" for name in sorted(train) if whole or name != stray],
        "valid": [f"CheXpert-v1.0/valid/{name}" for name in sorted(valid)] + ([] if whole else [missing]),
    }
    header = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_LABELS)
    made = Published(folder, "chexpert", sum(map(len, paths.values())))
    for split, listed in paths.items():
        rows = [(path, "Female", 68, "Frontal", "AP", "1.0", *[""] * 12, "-1.0") for path in listed]
        made.tables[f"{split}.csv"] = sheet(header, rows)
        made.subsets[f"{split}.csv"] = f"{split}_small.csv"
        made.images |= {path: images[name] for path in listed if (name := path.split("/", 2)[2]) in images}
    for number, batch in enumerate(batches):
        if number == 0:
            inside = {**made.tables, **{f"valid/{name}": images[name] for name in sorted(valid)}}
        else:
            own = sorted(train)[number * 2 - 2 : number * 2]
            inside = {name: images[name] for name in own}
        pack(folder / f"{batch}.zip", {f"{batch}/{name}": content for name, content in inside.items()})
    if not whole:
        made.missing_rows, made.missing, made.stray = 1, missing, f"{batches[1]}/{stray}"
    return made


VINDR_LABELS = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "Pleural effusion",
    "Pneumonia", "Pneumothorax", "Pulmonary fibrosis", "Tuberculosis", "Other diseases", "No finding",
)  # fmt: skip


def vindr(folder: Path, *, whole: bool) -> Published:
    """A tree of DICOM files; three rows for each image of the training set."""
    train, test = [hex_id(number) for number in range(4)], [hex_id(number) for number in range(4, 6)]
    images = {name: dicom(number) for number, name in enumerate(train + test)}
    listed = train if whole else [*train[1:], hex_id(99)]
    zeros = [0] * (len(VINDR_LABELS) - 1)
    made = Published(folder, "vindr-cxr", 3 * len(listed) + len(test))
    rows = [(name, f"R{radiologist}", *zeros, 1) for radiologist in (8, 9, 10) for name in listed]
    made.tables = {
        "image_labels_train.csv": sheet(("image_id", "rad_ID", *VINDR_LABELS), rows),
        "image_labels_test.csv": sheet(("image_id", *VINDR_LABELS), [(name, *zeros, 1) for name in test]),
    }
    made.subsets = {name: name.replace(".csv", "_small.csv") for name in made.tables}
    made.sidecars = {"annotations_train.csv": b"image_id,rad_id\n", "LICENSE.txt": b"Credentialed\n"}
    for name, content in made.tables.items():
        put(folder / "annotations" / name, content)
    put(folder / "annotations" / "annotations_train.csv", made.sidecars["annotations_train.csv"])
    put(folder / "LICENSE.txt", made.sidecars["LICENSE.txt"])
    for split, names in (("train", train), ("test", test)):
        for name in names:
            put(folder / split / f"{name}.dicom", images[name])
            if name in listed or split == "test":
                made.images[f"{split}/{name}.dicom"] = images[name]
    if not whole:
        made.missing_rows, made.missing, made.stray = 3, listed[-1], f"train/{train[0]}.dicom"
    return made


def rsna(folder: Path, *, whole: bool) -> Published:
    """One zip; a row is a box, and test images are named by the sample submission alone."""
    train, test = [hex_id(number) for number in range(4)], [hex_id(number) for number in range(4, 6)]
    images = {name: dicom(number) for number, name in enumerate(train + test)}
    listed = train if whole else [*train[1:], hex_id(99)]
    boxes = [*((name, "", "", "", "", 0) for name in listed), (listed[-1], 264.0, 152.0, 213.0, 379.0, 1)]
    made = Published(folder, "rsna-pneumonia", len(boxes) + len(test))
    made.tables = {
        "stage_2_train_labels.csv": sheet(("patientId", "x", "y", "width", "height", "Target"), boxes),
        "stage_2_sample_submission.csv": sheet(
            ("patientId", "PredictionString"), [(name, "0.5 0 0 100 100") for name in test]
        ),
    }
    made.subsets = {name: name.replace(".csv", "_small.csv") for name in made.tables}
    made.sidecars = {"stage_2_detailed_class_info.csv": sheet(("patientId", "class"), [(listed[0], "Normal")])}
    members = {f"stage_2_train_images/{name}.dcm": images[name] for name in train}
    members |= {f"stage_2_test_images/{name}.dcm": images[name] for name in test}
    pack(folder / "rsna-pneumonia-detection-challenge.zip", {**members, **made.tables, **made.sidecars})
    made.images = {path: content for path, content in members.items() if whole or train[0] not in path}
    if not whole:
        made.missing_rows, made.missing, made.stray = 2, listed[-1], f"stage_2_train_images/{train[0]}.dcm"
    return made


def siim(folder: Path, *, whole: bool) -> Published:
    """A tree of UIDs; ids with dots, a header with a blank, two masks for one image."""
    names = [f"1.2.276.0.7230010.3.1.4.8323329.{6904 + number}.1517875201.850819" for number in range(4)]
    paths = {name: f"dicom-images-train/{name}.1/{name}.2/{name}.dcm" for name in names}
    listed = names if whole else [*names[1:], "1.2.276.0.7230010.3.1.4.8323329.1.1517875201.1"]
    rows = [*((name, "-1") for name in listed), (names[1], "557374 2 1015 8")]
    made = Published(folder, "siim", len(rows))
    made.tables = {"train-rle.csv": sheet(("ImageId", " EncodedPixels"), rows)}
    made.subsets = {"train-rle.csv": "train-rle-small.csv"}
    for number, name in enumerate(names):
        put(folder / paths[name], dicom(number))
        if name in listed:
            made.images[f"dicom-images-train/{name}.dcm"] = dicom(number)
    put(folder / "train-rle.csv", made.tables["train-rle.csv"])
    if not whole:
        made.missing_rows, made.missing, made.stray = 1, listed[-1], paths[names[0]]
    return made


def padchest_gr(folder: Path, *, whole: bool) -> Published:
    """One zip cut into parts at any byte, a zipped table with a row for each finding, the reports as JSON."""
    rng = random.Random(5)
    names = [f"{rng.randrange(10**38)}_{number:06}.png" for number in range(5)]
    images = {name: tiny_png(number) for number, name in enumerate(names)}
    listed = names if whole else [*names[1:], "1_missing.png"]
    rows = [(name.split("_")[0], name, label, "train", "['a', 'b']") for name in listed for label in ("nodule", "mass")]
    made = Published(folder, "padchest-gr", len(rows))
    made.tables = {"master_table.csv": sheet(("StudyID", "ImageID", "label_group", "split", "locations"), rows)}
    made.subsets = {"master_table.csv": "master_table_small.csv"}
    made.sidecars = {"grounded_reports_20240819.json": json.dumps([{"ImageID": name} for name in names]).encode()}
    pack(folder / "master_table.csv.zip", made.tables)
    put(folder / "grounded_reports_20240819.json", made.sidecars["grounded_reports_20240819.json"])
    whole_zip = folder / "all.zip"
    pack(whole_zip, {f"PadChest_GR/{name}": content for name, content in images.items()})
    content = whole_zip.read_bytes()
    whole_zip.unlink()
    part_bytes = len(content) // 3 + 1
    for number in range(3):
        put(
            folder / "Padchest_GR_files" / f"PadChest_GR.zip.{number + 1:03}",
            content[number * part_bytes :][:part_bytes],
        )
    made.images = {f"PadChest_GR/{name}": images[name] for name in listed if name in images}
    if not whole:
        made.missing_rows, made.missing, made.stray = 2, listed[-1], f"PadChest_GR/{names[0]}"
    return made


def brax(folder: Path, *, whole: bool) -> Published:
    """A tree of PNGs whose file names repeat, and the same images as DICOM, which the profile leaves out."""
    inner = [f"id_{number}/Study_{number}.1/Series_{number}.1/image-1-1" for number in range(4)]
    listed = inner if whole else [*inner[1:], "id_9/Study_9.1/Series_9.1/image-1-1"]
    header = ("DicomPath", "PngPath", "PatientID", "PatientSex", "No Finding", "ViewPosition")
    rows = [(f"Anonymized_DICOMs/{one}.dcm", f"images/{one}.png", "p", "F", "1.0", "PA") for one in listed]
    made = Published(folder, "brax", len(rows))
    made.tables = {"master_spreadsheet_update.csv": sheet(header, rows)}
    made.subsets = {"master_spreadsheet_update.csv": "BRAX_SMALL.csv"}
    made.sidecars = {"LICENSE.txt": b"Credentialed\n", "SHA256SUMS.txt": b"0 images\n"}
    for name, content in {**made.tables, **made.sidecars}.items():
        put(folder / name, content)
    for number, one in enumerate(inner):
        put(folder / "Anonymized_DICOMs" / f"{one}.dcm", dicom(number))
        put(folder / "images" / f"{one}.png", tiny_png(number))
        if one in listed:
            made.images[f"images/{one}.png"] = tiny_png(number)
    if not whole:
        made.missing_rows, made.missing, made.stray = 1, f"images/{listed[-1]}.png", f"images/{inner[0]}.png"
    return made


PUBLISHED: dict[str, Callable[..., Published]] = {
    "nih": nih,
    "nih-kaggle": nih_kaggle,
    "chexpert": chexpert,
    "vindr-cxr": vindr,
    "rsna-pneumonia": rsna,
    "siim": siim,
    "padchest-gr": padchest_gr,
    "brax": brax,
}
