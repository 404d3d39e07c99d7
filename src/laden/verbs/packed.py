"""`get --format zip` and `tar-shards`: the images that are wanted, in archives instead of a folder.

A zip holds all of them under their names. Tar shards are what training jobs stream (WebDataset): the files of a sample
have one name up to the first dot and follow each other, the image and a `.json` with its labels; a dot or `%` in a name
is written as in a URL, so that no two samples share one. Beside them lies an index, a Parquet row for each sample:
shard, place in it, MD5, CRC-32, labels, and the number of its row in the table.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from laden.relations import Relations
from laden.run.run import Run
from laden.stages.download import Came, Wanted, reading
from laden.stages.download.into_packs import pack_all
from laden.stages.download.laying import lay
from laden.stages.download.meaning import replaced
from laden.stages.download.packing import Form, Member, Tar, Zip, packs
from laden.store import Store
from laden.store.intake import Intake
from laden.values.errors import StoreError
from laden.values.records import Finding, Severity

SHARD_BYTES = 1 << 30
"""Of a shard at most, unless one sample is larger: as WebDataset's own guide has it."""
INDEX = "images-index.parquet"
FORMS = ("folder", "zip", "tar-shards")
_BATCH = 2_000

_STEM = r"regexp_replace(place, '([^/])([.]nii)?[.][^./]+$', '\1', 'i')"
"""SQL for a name without its suffix, as `key_of` takes it off."""
_MEMBERS = f"""
SELECT g.place, g.blob, g.size_bytes, g.md5, g.crc32, g.etag, coalesce(l.labels, []::VARCHAR[]),
       count(*) OVER (PARTITION BY g.stem) = 1 AND g.stem NOT IN (SELECT place FROM getting WHERE place IS NOT NULL)
FROM (SELECT *, {_STEM} AS stem FROM getting) g LEFT JOIN image_labels l ON l.blob = g.blob ORDER BY g.place
"""  # noqa: S608 - own text
_INDEX = """
SELECT s.key, s.shard, s.offset_bytes, s.size_bytes, s.blob, s.md5, s.crc32,
       coalesce(l.labels, []::VARCHAR[]) AS labels, r.row AS laden_row
FROM samples s LEFT JOIN image_labels l ON l.blob = s.blob
LEFT JOIN (SELECT blob, min(row) AS row FROM links GROUP BY blob) r ON r.blob = s.blob
ORDER BY s.shard, s.offset_bytes
"""


async def bring_packed(run: Run, store: Store, intake: Intake, form: str) -> AsyncIterator[Came]:
    """Bring all of `getting` into archives; what became of each as it comes.

    Args:
        run: with `getting`, `image_labels` and `links`.
        store: where it is read.
        intake: the folder, prepared.
        form: `zip` or `tar-shards`.

    Raises:
        StoreError, UsageError: as `pack_all`.
    """
    relations = run.relations
    shards = form == "tar-shards"
    relations.run(
        "CREATE OR REPLACE TABLE samples (key VARCHAR, shard VARCHAR, offset_bytes BIGINT, size_bytes BIGINT,"
        " blob VARCHAR, md5 VARCHAR, crc32 BIGINT)"
    )
    kind: Form = Tar() if shards else Zip()
    name = "images-{:06d}.tar" if shards else "images.zip"
    wanted = packs(_members(relations, shards=shards), kind, name.format, SHARD_BYTES if shards else None)
    pending: list[tuple[Any, ...]] = []
    async for one in pack_all(wanted, reading(store), intake, run.stopping, lambda name: run.add([replaced(name)])):
        item = one.came.item
        if one.written is not None and item.md5 is not None:
            key = one.written.member.beside_name.removesuffix(".json") or item.place
            at_bytes = one.written.offset_bytes
            pending.append((key, one.pack, at_bytes, item.size_bytes, item.blob, item.md5.hex(), item.crc32))
        if len(pending) >= _BATCH:
            relations.feed("samples", pending)
            pending.clear()
        yield one.came
    relations.feed("samples", pending)


def _members(relations: Relations, *, shards: bool) -> Iterator[Member]:
    for place, blob, size_bytes, md5, crc32, etag, labels, alone in relations.stream(_MEMBERS):
        item = Wanted(place, blob, size_bytes, bytes.fromhex(md5), crc32, etag)
        if not shards:
            yield Member(item, place)
            continue
        key, suffix = key_of(place, alone=alone)
        beside = json.dumps({"blob": blob, "md5": md5, "labels": labels}, ensure_ascii=False).encode()
        yield Member(item, key + suffix, beside, f"{key}.json")


def key_of(place: str, *, alone: bool = True) -> tuple[str, str]:
    """The key of a sample, which no other has and which has no dot, and the image's suffix, in small letters.

    `png/1.2.840.png` is `png/1%2E2%2E840` and `.png`; where it is not `alone`, for `png/1.2.840.dcm` is there too, or
    something that is called `png/1.2.840`, its key is the whole name.
    """
    folder, slash, name = place.rpartition("/")
    found = _SUFFIX.search(name)
    suffix = found[0].lower() if found else ".bin"
    if suffix == ".json":
        # What lies beside each image is called so.
        suffix = ".data.json"
    stem = name[: found.start()] if found and alone else name
    return (folder + slash + stem).replace("%", "%25").replace(".", "%2E"), suffix


_SUFFIX = re.compile(r"(?<=.)(?:\.nii)?\.[^.]+$", re.IGNORECASE)


async def lay_index(run: Run, intake: Intake) -> list[Finding]:
    """Lay the index of the shards beside them; samples of shards that were left as they are stand not in it.

    Where none would stand in it, the one that is there stays.
    """
    (indexed,) = run.relations.one("SELECT count(*) FROM samples")
    left: int = run.log.counts["get-conflict"]
    told = []
    if left:
        found = "and those of other shards are" if indexed else "so it was left as it was"
        message = f"{left:,} samples of shards that were left as they are could not be named in it, {found}: "
        told.append(Finding("get-index", Severity.ERROR, message + "move these shards away and run again", blob=INDEX))
    if left and not indexed:
        return told
    path = run.relations.to_parquet(_INDEX, "index.parquet", "laden_index")
    try:
        return [*told, replaced(INDEX)] if await asyncio.to_thread(lay, intake, INDEX, path) else told
    except StoreError as error:
        return [Finding("get-conflict", Severity.ERROR, f"{error}: move it away, or choose a folder", blob=INDEX)]
