"""The plan alone, at scale: a million entries and rows against a million listed blobs, no network and no files.

`python -m bench.plan_scale N` prints one JSON object: seconds, peak memory, and what the plan said. Run in a process
of its own, so that the memory measured is the plan's. The seconds are laden's: to make up names and blobs takes as long
again, and is left out.
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

import numpy as np

from bench.measure import run, summarise
from laden.relations import BATCH_ROWS, Relations
from laden.stages.metadata import to_columns
from laden.stages.plan import Plan
from laden.values.records import Blob

_HOMES = 52
_ROOT = Path(__file__).resolve().parents[1]


class PlanCost(NamedTuple):
    """What one plan took."""

    entries: int
    seconds: float
    peak_mb: float
    to_send: int


class _MadeUp:
    """How long it took to make up what is planned."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._began_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began_s


_MADE_UP = _MadeUp()


def _key(number: int) -> str:
    return f"2168400000000000000000000000000{number:09d}_{number % 1_000_000:06d}.png"


def blob_name(number: int) -> str:
    return f"png/{number % _HOMES}/{_key(number)}"


def blob_of(number: int) -> Blob:
    """An image as a listing shows it after laden sent it."""
    size_bytes = 8_000_000 + number
    metadata = {
        "laden_crc32": f"{number:08x}",
        "laden_size": str(size_bytes),
        "laden_image": "png;2140;2500;16;whole",
        "laden_source": f"{number % _HOMES}.zip:{_key(number)}",
    }
    return Blob(blob_name(number), size_bytes, number.to_bytes(16, "big"), f'"0x{number:016X}"', metadata)


def feed_rows(relations: Relations, count: int) -> None:
    """The rows of a table, batch by batch, as the survey feeds them."""
    for numbers in _batches(count):
        with _MADE_UP:
            keys = [*map(_key, numbers)]
            columns = {
                "row": np.array(numbers) + 1,
                "key": keys,
                "name": keys,
                "home": [f"{number % _HOMES}.zip" for number in numbers],
                "blob": [*map(blob_name, numbers)],
                "place": [str(number % _HOMES) for number in numbers],
            }
        relations.feed_columns("rows", columns, {"usable": True, "selected": True})


def feed_entries(relations: Relations, count: int) -> None:
    """Each archive's members, batch by batch."""
    for home in range(_HOMES):
        for numbers in _batches(count, home, _HOMES):
            with _MADE_UP:
                keys = [*map(_key, numbers)]
                place = np.array(numbers)
                columns = {
                    "member": keys,
                    "size_bytes": 8_000_000 + place,
                    "crc32": place,
                    "offset_bytes": place * 8_000_000,
                    "id": place + 1,
                    "key": keys,
                    "blob": [*map(blob_name, numbers)],
                }
            name = f"{home}.zip"
            alike = {"archive": name, "home": name, "stored_bytes": 7_900_000, "method": 8, "place": str(home)}
            relations.feed_columns("entries", columns, alike)


def feed_blobs(relations: Relations, count: int, *, every: bool = False) -> None:
    """Every blob, or all but each tenth, as a listing shows them after a load that was interrupted."""
    for numbers in _batches(count):
        with _MADE_UP:
            blobs = [blob_of(number) for number in numbers if every or number % 10]
        relations.feed_columns("blobs", to_columns(blobs))


def _batches(count: int, start: int = 0, step: int = 1) -> Iterator[range]:
    for first in range(start, count, step * BATCH_ROWS):
        yield range(first, min(first + step * BATCH_ROWS, count), step)


def plan(count: int) -> PlanCost:
    """Make a plan of so many entries, and stream out what is to be sent."""
    began_s = time.monotonic()
    with Relations() as relations:
        feed_rows(relations, count)
        feed_entries(relations, count)
        feed_blobs(relations, count)
        made = Plan(relations, send_strays=False, replace=False, documents=(), places=1)
        ready = made.summary(profile="bench", table="bench.csv", absent=())
        findings = sum(1 for _ in made.findings((), ()))
        to_send = sum(1 for _ in made.items())
        assert (ready.rows, ready.matched, ready.send, findings) == (count, count, to_send, 0)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return PlanCost(count, round(time.monotonic() - began_s - _MADE_UP.seconds, 2), round(peak_mb, 1), to_send)


def measure_plan() -> dict[str, Any]:
    """A hundred thousand and a million, each in a process of its own; `growth` is the seconds over ten times."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        small, large = (
            run([sys.executable, "-m", "bench.plan_scale", str(count)], Path(scratch), {"PYTHONPATH": str(_ROOT)})
            for count in (100_000, 1_000_000)
        )
        for cost in (small, large):
            cost.wall_s = json.loads(cost.stdout)["seconds"]
    growth = large.wall_s / (10 * small.wall_s)
    rows = {"laden": {**summarise([large]).to_json(), "growth": growth, "flags": "", "said": {}}}
    rows["laden, a tenth of it"] = {**summarise([small]).to_json(), "flags": "", "said": {}}
    title = "plan of 1,000,000 entries against 1,000,000 listed blobs"
    return {"title": title, "files": 1_000_000, "size_bytes": 0, "endpoint": "", "peers": rows}


if __name__ == "__main__":
    print(json.dumps(plan(int(sys.argv[1]))._asdict()))
