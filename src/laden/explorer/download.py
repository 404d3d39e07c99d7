"""A selection, into a folder of this machine: by the engine, never through the browser.

In order: an item that is in the folder already, with the same length and MD5, is left; any other is read, held against
the MD5 that the store keeps (of a source, against its archive's CRC-32), and only then given its name; and at the end
`laden-downloads.csv` says of each item what became of it. The folder is a destination as any other, with a journal:
the same download again brings what is missing. Nothing that is there with other content is replaced, but for what an
earlier download left and nobody touched. The record of an earlier download is kept under a name with its time; where
anything else has the record's name, or is to get it, the record takes another.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from laden.explorer.jobs import Job
from laden.explorer.place import Place
from laden.stages.download import Came, Read, Wanted
from laden.stages.download import download as bring
from laden.store.intake import Intake
from laden.values.errors import StoreError
from laden.values.ownfiles import begins, keep, placed
from laden.values.sheets import safe_cells
from laden.values.units import size

DOWNLOADS = "laden-downloads.csv"
_HEADER = ("name", "size_bytes", "md5", "outcome", "reason")
_MOST_NAMES = 100


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
        file, wrong = await asyncio.to_thread(_record, intake, sorted(came, key=lambda one: one.item.place), wanted)
    outcomes = [one.fate.value for one in came]
    here = [one.item.size_bytes for one in came if one.md5]
    job.result.update(folder=str(folder), file=file, outcomes={name: outcomes.count(name) for name in set(outcomes)})
    job.message = f"{len(here):,} of {len(wanted):,} are in {folder} ({size(sum(here))})"
    if wrong:
        job.message += f"; no {DOWNLOADS} says so: {wrong}"
    elif file != DOWNLOADS:
        job.message += f"; what came is told by {file}, for something else is called {DOWNLOADS}"
    elif not job.stopping and len(here) < len(wanted):
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


def _record(intake: Intake, came: list[Came], wanted: list[Wanted]) -> tuple[str, str]:
    """Write what came, in the place of nothing; the file's name, or why there is none."""
    data = _told(came)
    # Some file systems take names for the same that differ in their letters' case.
    taken = {item.place.partition("/")[0].casefold() for item in wanted}
    path = intake.root / DOWNLOADS
    names = (DOWNLOADS, *(f"{path.stem}-{number}{path.suffix}" for number in range(2, _MOST_NAMES)))
    try:
        for name in names:
            if name.casefold() in taken or not _is_free(intake, name):
                continue
            try:
                with placed(intake.root / name, lambda _: False) as file:
                    file.write(data)
            except FileExistsError:
                continue
            return name, ""
    except (OSError, StoreError) as error:
        return "", f"it cannot be written ({getattr(error, 'strerror', None) or error})"
    return "", "other files have all of its names"


def _is_free(intake: Intake, name: str) -> bool:
    """Whether nothing lies there any more: the record of an earlier download is kept under another name."""
    path = intake.root / name
    if not os.path.lexists(path):
        return True
    try:
        if path.is_symlink() or not path.is_file() or not begins(",".join(_HEADER).encode())(path):
            return False
        there = intake.examine(name, lambda _, __: False)
        if there is None or there.own is None:
            # Else it is a record that was itself downloaded.
            keep(path)
    except (OSError, StoreError):
        return False
    return not path.exists()


def _told(came: list[Came]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for item, fate, md5, reason in came:
        row = (item.place, item.size_bytes, md5.hex() if md5 else "", fate.value, reason)
        writer.writerow(safe_cells(row))
    return text.getvalue().encode()
