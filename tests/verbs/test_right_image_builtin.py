"""Built-in profiles whose tables have their images in folders of their own: ids that recur."""

from pathlib import Path

import pytest

from laden.verbs.check import check
from laden.verbs.load import load
from tests.support.published import VINDR_LABELS, dicom, jpeg, put, sheet

SPLITS = {
    "vindr-cxr": ("train/x.dicom", "test/x.dicom"),
    "rsna-pneumonia": ("stage_2_train_images/x.dcm", "stage_2_test_images/x.dcm"),
    "chexpert": (
        "CheXpert-v1.0/train/patient1/study1/view1.jpg",
        "CheXpert-v1.0/valid/patient1/study1/view1.jpg",
    ),
}


def tables(source: Path, name: str) -> None:
    """Two tables with one row each, of one id."""
    if name == "vindr-cxr":
        row = ("x", *[0] * len(VINDR_LABELS))
        for split in ("train", "test"):
            put(source / f"annotations/image_labels_{split}.csv", sheet(("image_id", *VINDR_LABELS), [row]))
    elif name == "rsna-pneumonia":
        columns = ("patientId", "x", "y", "width", "height", "Target")
        put(source / "stage_2_train_labels.csv", sheet(columns, [("x", "", "", "", "", 0)]))
        put(source / "stage_2_sample_submission.csv", sheet(("patientId", "PredictionString"), [("x", "")]))
    else:
        for split, path in zip(("train", "valid"), SPLITS[name], strict=True):
            columns = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding")
            put(source / f"{split}.csv", sheet(columns, [(path, "Male", 1, "Frontal", "AP", 1)]))


def picture(name: str, number: int) -> bytes:
    return jpeg(number) if name == "chexpert" else dicom(number)


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("here", [(0, 1), (0,), (1,)], ids=["both", "the first", "the second"])
def test_an_id_in_two_tables_is_two_images(tmp_path: Path, name: str, here: tuple[int, ...]) -> None:
    tables(tmp_path / "source", name)
    for number in here:
        put(tmp_path / "source" / SPLITS[name][number], picture(name, number))
    there = tmp_path / "there"
    summary = load(tmp_path / "source", str(there), profile=name)
    landed = {path: (there / path).read_bytes() for path in SPLITS[name] if (there / path).exists()}
    assert landed == {SPLITS[name][number]: picture(name, number) for number in here}
    lost = 2 - len(here)
    assert (summary.rows, summary.missing, summary.exit_code) == (2, lost, 3 if lost else 0)
    assert summary.findings == ({"image-missing": 1} if lost else {})


@pytest.mark.parametrize("name", SPLITS)
def test_of_one_image_that_says_no_folder_neither_table_takes_it(tmp_path: Path, name: str) -> None:
    tables(tmp_path / "source", name)
    path = SPLITS[name][0].replace("train", "flat")
    put(tmp_path / "source" / path, picture(name, 0))
    summary = check(tmp_path / "source", profile=name)
    assert (summary.matched, summary.missing, summary.findings) == (0, 2, {"image-ambiguous": 1})
