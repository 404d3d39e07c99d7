"""What a share costs before it sends anything: survey, listing and plan, held against those of a whole load.

`python -m bench.shares COUNT` makes so many rows like PADCHEST's (its own, and then the same under other names),
archives of 3,100 members of 6.2 MB each whose data are holes, and an endpoint that holds nine of ten images. It plans
(`load --dry-run`) the whole and the second of five shares, commands of their own, in turns, and prints one JSON object.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import table
from bench.measure import run
from bench.server import Endpoint, endpoint

_IN_ARCHIVE = 3_100
_MEMBER_BYTES = 6_200_000
_HEADER_BYTES = 30
"""Of a member, before its name."""
_SHARE = "2/5"
_ROUNDS = 2
_BLOBS_TOLD = 20_000
"""At once, to the endpoint."""
_CRC32 = f"{zlib.crc32(bytes(_MEMBER_BYTES)):08x}"
_MD5 = "AAAAAAAAAAAAAAAAAAAAAA=="
_ROOT = Path(__file__).resolve().parents[1]


def _records(path: Path, count: int) -> Iterator[tuple[list[str], list[str]]]:
    """The header and so many records, dealt to archives in the order of the table."""
    with gzip.open(path, "rt", newline="", encoding="utf-8", errors="replace") as file:
        header, *records = csv.reader(file)
    image, home = header.index("ImageID"), header.index("ImageDir")
    for number, record in enumerate(itertools.islice(itertools.cycle(records), count)):
        again = number // len(records)
        record = [*record]
        record[image] = f"{again}{record[image]}" if again else record[image]
        record[home] = str(number // _IN_ARCHIVE)
        yield header, record


def _make(folder: Path, rows: Path, count: int, target: Endpoint) -> None:
    """Table, archives, and what lies at the endpoint."""
    archives: dict[str, list[str]] = {}
    told: list[dict[str, Any]] = []
    with (folder / f"{table.NAME.removesuffix('.gz')}").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, (header, record) in enumerate(_records(rows, count)):
            if not number:
                writer.writerow(header)
            writer.writerow(record)
            name, home = record[header.index("ImageID")], record[header.index("ImageDir")]
            archives.setdefault(home, []).append(name)
            if number % 10:
                told.append(_blob(home, name))
            if len(told) == _BLOBS_TOLD:
                target.preload(blobs=told)
                told.clear()
    target.preload(blobs=told)
    for home, names in archives.items():
        _archive(folder / f"{home}.zip", names)


def _blob(home: str, name: str) -> dict[str, Any]:
    metadata = {
        "laden_crc32": _CRC32,
        "laden_size": str(_MEMBER_BYTES),
        "laden_image": "png;2140;2500;16;whole",
        "laden_source": f"{home}.zip:{name}",
    }
    return {"name": f"png/{home}/{name}", "size": _MEMBER_BYTES, "md5": _MD5, "metadata": metadata}


def _archive(path: Path, names: list[str]) -> None:
    """A zip whose directory is right, and whose members are holes that nobody reads here."""
    with zipfile.ZipFile(path, "w") as archive:
        assert archive.fp is not None
        at_bytes = 0
        for name in names:
            member = zipfile.ZipInfo(name)
            member.file_size = member.compress_size = _MEMBER_BYTES
            member.CRC = int(_CRC32, 16)
            member.header_offset = at_bytes
            archive.filelist.append(member)
            at_bytes += _MEMBER_BYTES + _HEADER_BYTES + len(name)
        archive.start_dir = at_bytes
        archive.fp.seek(at_bytes)
        # Else it would write no directory.
        archive._didModify = True  # type: ignore[attr-defined]  # noqa: SLF001


def measure(count: int, rows: Path) -> dict[str, Any]:
    """Seconds, CPU seconds, memory and requests of both, in turns."""
    command = [Path(sys.executable).with_name("laden"), "load"]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, endpoint() as target:
        target.empty()
        source, home = Path(scratch, "source"), Path(scratch, "home")
        source.mkdir()
        home.mkdir()
        _make(source, rows, count, target)
        asked = [
            str(source),
            target.container_url,
            "--profile",
            "padchest",
            "--dry-run",
            "--json",
            "--findings",
            "none",
        ]
        found: dict[str, Any] = {"rows": count, "archives": len([*source.glob("*.zip")])}
        for number in range(_ROUNDS):
            for name, more in (("whole", []), ("share", ["--share", _SHARE])):
                cost = run([*command, *asked, *more], home, {"PYTHONPATH": str(_ROOT / "src")}, target)
                plan = next(json.loads(line) for line in cost.stdout.splitlines() if '"event": "plan"' in line)
                found[f"{name} {number + 1}"] = {
                    "seconds": round(cost.wall_s, 2),
                    "cpu_s": round(cost.cpu_s, 2),
                    "peak_mb": round(cost.memory_bytes / 1e6),
                    "lists": cost.requests["requests"].get("list_blobs", 0),
                    "to_send": plan["send"],
                    "code": cost.exit_code,
                }
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(json.dumps(measure(int(sys.argv[1]), table.table(Path(folder)))))
