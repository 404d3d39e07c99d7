"""A selection, into a folder of this machine: by the engine, never through the browser.

In order: an item that is in the folder already, with the same length and MD5, is left; any other is read, held against
the MD5 that the store keeps (of a source, against its archive's CRC-32), and only then given its name; and at the end
`laden-downloads.csv` says of each item what became of it. The folder is a destination as any other, with a journal:
the same download again brings what is missing. Nothing that is there with other content is replaced.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

from laden.explore.jobs import Job
from laden.explore.place import Place
from laden.store import CREATE_ONLY, Properties, block_id, content_type
from laden.store.folder import FolderStore
from laden.values.errors import BlobConflict, BlobMissing, LadenError
from laden.values.units import size

DOWNLOADS = "laden-downloads.csv"
_AT_ONCE = 8
_WHOLE_BYTES = 32 << 20
"""What is read in one piece; larger items go in blocks, so that memory stays bounded."""
_HEADER = ("name", "size_bytes", "md5", "outcome", "reason")


class Wanted(NamedTuple):
    """One item of the selection."""

    name: str
    size_bytes: int
    md5: str | None


class Came(NamedTuple):
    """What became of it."""

    name: str
    size_bytes: int
    md5: str
    outcome: str
    """`came`, `there`, `conflict`, `damaged` or `failed`."""
    reason: str = ""


async def download(place: Place, wanted: list[Wanted], folder: Path, job: Job) -> None:
    """Bring all of it; the job is told of each."""
    target = FolderStore(folder)
    await target.create()
    job.in_all, job.bytes_in_all = len(wanted), sum(item.size_bytes for item in wanted)
    came: list[Came] = []
    pending = iter(wanted)

    async def worker() -> None:
        for item in pending:
            if job.stopping:
                return
            result = await _brought(place, item, target)
            came.append(result)
            job.done, job.done_bytes = job.done + 1, job.done_bytes + item.size_bytes
            job.counts[f"download-{result.outcome}"] = job.counts.get(f"download-{result.outcome}", 0) + 1

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(worker())
    finally:
        # What came is told also of one that was stopped.
        await asyncio.to_thread(_write, folder / DOWNLOADS, sorted(came))
    outcomes = [one.outcome for one in came]
    here = outcomes.count("came") + outcomes.count("there")
    job.result.update(
        folder=str(folder), file=DOWNLOADS, outcomes={name: outcomes.count(name) for name in set(outcomes)}
    )
    job.message = f"{here:,} of {len(wanted):,} are in {folder} ({size(sum(c.size_bytes for c in came if c.md5))})"
    if not job.stopping and here < len(wanted):
        job.message += f"; {DOWNLOADS} there says why the others are not"


async def _brought(place: Place, item: Wanted, target: FolderStore) -> Came:
    try:
        there = await _there(item, target)
        return there if there is not None else await _moved(place, item, target)
    except BlobConflict:
        return Came(item.name, item.size_bytes, "", "conflict", "another file of this name is there, and was left")
    except LadenError as error:
        outcome = "damaged" if getattr(error, "code", "").startswith("member-") else "failed"
        return Came(item.name, item.size_bytes, "", outcome, str(error))


async def _there(item: Wanted, target: FolderStore) -> Came | None:
    """What is in the folder already; of a source nothing tells its MD5 but reading it."""
    try:
        blob = await target.head(item.name)
    except BlobMissing:
        return None
    md5 = blob.md5.hex() if blob.md5 else ""
    if blob.size_bytes == item.size_bytes and item.md5 == md5:
        return Came(item.name, item.size_bytes, md5, "there")
    if item.md5 is None and blob.size_bytes == item.size_bytes:
        return None
    raise BlobConflict(item.name)


async def _moved(place: Place, item: Wanted, target: FolderStore) -> Came:
    digest = hashlib.md5(usedforsecurity=False)
    blocks: list[str] = []
    pending, seen_bytes = bytearray(), 0
    async for part in place.read(item.name):
        digest.update(part)
        pending += part
        seen_bytes += len(part)
        place.index.state.read_bytes += len(part)
        if len(pending) >= _WHOLE_BYTES:
            blocks.append(await _staged(item.name, len(blocks), bytes(pending), target))
            pending.clear()
    md5 = digest.hexdigest()
    if seen_bytes != item.size_bytes or item.md5 not in (None, md5):
        return Came(
            item.name, seen_bytes, "", "damaged", "what came is not what the listing says: refresh, and try again"
        )
    properties = Properties(digest.digest(), content_type(item.name))
    try:
        if blocks:
            blocks.append(await _staged(item.name, len(blocks), bytes(pending), target))
            await target.commit(item.name, blocks, properties, CREATE_ONLY)
        else:
            await target.put(item.name, bytes(pending), properties, CREATE_ONLY)
    except BlobConflict:
        if (await target.head(item.name)).md5 == properties.md5:
            return Came(item.name, item.size_bytes, md5, "there")
        raise
    return Came(item.name, item.size_bytes, md5, "came")


async def _staged(name: str, number: int, data: bytes, target: FolderStore) -> str:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    await target.put_block(name, block_id(number, md5), data, md5)
    return block_id(number, md5)


def _write(path: Path, came: list[Came]) -> None:
    """Write beside the place first, so that nobody ever reads half a list."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    writer.writerows(
        tuple("'" + str(cell) if str(cell).startswith(("=", "+", "-", "@")) else cell for cell in one) for one in came
    )
    part = path.with_name(f".{path.name}.part")
    part.write_text(text.getvalue(), "utf-8", newline="")
    part.replace(path)


def _harmless(cell: str) -> str:
    """What no spreadsheet runs as a formula (OWASP, "CSV Injection")."""
    return "'" + cell if cell.startswith(("=", "+", "-", "@")) else cell
