"""Whether memory stays within its bound at any size: load and verify of so many blobs, without network and files.

`python -m bench.bounds own|foreign N` prints one JSON object: seconds, peak memory, and what each stage took. `own`:
a container holds N images of an interrupted load, with laden's metadata and no manifest yet, and the source holds all
of them. `foreign`: it holds N blobs of somebody else's, and the source one image. All stages of a load and of a verify
ask their questions, a report included, of a store that makes up its listing page by page. Run in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from hashlib import md5
from typing import Literal, NamedTuple

from bench.plan_scale import blob_name, blob_of, feed_entries, feed_rows
from laden.dataset.profile import known_profile
from laden.relations import Relations
from laden.report import gallery, gather
from laden.stages.consistency import contradictions
from laden.stages.inventory import Listing
from laden.stages.landed import read_load
from laden.stages.plan import Plan
from laden.stages.proof import compare, confirm
from laden.stages.publish import Publisher
from laden.store import Data, Page, Properties
from laden.values.errors import BlobMissing
from laden.values.records import Blob

PAGE_BLOBS = 5_000
"""Of one answer of "List Blobs"."""


class Bound(NamedTuple):
    """What a load and a verify took."""

    blobs: int
    seconds: float
    peak_mb: float
    stages: dict[str, tuple[float, float]]
    """Seconds of each stage, and the peak in MB by then."""


class MadeUp:
    """A store whose images exist only in its listing; documents are kept."""

    def __init__(self, count: int, blob: Callable[[int], Blob]) -> None:
        self._count = count
        self._blob = blob
        self._documents: dict[str, tuple[bytes, dict[str, str]]] = {}

    async def create(self) -> bool:
        return False

    async def list_page(self, marker: str = "") -> Page:
        start = int(marker or 0)
        blobs = [self._blob(number) for number in range(start, min(start + PAGE_BLOBS, self._count))]
        if start + PAGE_BLOBS < self._count:
            return Page(blobs, str(start + PAGE_BLOBS))
        return Page([*blobs, *map(self._document, self._documents)], "")

    def _document(self, name: str) -> Blob:
        data, metadata = self._documents[name]
        return Blob(name, len(data), md5(data).digest(), '"1"', metadata)

    async def head(self, name: str) -> Blob:
        if name not in self._documents:
            raise BlobMissing(name)
        return self._document(name)

    async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        return self._documents[name][0][offset : offset + length]

    async def put(self, name: str, data: Data, properties: Properties, etag: str | None) -> None:
        self._documents[name] = bytes(data), properties.metadata

    async def put_block(self, name: str, block_id: str, data: Data, md5: bytes) -> None:
        self._documents[block_id] = bytes(data), {}

    async def staged(self, name: str) -> dict[str, int]:
        return {}

    async def commit(self, name: str, block_ids: list[str], properties: Properties, etag: str | None) -> None:
        data = b"".join(self._documents.pop(block)[0] for block in block_ids)
        self._documents[name] = data, properties.metadata

    async def delete(self, name: str) -> None:
        self._documents.pop(name)

    async def close(self) -> None:
        pass


class _Laps:
    """Seconds and peak memory, stage by stage."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, float]] = {}
        self._began_s = time.monotonic()

    def __call__(self, stage: str) -> None:
        now_s = time.monotonic()
        self.stages[stage] = round(now_s - self._began_s, 2), round(_peak_mb(), 1)
        self._began_s = now_s


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _foreign(number: int) -> Blob:
    return Blob(f"other/{blob_name(number)}", number, number.to_bytes(16, "big"), f'"0x{number:016X}"', {})


async def _load(store: MadeUp, entries: int, foreign: int, lap: Callable[[str], None]) -> None:
    with Relations() as relations:
        listing = Listing(store, relations)
        await listing.begin()
        await listing.finish()
        lap("list")
        feed_rows(relations, entries)
        feed_entries(relations, entries)
        lap("survey")
        plan = Plan(relations, send_strays=False, replace=False, documents=())
        ready = plan.summary(profile="padchest", table="t.csv", absent=())
        assert (ready.matched, ready.foreign) == (entries, foreign), ready
        found = [finding.code for finding in plan.findings((), ())]
        assert found == (["blob-foreign"] if foreign else []), found
        assert (*plan.found_before(), *plan.items()) == () if not foreign else len(list(plan.items())) == 1
        lap("plan")
        assert list(confirm(relations)) == []
        lap("confirm")
        publisher = Publisher(store, relations, replace_other=False)
        await publisher.publish(known_profile("padchest"), [], {}, None)  # type: ignore[arg-type]
        lap("publish")
        assert list(contradictions(relations, "loaded", 16)) == []
        lap("consistency")
        gather.show_plan(relations)
        _report(relations)
        lap("report")


async def _verify(store: MadeUp, images: int, foreign: int, lap: Callable[[str], None]) -> None:
    with Relations() as relations:
        page = await read_load(store, relations)
        assert page is not None
        assert page.images == images
        lap("verify: list")
        assert sum(1 for _ in compare(relations, page)) == foreign
        lap("verify: compare")
        gather.show_manifest(relations)
        _report(relations)
        lap("verify: report")


def _report(relations: Relations) -> None:
    gallery.choose(relations)
    gather.fates(relations)
    gather.archives(relations, source=False)
    gather.sizes(relations)


def bound(kind: Literal["own", "foreign"], count: int) -> Bound:
    """Load and verify with so many blobs."""
    began_s = time.monotonic()
    laps = _Laps()
    if kind == "own":
        store, entries, foreign = MadeUp(count, blob_of), count, 0
    else:
        store, entries, foreign = MadeUp(count, _foreign), 1, count
    asyncio.run(_load(store, entries, foreign, laps))
    asyncio.run(_verify(store, count - foreign, foreign, laps))
    return Bound(count, round(time.monotonic() - began_s, 1), round(_peak_mb(), 1), laps.stages)


if __name__ == "__main__":
    print(json.dumps(bound(sys.argv[1], int(sys.argv[2]))._asdict()))  # type: ignore[arg-type]
