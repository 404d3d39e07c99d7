"""The real PADCHEST table: counts against a second way to count, records against the original's bytes."""

import ast
import csv
import gzip
import hashlib
import io
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.dataset.profile import open_profile
from laden.dataset.selection import Part, Records, describe
from laden.dataset.table import Table
from laden.relations import Relations
from laden.verbs.select import select
from tests.support.harness import run

pytest_plugins = ("tests.support.padchest",)

Row = dict[str, str]
ROWS = 160_861


@pytest.fixture(scope="module")
def unpacked(padchest_table: Path) -> bytes:
    return gzip.decompress(padchest_table.read_bytes())


@pytest.fixture(scope="module")
def rows(unpacked: bytes) -> list[Row]:
    """Every record, by the csv module alone."""
    return list(csv.DictReader(io.StringIO(unpacked.decode(), newline="")))


@pytest.fixture(scope="module")
def records(unpacked: bytes) -> tuple[bytes, list[bytes]]:
    """Header and records, found by counting quotes: as slow and plain as can be."""
    found: list[bytes] = []
    for line in unpacked.splitlines(keepends=True):
        if found and found[-1].count(b'"') % 2:
            found[-1] += line
        else:
            found.append(line)
    return found[0], found[1:]


def labels(row: Row) -> set[str]:
    return set() if row["Labels"] == "nan" else {label.strip() for label in ast.literal_eval(row["Labels"])}


def of_age(row: Row) -> bool:
    """Whether a person was at least 18 in the year of the study; unknown is not."""
    if row["PatientBirth"] in ("", "None", "nan"):
        return False
    return int(row["StudyDate_DICOM"][:4]) - float(row["PatientBirth"]) >= 18


CONDITIONS: dict[str, tuple[int, Callable[[Row], bool]]] = {
    "ImageDir = 0": (3_004, lambda row: row["ImageDir"] == "0"),
    "ImageDir IN (0, 54) AND Projection = 'PA'": (
        4_419,
        lambda row: row["ImageDir"] in ("0", "54") and row["Projection"] == "PA",
    ),
    "list_contains(Labels, 'pneumonia')": (7_953, lambda row: "pneumonia" in labels(row)),
    "year(StudyDate_DICOM) - PatientBirth >= 18 AND MethodLabel = 'Physician'": (
        37_709,
        lambda row: of_age(row) and row["MethodLabel"] == "Physician",
    ),
    "list_contains(labelCUIS, 'C0742362')": (
        7_337,
        lambda row: "C0742362" in re.findall(r"C\d+", row["labelCUIS"]),
    ),
    "Report IS NULL": (139, lambda row: row["Report"].strip() in ("", "nan", "None")),
    "SpatialResolution_DICOM IS NULL OR PatientBirth IS NULL": (
        96_595,
        lambda row: row["SpatialResolution_DICOM"] == "None" or not row["PatientBirth"],
    ),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_selects_what_another_way_to_count_selects(
    condition: str, padchest_table: Path, records: tuple[bytes, list[bytes]], rows: list[Row], tmp_path: Path
) -> None:
    expected, wanted = CONDITIONS[condition]
    keep = [wanted(row) for row in rows]
    summary = select(padchest_table, where=condition, output=tmp_path / "small.csv")
    assert summary.rows == sum(keep)
    assert summary.rows == expected
    assert [(step.step, step.rows) for step in summary.selection] == [("table", ROWS), ("where", summary.rows)]
    assert (summary.exit_code, summary.findings) == (0, {}), "every value of the table is of its column's type"
    header, raw = records
    assert (tmp_path / "small.csv").read_bytes() == header + b"".join(
        record for record, kept in zip(raw, keep, strict=True) if kept
    )
    with (tmp_path / "small.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [row for row, kept in zip(rows, keep, strict=True) if kept]


def test_the_tutorials_recipe_and_ladens(padchest_table: Path, rows: list[Row], tmp_path: Path) -> None:
    """`df[df['ImageDir'].isin(['0'])]` has nothing: every ImageDir is a number, so a reader infers integers."""
    assert all(str(int(row["ImageDir"])) == row["ImageDir"] for row in rows)
    ran = run("select", padchest_table, "--where", "ImageDir IN ('0')", "-o", tmp_path / "small.csv", "--json")
    assert (ran.code, ran.summary["rows"]) == (0, 3_004)


def test_a_sample_of_patients_is_the_same_everywhere(padchest_table: Path, rows: list[Row], tmp_path: Path) -> None:
    """Held against the definition, by another hash library; all images of a patient or none."""
    patients = {row["PatientID"] for row in rows}
    drawn = sorted(patients, key=lambda patient: hashlib.sha256(f"7:{patient}".encode()).hexdigest())[:500]
    select(padchest_table, sample=500, by="PatientID", seed=7, output=tmp_path / "some.csv")
    with (tmp_path / "some.csv").open(newline="") as file:
        taken = list(csv.DictReader(file))
    assert taken == [row for row in rows if row["PatientID"] in set(drawn)]
    smaller = select(padchest_table, sample=100, by="PatientID", seed=7, output=tmp_path / "fewer.csv")
    with (tmp_path / "fewer.csv").open(newline="") as file:
        assert {row["PatientID"] for row in csv.DictReader(file)} == set(drawn[:100])
    assert [step.about for step in smaller.selection][1:] == ["100 PatientID, seed 7"]


def test_columns_are_what_another_way_to_count_says(padchest_table: Path, rows: list[Row]) -> None:
    names = ["ImageDir", "StudyDate_DICOM", "Projection", "Labels", "PatientBirth", "ViewPosition_DICOM", "labelCUIS"]
    with Relations() as relations:
        real = Records(
            relations, [Part(Table.open(padchest_table).hold(relations.folder), open_profile("padchest").table)]
        )
        assert len(real.columns) == 36
        facts = {column.name: column for column in describe(real, relations, names, most=3).columns}
    assert (facts["ImageDir"].kind, facts["ImageDir"].distinct) == ("integer", 52)
    assert (facts["ImageDir"].lowest, facts["ImageDir"].highest) == ("0", "54")
    assert (facts["StudyDate_DICOM"].lowest, facts["StudyDate_DICOM"].highest) == ("2007-05-03", "2017-11-17")
    assert [(value.text, value.rows) for value in facts["Projection"].commonest] == Counter(
        row["Projection"] for row in rows
    ).most_common(3)
    counted = Counter(label for row in rows for label in labels(row) if label)
    assert [(value.text, value.rows) for value in facts["Labels"].commonest] == counted.most_common(3)
    assert facts["Labels"].distinct == len(counted) == 193
    empty = {name: facts[name].empty for name in names[3:]}
    assert empty == {"Labels": 103, "PatientBirth": 6, "ViewPosition_DICOM": 69_085, "labelCUIS": 103}


def test_a_condition_takes_little_time(padchest_table: Path) -> None:
    start = time.process_time()
    select(padchest_table, where="list_contains(Labels, 'pneumonia') AND ImageDir = 0")
    assert time.process_time() - start < 8, "1.3 s where measured"
