"""Chooses sample images and damaged ones, reads them again, and draws them small.

The sample is spread by name, so that any two reports of one dataset show the same images. What is read is bounded in
number and in bytes, one at a time, and decoded in a process of its own (`laden.dataset.images.child`); an image that
cannot be read or drawn is left out, and told where that process ended over it. Images come from the source where there
is one, else from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.images import BROKEN, STATES
from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.source import Reader
from laden.relations import Relations
from laden.report.facts import Gallery, Picture
from laden.report.gather import DAMAGED
from laden.report.pixels import EDGE_PIXELS, Drawn, draw
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
_STOPS = 3
"""So often the process that decodes may end before a page does without more pictures."""
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


class Drawing:
    """Draws the images of a choice as their bytes come, and makes the gallery."""

    def __init__(self, decoder: Decoder, choice: Choice, inverted: Container[str], tell: Callable[[str], None]) -> None:
        """Begin.

        Args:
            decoder: started already, or not.
            choice: the images.
            inverted: keys of those whose lowest value means white, as the table says.
            tell: gets a sentence about an image that ended the decoder.
        """
        self._decoder = decoder
        self._choice = choice
        self._inverted = inverted
        self._tell = tell
        self._drawn: list[tuple[Wanted, Drawn]] = []
        self._stops = 0

    def add(self, wanted: Wanted, data: bytes | bytearray) -> None:
        """Draw an image; nothing where that cannot be done."""
        if self._stops == _STOPS:
            return
        try:
            decoded = self._decoder.decode(data, EDGE_PIXELS)
        except DecodingStopped as stopped:
            self._stops += 1
            last = ", and no more images are drawn" if self._stops == _STOPS else ""
            self._tell(f"the report does not show {wanted.blob}: {stopped}{last}")
            return
        if decoded is not None:
            self._drawn.append((wanted, draw(decoded, invert=wanted.key in self._inverted)))

    def gallery(self) -> Gallery:
        """What was drawn."""
        samples = [_picture(wanted, one) for wanted, one in self._drawn if not wanted.damaged]
        damaged = [_picture(wanted, one) for wanted, one in self._drawn if wanted.damaged]
        return Gallery(tuple(samples), tuple(damaged), self._choice.damaged_in_all)


def from_source(relations: Relations, root: Path, choice: Choice, drawing: Drawing) -> Gallery:
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
        for wanted in choice.wanted:
            drawing.add(wanted, _read(reader, entries[wanted.id or 0]))
    return drawing.gallery()


async def from_store(store: Store, choice: Choice, drawing: Drawing) -> Gallery:
    """Read the images from the store, and draw them."""
    read_bytes = 0
    for wanted in choice.wanted:
        if read_bytes + wanted.size_bytes <= _MOST_BYTES_IN_ALL:
            read_bytes += wanted.size_bytes
            await asyncio.to_thread(drawing.add, wanted, await _fetch(store, wanted))
    return drawing.gallery()


async def _fetch(store: Store, wanted: Wanted) -> bytearray:
    """A blob's bytes, or as much as could be had: a report is no reason to fail."""
    found = bytearray()
    with contextlib.suppress(LadenError):
        while len(found) < wanted.size_bytes:
            part = await store.get(wanted.blob, len(found), min(_STORE_PART_BYTES, wanted.size_bytes - len(found)))
            if not part:
                break
            found += part
    return found


def _read(reader: Reader, entry: Entry) -> bytearray:
    """An entry's bytes, or as many as its archive still gives."""
    found = bytearray()
    with contextlib.suppress(SourceError):
        for part in reader.read(entry, max(entry.size_bytes // _PARTS, _LEAST_PART_BYTES)):
            found += part
    return found


def _picture(wanted: Wanted, drawn: Drawn) -> Picture:
    facts: Sequence[str] = []
    if wanted.width and wanted.height:
        facts = [f"{wanted.width:,} \u00d7 {wanted.height:,}", *([f"{wanted.bits} bit"] if wanted.bits else ())]
    if wanted.damaged:
        percent = min(int(drawn.part * _WHOLE_PERCENT), _WHOLE_PERCENT)
        reason = STATES.get(wanted.state, "not as its archive declares")
        facts = [reason, "all of it could be decoded" if percent == _WHOLE_PERCENT else f"{percent} % decoded"]
    name = wanted.blob.rpartition("/")[2]
    return Picture(name, ", ".join(facts), drawn.uri, drawn.width, drawn.height, wanted.key)
