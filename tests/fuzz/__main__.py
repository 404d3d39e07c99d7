"""Runs a fuzzer in a process of its own, with a clock for each case and a measure of memory; prints one line of JSON.

    python -m tests.fuzz zips|tars|gzips|parts|tables|pngs|pixels|others SEED FIRST END
    python -m tests.fuzz table PATH

A case that takes longer than `_HANG_S` ends the process with the place where it hung. The second form reads one table
that is too large to be made a thousand times.
"""

import faulthandler
import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import images, judge, pngs, tables, tars, zips

_HANG_S = 20
_CHUNKS = (64, 4096, 1 << 20)
_SHOWN = 5
_RSS_PER_MIB = 2**20
"""As macOS counts."""

Told = Counter[str]


def _zip(seed: int, number: int, folder: Path) -> Told:
    path, data = folder / "0.zip", zips.case(seed, number)
    path.write_bytes(data)
    return _counted(judge.judge(path, data, _CHUNKS[number % len(_CHUNKS)]))


def _tar(seed: int, number: int, folder: Path) -> Told:
    path, data = folder / "0.tar", tars.case(seed, number)
    path.write_bytes(data)
    return _counted(judge.judge_tar(path, data, _CHUNKS[number % len(_CHUNKS)]))


def _gzip(seed: int, number: int, folder: Path) -> Told:
    path, data = folder / "0.tar.gz", tars.gzip_case(seed, number)
    path.write_bytes(data)
    return _counted(judge.judge_tar(path, data, _CHUNKS[number % len(_CHUNKS)]))


def _parts(seed: int, number: int, folder: Path) -> Told:
    for path in folder.glob("0.zip.*"):
        path.unlink()
    parts = tars.parts_case(seed, number)
    for index, part in enumerate(parts, 1):
        if part is not None:
            (folder / f"0.zip.{index:03d}").write_bytes(part)
    joined = b"".join(part or b"" for part in parts)
    return _counted(judge.judge(folder / "0.zip", joined, _CHUNKS[number % len(_CHUNKS)]))


def _counted(verdict: judge.Verdict) -> Told:
    return verdict.refused + Counter({"accepted": verdict.accepted, "bytes": verdict.read_bytes})


def _table(seed: int, number: int, folder: Path) -> Told:
    name, data = tables.case(seed, number)
    (folder / name).write_bytes(data)
    return Counter([tables.judge(folder / name)])


def _png(seed: int, number: int, _: Path) -> Told:
    return Counter([pngs.judge(pngs.case(seed, number), 1 + number % 40)])


def _pixels(seed: int, number: int, _: Path) -> Told:
    return Counter([images.judge_pixels(images.pixels_case(seed, number))])


def _other(seed: int, number: int, _: Path) -> Told:
    return Counter([images.judge_other(*images.other_case(seed, number))])


KINDS: dict[str, Callable[[int, int, Path], Told]] = {
    "zips": _zip,
    "tars": _tar,
    "gzips": _gzip,
    "parts": _parts,
    "tables": _table,
    "pngs": _png,
    "pixels": _pixels,
    "others": _other,
}


def run(kind: str, seed: int, first: int, end: int, folder: Path) -> dict[str, object]:
    """Read the cases, and count."""
    told: Told = Counter()
    failures: list[str] = []
    longest = (0.0, first)
    started_mib = _peak_mib()
    for number in range(first, end):
        faulthandler.dump_traceback_later(_HANG_S, exit=True)
        started_s = time.process_time()
        try:
            told += KINDS[kind](seed, number, folder)
        except Exception:
            failures.append(f"case {number} of seed {seed}: {traceback.format_exc(limit=-3)}")
        longest = max(longest, (time.process_time() - started_s, number))
    faulthandler.cancel_dump_traceback_later()
    return {
        "cases": end - first,
        "told": dict(sorted(told.items())),
        "failed": len(failures),
        "failures": failures[:_SHOWN],
        "longest_s": round(longest[0], 4),
        "longest": longest[1],
        "grown_mib": round(_peak_mib() - started_mib, 1),
    }


def _peak_mib() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands the peak of `getrusage` on from parent to child; this one is the process's own.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _RSS_PER_MIB


def read_table(path: Path) -> dict[str, object]:
    """Read one table, and tell how it went."""
    started_mib, started_s = _peak_mib(), time.process_time()
    told, sentence = "", ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            table = tables.Table.open(path).hold(Path(folder))
            rows = sum(len(block.starts) for block in tables.blocks(table))
        told = f"{len(table.columns)} columns, {rows} rows"
    except tables.SourceError as error:
        sentence = str(error)
    seconds = time.process_time() - started_s
    return {"told": told, "error": sentence, "seconds": seconds, "grown_mib": _peak_mib() - started_mib}


if __name__ == "__main__":
    if sys.argv[1] == "table":
        print(json.dumps(read_table(Path(sys.argv[2]))))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            print(json.dumps(run(sys.argv[1], *map(int, sys.argv[2:5]), Path(temporary))))
