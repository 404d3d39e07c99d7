"""The plan alone, at scale: a million entries and rows against a million listed blobs, no network and no files.

`python -m bench.plan_scale N` prints one JSON object: seconds, peak memory, and what the plan said. Run in a process
of its own, so that the memory measured is the plan's.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.measure import run, summarise
from laden.relations import Relations
from laden.stages.metadata import to_row
from laden.stages.plan import Plan
from laden.values.records import Blob

_HOMES = 52
_ROOT = Path(__file__).parents[1]


class PlanCost(NamedTuple):
    """What one plan took."""

    entries: int
    seconds: float
    peak_mb: float
    to_send: int


def _key(number: int) -> str:
    return f"2168400000000000000000000000000{number:09d}_{number % 1_000_000:06d}.png"


def _blob_name(number: int) -> str:
    return f"png/{number % _HOMES}/{_key(number)}"


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    for number in range(count):
        key = _key(number)
        yield number + 1, key, key, f"{number % _HOMES}.zip", _blob_name(number), True, True


def _entries(count: int) -> Iterator[tuple[object, ...]]:
    for number in range(count):
        home, key = f"{number % _HOMES}.zip", _key(number)
        entry = (home, key, 8_000_000 + number, number, None, number * 8_000_000, 7_900_000, 8)
        yield *entry, number + 1, key, home, _blob_name(number)


def _blobs(count: int) -> Iterator[tuple[object, ...]]:
    """Every blob but each tenth, as a listing shows them after a load that was interrupted."""
    for number in range(count):
        if number % 10:
            size_bytes = 8_000_000 + number
            metadata = {
                "laden_crc32": f"{number:08x}",
                "laden_size": str(size_bytes),
                "laden_image": "png;2140;2500;16;whole",
                "laden_source": f"{number % _HOMES}.zip:{_key(number)}",
            }
            md5 = number.to_bytes(16, "big")
            yield to_row(Blob(_blob_name(number), size_bytes, md5, f'"0x{number:016X}"', metadata))


def plan(count: int) -> PlanCost:
    """Make a plan of so many entries, and stream out what is to be sent."""
    began_s = time.monotonic()
    with Relations() as relations:
        relations.feed("rows", _rows(count))
        relations.feed("entries", _entries(count))
        relations.feed("blobs", _blobs(count))
        made = Plan(relations, send_strays=False, replace=False, documents=())
        ready = made.summary(profile="bench", table="bench.csv", absent=())
        findings = sum(1 for _ in made.findings((), ()))
        to_send = sum(1 for _ in made.items())
        assert (ready.rows, ready.matched, ready.send, findings) == (count, count, to_send, 0)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return PlanCost(count, round(time.monotonic() - began_s, 2), round(peak_mb, 1), to_send)


def measure_plan() -> dict[str, Any]:
    """A hundred thousand and a million, each in a process of its own; `growth` is the seconds over ten times."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        small, large = (
            run([sys.executable, "-m", "bench.plan_scale", str(count)], Path(scratch), {"PYTHONPATH": str(_ROOT)})
            for count in (100_000, 1_000_000)
        )
    growth = large.wall_s / (10 * small.wall_s)
    rows = {"laden": {**summarise([large]).to_json(), "growth": growth, "flags": "", "said": {}}}
    rows["laden, a tenth of it"] = {**summarise([small]).to_json(), "flags": "", "said": {}}
    title = "plan of 1,000,000 entries against 1,000,000 listed blobs"
    return {"title": title, "files": 1_000_000, "size_bytes": 0, "endpoint": "", "peers": rows}


if __name__ == "__main__":
    print(json.dumps(plan(int(sys.argv[1]))._asdict()))
