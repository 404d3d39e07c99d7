"""Decodes 16-bit PNGs with whatever decoders are installed, and beside them `laden check --images pixels`.

    python -m bench.pixels [FOLDER] [--runs 5] [--python OTHER]

FOLDER holds the PNGs as files; without it the benchmark's own images are taken, and beside them images as smooth as
radiographs. Decoders do nothing but decode files that are in the page cache, on all cores, by threads and by
processes, whichever is faster; laden is the whole command: start, listing, reading, CRC-32 of chunks, MD5, decoding,
end. They take turns; medians count. OTHER is an interpreter that has more decoders than this one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

DECODERS = ("pillow", "opencv", "imagecodecs", "pyspng")
_SMOOTH_IMAGES = 100
_SMOOTH_SIZE = (2500, 2000)


def _decoder(name: str) -> Callable[[bytes], object]:
    """The fastest call of a library that gives all pixels of a PNG; raises ImportError."""
    if name == "pillow":
        import io

        from PIL import Image

        return lambda data: Image.open(io.BytesIO(data)).load()
    if name == "opencv":
        import cv2
        import numpy as np

        cv2.setNumThreads(1)
        return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if name == "imagecodecs":
        import imagecodecs

        return imagecodecs.png_decode  # type: ignore[no-any-return]
    import pyspng

    return pyspng.load  # type: ignore[no-any-return]


def decode_all(name: str, paths: list[str]) -> int:
    """Decode files one after the other; returns how many."""
    decode = _decoder(name)
    for path in paths:
        decode(Path(path).read_bytes())
    return len(paths)


def decode(name: str, how: str, folder: Path) -> None:
    """Print the seconds that a decoder takes for all files of a folder, on all cores, its import left out."""
    cores = os.cpu_count() or 1
    paths = sorted(str(path) for path in folder.iterdir())
    pool: Executor = ThreadPoolExecutor(cores) if how == "threads" else ProcessPoolExecutor(cores)
    parts = [paths[first :: 4 * cores] for first in range(4 * cores)]
    with pool:
        # Every worker starts and imports before the clock does.
        list(pool.map(decode_all, [name] * cores, [paths[:2]] * cores))
        started_s = time.perf_counter()
        if sum(pool.map(decode_all, [name] * len(parts), parts)) != len(paths):
            raise RuntimeError("not every file was decoded")
        print(time.perf_counter() - started_s)


def _decoder_s(python: str, name: str, how: str, folder: Path) -> float | None:
    ran = subprocess.run(
        [python, __file__, "decode", name, how, str(folder)], capture_output=True, text=True, check=False
    )
    if "ModuleNotFoundError" in ran.stderr:
        return None
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return float(ran.stdout)


def _laden_s(folder: Path) -> float:
    with tempfile.TemporaryDirectory() as empty:
        command = [
            sys.executable,
            "-c",
            "from laden.cli import main; main()",
            "check",
            str(folder),
            "--images",
            "pixels",
            "--json",
        ]
        started_s = time.perf_counter()
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=empty)
        seconds = time.perf_counter() - started_s
    summary = json.loads(ran.stdout.splitlines()[-1])
    if ran.returncode or summary["examined"] != len(list(folder.iterdir())):
        raise RuntimeError(f"{summary}{ran.stderr}")
    return seconds


def compare(folder: Path, python: str, runs: int) -> dict[str, float]:
    """Median seconds of laden and of each decoder there is, which take turns."""
    taken: dict[str, list[float]] = {}
    for _ in range(runs):
        taken.setdefault("laden", []).append(_laden_s(folder))
        for name in DECODERS:
            for how in ("threads", "processes"):
                if (seconds := _decoder_s(python, name, how, folder)) is not None:
                    taken.setdefault(f"{name}, {how}", []).append(seconds)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _smooth(work: Path) -> Path:
    """Images with the noise and the gradients of a radiograph, compressed by libpng with all its filters."""
    import numpy as np
    from PIL import Image

    folder = work / f"smooth-{_SMOOTH_IMAGES}"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    rows, columns = _SMOOTH_SIZE
    y, x = np.mgrid[0:rows, 0:columns]
    for number in range(_SMOOTH_IMAGES):
        path = folder / f"{number}.png"
        if not path.exists():
            body = 2000 + 1500 * np.sin(x / (300 + number)) * np.cos(y / 400) + rng.normal(0, 4, (rows, columns))
            Image.fromarray(body.astype(np.uint16)).save(path)
    return folder


def _show(folder: Path, medians: dict[str, float]) -> None:
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    fastest = min(seconds for name, seconds in medians.items() if name != "laden")
    print(f"{folder}: {len(list(folder.iterdir()))} files, {size_bytes / 1e6:,.0f} MB, {os.cpu_count()} cores")
    for name, seconds in sorted(medians.items(), key=lambda item: item[1]):
        print(f"  {name:24} {seconds:7.2f} s  {size_bytes / seconds / 1e6:7,.0f} MB/s  {fastest / seconds:5.2f}")


def main() -> None:
    """Compare, and print a table: seconds, speed, and speed over that of the fastest decoder."""
    parser = argparse.ArgumentParser(description="`laden check --images pixels` beside decoders alone.")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    if given.folder is not None:
        folders = [given.folder.resolve()]
    else:
        from bench import workloads

        work = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "laden-bench"
        folders = [workloads.images(work).plain, _smooth(work)]
    for folder in folders:
        _show(folder, compare(folder, given.python, given.runs))


if __name__ == "__main__":
    if sys.argv[1:2] == ["decode"]:
        decode(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
