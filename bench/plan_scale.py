"""The plan alone, at scale: a million entries and rows against a million listed blobs, no network and no files.

`python -m bench.plan_scale N` prints one JSON object: seconds, peak memory, and what the plan said. Run in a process
of its own, so that the memory measured is the plan's. Rows come as columns of cells, blobs as pages of a listing, which
are read. The seconds are laden's: to make up names and pages takes as long again, and is left out, also of the CPU
seconds.
"""

from __future__ import annotations

import base64
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
from laden.stages.feeding import Feeding
from laden.stages.plan import Plan
from laden.store.pages import plain_blobs
from laden.values.arrow import Column, Stream, Texts
from laden.values.records import Blob

_HOMES = 52
_PAGE_BLOBS = 5_000
"""As many as a page of a listing holds."""
_PAGE = (
    '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="bench"><Blobs>{}</Blobs>'
    "<NextMarker /></EnumerationResults>"
)
_ROOT = Path(__file__).resolve().parents[1]


class PlanCost(NamedTuple):
    """What one plan took."""

    entries: int
    seconds: float
    cpu_s: float
    peak_mb: float
    to_send: int


class _MadeUp:
    """How long it took to make up what is planned."""

    seconds = 0.0
    cpu_s = 0.0

    def __enter__(self) -> None:
        self._began_s, self._began_cpu_s = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began_s
        self.cpu_s += time.thread_time() - self._began_cpu_s


_MADE_UP = _MadeUp()


def _key(number: int) -> str:
    return f"2168400000000000000000000000000{number:09d}_{number % 1_000_000:06d}.png"


def blob_name(number: int) -> str:
    return f"png/{number % _HOMES}/{_key(number)}"


def blob_of(number: int) -> Blob:
    """An image as a listing shows it after laden sent it."""
    size_bytes = 8_000_000 + number
    md5 = number.to_bytes(16, "big")
    metadata = {
        "laden_md5": base64.b64encode(md5).decode("ascii"),
        "laden_crc32": f"{number:08x}",
        "laden_size": str(size_bytes),
        "laden_image": "png;2140;2500;16;whole",
        "laden_source": f"{number % _HOMES}.zip:{_key(number)}",
    }
    return Blob(blob_name(number), size_bytes, md5, f'"0x{number:016X}"', metadata)


def feed_rows(relations: Relations, count: int, first: int = 0) -> None:
    """The rows of a table, as the survey feeds them: cells lie in memory, one behind the other."""

    def cells() -> Iterator[tuple[int, tuple[Column, ...]]]:
        for numbers in _batches(first + count, first):
            with _MADE_UP:
                text = "".join(map(_key, numbers)).encode()
                offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (len(text) // len(numbers))
                batch = np.array(numbers) + 1, Texts(offsets, np.frombuffer(text, np.uint8))
            yield len(numbers), batch

    relations.absorb(
        "INSERT INTO rows SELECT row, key, key, home || '.zip', 'png/' || home || '/' || key, true, true, home"
        f" FROM (SELECT row, key, ((row - 1) % {_HOMES})::VARCHAR AS home FROM batch)",
        Stream({"row": "integer", "key": "text"}, cells()),
    )


def feed_entries(relations: Relations, count: int, first: int = 0) -> None:
    """Each archive's members, batch by batch."""
    with relations.one_thread():
        for home in range(_HOMES):
            _feed_archive(relations, home, _batches(first + count, first + (home - first) % _HOMES, _HOMES))


def _feed_archive(relations: Relations, home: int, batches: Iterator[range]) -> None:
    for numbers in batches:
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


def feed_blobs(relations: Relations, count: int, first: int = 0, *, every: bool = False) -> None:
    """Every blob, or all but each tenth, as a listing shows them after a load that was interrupted."""
    with tempfile.TemporaryFile() as bodies:
        # All of them before the first is read: the database works beside who brings pages.
        with _MADE_UP:
            sizes = [bodies.write(body) for body in _bodies(first, count, every=every)]
            bodies.seek(0)
        with Feeding(relations) as feeding:
            for size in sizes:
                found = plain_blobs(bodies.read(size), "")
                assert found is not None
                feeding.put(found[0])


def _bodies(first: int, count: int, *, every: bool) -> Iterator[bytes]:
    """The pages of a listing, all blobs or all but each tenth."""
    for start in range(first, first + count, _PAGE_BLOBS):
        page = range(start, min(start + _PAGE_BLOBS, first + count))
        yield _PAGE.format("".join(_listed(number) for number in page if every or number % 10)).encode()


def _listed(number: int) -> str:
    """An image as a page of a listing shows it."""
    blob = blob_of(number)
    md5 = base64.b64encode(blob.md5 or b"").decode()
    metadata = "".join(f"<{name}>{text}</{name}>" for name, text in blob.metadata.items())
    properties = f"<Content-Length>{blob.size_bytes}</Content-Length><Etag>{blob.etag[1:-1]}</Etag>"
    properties += f"<Content-MD5>{md5}</Content-MD5>"
    return f"<Blob><Name>{blob.name}</Name><Properties>{properties}</Properties><Metadata>{metadata}</Metadata></Blob>"


def _batches(count: int, start: int = 0, step: int = 1) -> Iterator[range]:
    for first in range(start, count, step * BATCH_ROWS):
        yield range(first, min(first + step * BATCH_ROWS, count), step)


def plan(count: int, first: int = 0) -> PlanCost:
    """Make a plan of so many entries, from a number on, and stream out what is to be sent."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    with Relations() as relations:
        feed_rows(relations, count, first)
        feed_entries(relations, count, first)
        feed_blobs(relations, count, first)
        made = Plan(relations, send_strays=False, replace=False, documents=(), places=1)
        ready = made.summary(profile="bench", table="bench.csv", absent=())
        findings = sum(1 for _ in made.findings((), ()))
        to_send = sum(1 for _ in made.items())
        assert (ready.rows, ready.matched, ready.send, findings) == (count, count, to_send, 0)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.monotonic() - began_s - _MADE_UP.seconds
    cpu_s = time.process_time() - began_cpu_s - _MADE_UP.cpu_s
    return PlanCost(count, round(seconds, 2), round(cpu_s, 2), round(peak_mb, 1), to_send)


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
