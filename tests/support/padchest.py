"""The real PADCHEST table, and those of other datasets, for tests: fetched once, kept outside the repository, never
committed.

They lie in the wheel of the package torchxrayvision. A test module that wants them says
`pytest_plugins = ("tests.support.padchest",)`.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

PACKAGE = "torchxrayvision==1.5.7"
FOLDER = "torchxrayvision/data"
NAME = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
OTHERS = {
    "nih": "Data_Entry_2017_v2020.csv.gz",
    "chexpert": "chexpert_train.csv.gz",
    "siim": "siim-pneumothorax-train-rle.csv.gz",
    "rsna-pneumonia": "kaggle_stage_2_train_labels.csv.zip",
}
PACKED_BYTES = 17_366_030
CACHE = Path.home() / ".cache" / "laden-tests"
"""Asked before any test changes the home folder, so that the table is fetched once."""


@pytest.fixture(scope="session")
def padchest_table() -> Path:
    """Path of the table as published: CSV in gzip, 160,861 records."""
    table = CACHE / NAME
    if not table.is_file() or table.stat().st_size != PACKED_BYTES:
        _fetch(table)
    return table


@pytest.fixture(scope="session")
def other_tables() -> dict[str, Path]:
    """Real tables of other datasets, by the name of their profile, as the package ships them."""
    missing = [CACHE / name for name in OTHERS.values() if not (CACHE / name).is_file()]
    for table in missing:
        _fetch(table)
    return {profile: CACHE / name for profile, name in OTHERS.items()}


def _fetch(table: Path) -> None:
    """Put the table into the cache; the last step is one rename, so that racing processes do no harm."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":none:"]
        done = subprocess.run([*command, "-d", folder, PACKAGE], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"cannot download {PACKAGE} for {table.name}: {done.stderr.strip()}", pytrace=False)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(f"{FOLDER}/{table.name}", folder))
        unpacked.replace(table)
