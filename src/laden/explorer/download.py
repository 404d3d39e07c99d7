"""A selection, into a folder of this machine: by the engine, never through the browser.

In order: an item that is in the folder already, with the same length and MD5, is left; any other is read, held against
the MD5 that the store keeps (of a source, against its archive's CRC-32), and only then given its name; and at the end
`laden-downloads.csv` says of each item what became of it. The folder is a destination as any other, with a journal:
the same download again brings what is missing. Nothing that is there with other content is replaced, but for what an
earlier download left and nobody touched.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator
from pathlib import Path

from laden.explorer.jobs import Job
from laden.explorer.place import Place
from laden.stages.download import Came, Read, Wanted
from laden.stages.download import download as bring
from laden.store.intake import Intake
from laden.values.sheets import safe_cells
from laden.values.units import size

DOWNLOADS = "laden-downloads.csv"
_HEADER = ("name", "size_bytes", "md5", "outcome", "reason")


async def download(place: Place, wanted: list[Wanted], folder: Path, job: Job) -> None:
    """Bring all of it; the job is told of each."""
    intake = Intake(folder)
    await intake.prepare()
    job.in_all, job.bytes_in_all = len(wanted), sum(item.size_bytes for item in wanted)
    came: list[Came] = []
    try:
        async for one in bring(wanted, _bytes_of(place), intake, lambda: job.stopping):
            came.append(one)
            job.done, job.done_bytes = job.done + 1, job.done_bytes + one.item.size_bytes
            job.counts[f"download-{one.fate}"] = job.counts.get(f"download-{one.fate}", 0) + 1
    finally:
        # What came is told also of one that was stopped.
        await asyncio.to_thread(_write, folder / DOWNLOADS, sorted(came, key=lambda one: one.item.place))
    outcomes = [one.fate.value for one in came]
    here = [one.item.size_bytes for one in came if one.md5]
    job.result.update(
        folder=str(folder), file=DOWNLOADS, outcomes={name: outcomes.count(name) for name in set(outcomes)}
    )
    job.message = f"{len(here):,} of {len(wanted):,} are in {folder} ({size(sum(here))})"
    if not job.stopping and len(here) < len(wanted):
        job.message += f"; {DOWNLOADS} there says why the others are not"


def _bytes_of(place: Place) -> Read:
    """Reads from whatever is shown: a source vouches for its members itself."""

    async def read(item: Wanted, at_bytes: int) -> AsyncGenerator[bytes, None]:
        parts = place.read(item.blob)
        seen_bytes = 0
        async for part in parts:
            place.index.state.read_bytes += len(part)
            rest = part[max(0, at_bytes - seen_bytes) :]
            seen_bytes += len(part)
            if rest:
                yield rest

    return read


def _write(path: Path, came: list[Came]) -> None:
    """Write beside the place first, so that nobody ever reads half a list."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for item, fate, md5, reason in came:
        row = (item.place, item.size_bytes, md5.hex() if md5 else "", fate.value, reason)
        writer.writerow(safe_cells(row))
    part = path.with_name(f".{path.name}.part")
    part.write_text(text.getvalue(), "utf-8", newline="")
    part.replace(path)
