"""Mutated zips, tars, tables and images, tens of thousands of them, each read to its end in a process of its own.

None may crash a reader, hang it, make it take much memory, or get anything accepted that is not as declared.
`LADEN_LONG=1` reads twenty times as many.
"""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz import archives, judge, tars, zips

pytest.importorskip("resource", reason="memory is not measured on Windows")

ROOT = Path(__file__).parents[2]
LONG = bool(os.environ.get("LADEN_LONG"))
TIMES = 20 if LONG else 1
GROWN_MIB = 160
"""What a run of thousands may take on top of an idle interpreter; Deflate64 alone takes 30 (`source.inflate`)."""
LONGEST_S = 5.0
"""Processor time of one case, whatever else the machine does; they take milliseconds."""
CODES = {
    "archive-directory", "archive-multi-disk", "archive-not-zip", "archive-truncated", "member-crc", "member-deflate",
    "member-duplicate", "member-encrypted", "member-header", "member-long", "member-method", "member-overlap",
    "member-short", "member-size", "name-refused",
}  # fmt: skip


def fuzz(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-W", "error", "-m", "tests.fuzz", *map(str, arguments)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def fuzzed(capsys: pytest.CaptureFixture[str], kind: str, seed: int, first: int, end: int) -> dict[str, int]:
    found = fuzz(kind, seed, first, end)
    failures = found.pop("failures")
    with capsys.disabled():
        print(f"\n{kind} {first:,} to {end:,} of seed {seed}: {json.dumps(found)}")
    assert not failures, failures[0]
    assert found["longest_s"] < LONGEST_S
    assert found["grown_mib"] < GROWN_MIB
    told: dict[str, int] = found["told"]
    return told


@pytest.mark.parametrize("shard", range(4))
def test_zips(capsys: pytest.CaptureFixture[str], shard: int) -> None:
    count = 2500 * TIMES
    told = fuzzed(capsys, "zips", 1, shard * count, (shard + 1) * count)
    assert told["accepted"] > count, "what is right in a mutated archive is still read"
    assert set(told) >= CODES, "every kind of damage is met"


TAR_CODES = {
    "archive-header", "archive-not-tar", "archive-rest", "archive-truncated", "member-duplicate", "member-kind",
    "member-link", "member-sparse", "name-refused",
}  # fmt: skip


def test_tars(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "tars", 1, 0, 2000 * TIMES)
    assert told["accepted"] > 4000 * TIMES
    assert set(told) >= TAR_CODES, "every kind of damage is met"


def test_gzips(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "gzips", 1, 0, 1500 * TIMES)
    assert told["accepted"] > 2000 * TIMES
    assert set(told) >= TAR_CODES | {"archive-gzip"}


def test_parts(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "parts", 1, 0, 1000 * TIMES)
    assert told["accepted"] > 2000 * TIMES
    assert set(told) >= {"archive-directory", "archive-missing", "archive-part", "member-crc", "member-header"}


@pytest.mark.parametrize("number", range(len(tars.seeds())))
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_tars_that_are_not_mutated_are_read_whole(tmp_path: Path, number: int, pack: Callable[[bytes], bytes]) -> None:
    pieces = tars.seeds()[number]
    data = pack(b"".join(pieces) + bytes(1024))
    (tmp_path / "0.tar").write_bytes(data)
    verdict = judge.judge_tar(tmp_path / "0.tar", data, 1000)
    assert verdict.accepted == len(pieces) - sum(verdict.refused.values())
    refused = {"junk-ignored": 1, "member-link": 1, "member-sparse": 1} if number == 3 else {}
    assert dict(verdict.refused) == refused


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "tables", 1, 0, 1000 * TIMES)
    assert set(told) == {"read", "refused"}
    assert min(told["read"], told["refused"]) > 250 * TIMES


def test_pngs(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "pngs", 1, 0, 4000 * TIMES)
    assert told["whole"] > 250 * TIMES
    assert len(told) == 10, "every state is met, but those of a JPEG and a palette"


def test_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "pixels", 1, 0, 3000 * TIMES)
    of_pixels = {"png-zlib", "png-filter", "png-pixels-short", "png-pixels-long"}
    assert set(told) == {"whole", "image-constant", "image-too-large"} | of_pixels
    assert min(told["whole"], *(told[state] for state in of_pixels)) > 15 * TIMES


def test_jpegs_and_dicom_files(capsys: pytest.CaptureFixture[str]) -> None:
    told = fuzzed(capsys, "others", 1, 0, 750 * TIMES)
    assert told["whole"] > 100 * TIMES
    assert len(told) > 12, "most states are met"


@pytest.mark.parametrize("number", range(len(zips.seeds())))
def test_what_is_not_mutated_is_read_whole(tmp_path: Path, number: int) -> None:
    archive = zips.seeds()[number]
    data = archives.encode(archive)
    (tmp_path / "0.zip").write_bytes(data)
    verdict = judge.judge(tmp_path / "0.zip", data, 1000)
    assert verdict.accepted == len(archive.members)
    assert set(verdict.refused) <= {"names-encoding"}


HEADER = b"ImageID,Report\n"
HUGE = 100 * 2**20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEADER + b"1," + b"x" * HUGE + b"\n", "16 MiB"),
        (HEADER + b'1,"' + b"x" * HUGE + b'"\n', "16 MiB"),
        (HEADER + b'1,"' + b"x\n" * (HUGE // 2) + b'"\n', "16 MiB"),
        (HEADER + b'"\n",' * (HUGE // 4) + b"\n", "16 MiB"),
        (b"x" * HUGE, "column names"),
        (b"x," * (HUGE // 2), "column names"),
    ],
    ids=["cell", "quoted", "lines", "fields", "header", "columns"],
)
def test_a_record_without_end_takes_bounded_memory(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(content, 1))
    found = fuzz("table", path)
    assert words in found["error"]
    assert found["grown_mib"] < 200
    assert found["seconds"] < 10


def test_ten_thousand_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"".join(b",".join(b"%s%05d" % (what, n) for n in range(10_000)) + b"\n" for what in (b"c", b"v")))
    assert fuzz("table", path)["told"] == "10000 columns, 1 rows"
