"""Chooses sample images and damaged ones, reads them again, and draws them small.

The sample is spread by name, so that any two reports of one dataset show the same images. What is read is bounded in
number and in bytes; an image that cannot be read or drawn is left out. Images come from the source where
there is one, else from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from laden.dataset.images import BROKEN, STATES
from laden.dataset.source import Reader
from laden.relations import Relations
from laden.report.facts import Gallery, Picture
from laden.report.gather import DAMAGED
from laden.report.pixels import Drawn, draw
from laden.store import Store
from laden.values.errors import LadenError, SourceError
from laden.values.records import Entry

_SAMPLES = 12
_DAMAGED = 12
_MOST_BYTES = 64 << 20
"""Of one image; and of what must be inflated before it, where its archive can only be read from the beginning."""
_MOST_BYTES_IN_ALL = 256 << 20
"""Read back from a store for one report; from a disk there is no need."""
_PARTS = 32
"""Of the end of a damaged member, one part of so many is lost, or more if these are small."""
_LEAST_PART_BYTES = 4096
_STORE_PART_BYTES = 8 << 20
_READING = 4
_DRAWING = 2
"""Each holds an image of some 30 MB, and again what it decodes to."""
_WHOLE_PERCENT = 100

_IMAGES = r"regexp_matches(lower(blob), '\.(png|jpe?g|dcm|dicom|tiff?|bmp|gif|webp)$')"
_WORTH_READING = f"size_bytes <= {_MOST_BYTES} AND passed_bytes <= {_MOST_BYTES} AND {_IMAGES}"
_CHOSEN = "blob, key, size_bytes, id, width, height, bits, fate, state"
_SAMPLE = f"""
SELECT {_CHOSEN} FROM shown
WHERE NOT {DAMAGED} AND fate NOT IN ('failed', 'deleted', 'changed') AND {_WORTH_READING}
ORDER BY fate IN ('sent', 'already_there') DESC, md5(blob), blob LIMIT {_SAMPLES}
"""  # noqa: S608 - own text
_BROKEN = f"""
SELECT {_CHOSEN} FROM shown WHERE {DAMAGED} AND fate <> 'deleted' AND {_WORTH_READING}
ORDER BY md5(blob), blob LIMIT {_DAMAGED}
"""  # noqa: S608 - own text


class Wanted(NamedTuple):
    """An image to be shown."""

    blob: str
    key: str
    size_bytes: int
    id: int | None
    """Of the entry, where there is a source."""
    width: int
    height: int
    bits: int
    fate: str
    state: str

    @property
    def damaged(self) -> bool:
        return self.fate == "damaged" or self.state in BROKEN


class Choice(NamedTuple):
    """The images of a gallery, before they are read."""

    wanted: tuple[Wanted, ...]
    damaged_in_all: int


def choose(relations: Relations, row_key: Callable[[str], str] = str) -> Choice:
    """Choose from the relation `shown`; `row_key` makes its keys those of rows."""
    wanted = (*relations.stream(_SAMPLE), *relations.stream(_BROKEN))
    (damaged,) = relations.one(f"SELECT count(*) FROM shown WHERE {DAMAGED}")  # noqa: S608 - own text
    chosen = (Wanted(*row) for row in wanted)
    return Choice(tuple(one._replace(key=row_key(one.key)) for one in chosen), damaged)


def from_source(relations: Relations, root: Path, choice: Choice, inverted: Container[str]) -> Gallery:
    """Read the images from the source, and draw them."""
    entries = {
        number: Entry(*row)
        for number, *row in relations.stream(
            "SELECT id, archive, member, size_bytes, crc32, mtime_ns, offset_bytes, stored_bytes, method FROM entries"
            " WHERE list_contains(?::BIGINT[], id)",
            [[wanted.id for wanted in choice.wanted]],
        )
    }
    with Reader(str(root)) as reader:
        return _drawn(choice, inverted, lambda wanted: _read(reader, entries[wanted.id or 0]))


async def from_store(store: Store, choice: Choice, inverted: Container[str]) -> Gallery:
    """Read the images from the store, several at a time, and draw them."""
    allowed: list[Wanted] = []
    for wanted in choice.wanted:
        if sum(one.size_bytes for one in allowed) + wanted.size_bytes <= _MOST_BYTES_IN_ALL:
            allowed.append(wanted)
    gate = asyncio.Semaphore(_READING)

    async def fetched(wanted: Wanted) -> bytes:
        async with gate:
            return await _fetch(store, wanted)

    contents = dict(zip(allowed, await asyncio.gather(*map(fetched, allowed)), strict=True))
    return await asyncio.to_thread(_drawn, choice, inverted, lambda wanted: contents.get(wanted, b""))


async def _fetch(store: Store, wanted: Wanted) -> bytes:
    """A blob's bytes, or as much as could be had: a report is no reason to fail."""
    found = b""
    with contextlib.suppress(LadenError):
        while len(found) < wanted.size_bytes:
            part = await store.get(wanted.blob, len(found), min(_STORE_PART_BYTES, wanted.size_bytes - len(found)))
            if not part:
                break
            found += part
    return found


def _read(reader: Reader, entry: Entry) -> bytes:
    """An entry's bytes, or as many as its archive still gives."""
    parts: list[bytes] = []
    part_bytes = max(entry.size_bytes // _PARTS, _LEAST_PART_BYTES)
    with contextlib.suppress(SourceError):
        parts.extend(bytes(part) for part in reader.read(entry, part_bytes))
    return b"".join(parts)


def _drawn(choice: Choice, inverted: Container[str], read: Callable[[Wanted], bytes]) -> Gallery:
    def drawn(wanted: Wanted) -> Drawn | None:
        return draw(read(wanted), invert=wanted.key in inverted)

    # Set once around all threads, because filters are one list of the whole process.
    with warnings.catch_warnings(), ThreadPoolExecutor(_DRAWING, "laden-draw") as threads:
        # Decoders warn of files that are large or odd: of no use to whoever reads a report.
        warnings.simplefilter("ignore")
        found = list(zip(choice.wanted, threads.map(drawn, choice.wanted), strict=True))
    samples = [_picture(wanted, one) for wanted, one in found if one and not wanted.damaged]
    damaged = [_picture(wanted, one) for wanted, one in found if one and wanted.damaged]
    return Gallery(tuple(samples), tuple(damaged), choice.damaged_in_all)


def _picture(wanted: Wanted, drawn: Drawn) -> Picture:
    facts: Sequence[str] = []
    if wanted.width and wanted.height:
        facts = [f"{wanted.width:,} \u00d7 {wanted.height:,}", *([f"{wanted.bits} bit"] if wanted.bits else ())]
    if wanted.damaged:
        percent = min(int(drawn.part * _WHOLE_PERCENT), _WHOLE_PERCENT)
        reason = STATES.get(wanted.state, "not as its archive declares")
        facts = [reason, "all of it could be decoded" if percent == _WHOLE_PERCENT else f"{percent} % decoded"]
    return Picture(wanted.blob.rpartition("/")[2], ", ".join(facts), drawn.uri, drawn.width, drawn.height)
