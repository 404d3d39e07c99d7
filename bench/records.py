"""How the cost of a table grows with its records: `laden check` of synthetic tables of two sizes, one archive present.

`python -m bench.records [RECORDS ...]`, by default 2,500,000 and 10,000,000 (2 GB in a temporary folder), prints a JSON
object for each: wall and CPU seconds, and the peak memory of the process. Linear is what takes as many CPU seconds for
each record in the large one as in the small one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from bench.measure import run
from laden.dataset.profile import open_profile

_SIZES = (2_500_000, 10_000_000)
_RECORD_BYTES = 200
_DIGITS = 9
_BATCH = 100_000
_HOMES = 50
_FOUND_CODE = 3
"""Archives are absent, and so a person is needed."""


def write_table(path: Path, records: int) -> None:
    """Write a table of PADCHEST's columns; all records are of one length, and each names another image."""
    shape = open_profile("padchest").table
    assert shape is not None
    names = list(shape.columns)
    words = {"Projection": "PA", "Labels": "['normal']", "PhotometricInterpretation_DICOM": "MONOCHROME2"}
    cells = [words.get(name, "") for name in names]
    cells[names.index("ImageID")] = "2168400000000000000000000000000" + "0" * _DIGITS + "_000.png"
    cells[names.index("ImageDir")] = "00"
    cells[names.index("Report")] = "x" * (_RECORD_BYTES - len(",".join(cells)) - 1)
    record = np.frombuffer((",".join(cells) + "\n").encode(), np.uint8)
    number_at = sum(len(cell) + 1 for cell in cells[: names.index("ImageID")]) + 31
    home_at = sum(len(cell) + 1 for cell in cells[: names.index("ImageDir")])
    with path.open("wb") as file:
        file.write((",".join(names) + "\n").encode())
        for first in range(0, records, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, records))
            block = np.tile(record, (len(numbers), 1))
            _write_numbers(block[:, number_at : number_at + _DIGITS], numbers)
            _write_numbers(block[:, home_at : home_at + 2], numbers % _HOMES)
            file.write(block.tobytes())


def _write_numbers(field: np.typing.NDArray[np.uint8], numbers: np.typing.NDArray[np.int64]) -> None:
    width = field.shape[1]
    for place in range(width):
        field[:, place] = ord("0") + numbers // 10 ** (width - 1 - place) % 10


def measure(records: int) -> dict[str, float]:
    """What a check of such a table costs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        source, scratch = Path(made) / "source", Path(made) / "scratch"
        source.mkdir()
        scratch.mkdir()
        write_table(source / "PADCHEST_chest_x_ray_images_labels_160K_made.csv", records)
        with zipfile.ZipFile(source / "0.zip", "w") as archive:
            archive.writestr("2168400000000000000000000000000000000000_000.png", b"an image")
        laden = str(Path(sys.executable).with_name("laden"))
        cost = run([laden, "check", str(source), "--json"], scratch, {})
    if cost.exit_code != _FOUND_CODE:
        raise SystemExit(f"check ended with {cost.exit_code}: {cost.stderr[-400:]}")
    return {
        "records": records,
        "wall_s": round(cost.wall_s, 1),
        "cpu_s": round(cost.cpu_s, 1),
        "memory_mb": cost.memory_bytes >> 20,
    }


if __name__ == "__main__":
    for size in map(int, sys.argv[1:] or _SIZES):
        print(json.dumps(measure(size)), flush=True)
