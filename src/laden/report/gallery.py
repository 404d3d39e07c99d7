"""Chooses sample images and damaged ones, and puts the pictures of them together.

The sample is spread by name, so that any two reports of one dataset show the same images. What is read is bounded in
number and in bytes, one at a time, and decoded in a process of its own (`laden.dataset.images.child`); an image that
cannot be read or drawn is left out, and told where that process ended over it. Images come from the source where there
is one (`sketches`), else from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Mapping, Sequence
from typing import NamedTuple

from laden.dataset.images import BROKEN, STATES
from laden.dataset.images.child import Decoder, DecodingStopped
from laden.relations import Relations
from laden.report.drawable import is_image
from laden.report.facts import Gallery, Picture
from laden.report.gather import DAMAGED, PASSED_BYTES
from laden.report.pixels import EDGE_PIXELS, Drawn, draw
from laden.store import Store
from laden.values.errors import LadenError
from laden.values.records import UNSEEN

_SAMPLES = 6
_DAMAGED = 12
_MOST_BYTES = 64 << 20
"""Of one image; and of what must be inflated before it, where its archive can only be read from the beginning."""
_MOST_BYTES_IN_ALL = 256 << 20
"""Read back from a store for one report; from a disk there is no need."""
_STORE_PART_BYTES = 8 << 20
_STOPS = 3
"""So often the process that decodes may end before a page does without more pictures."""
_WHOLE_PERCENT = 100

_WORTH_READING = f"size_bytes <= {_MOST_BYTES} AND passed_bytes <= {_MOST_BYTES} AND {is_image('blob')}"
_CHOSEN = "blob, key, size_bytes, id, width, height, bits, fate, state"
_SAMPLE = f"""
SELECT {_CHOSEN} FROM shown
WHERE NOT {DAMAGED} AND fate NOT IN ('failed', 'deleted', 'changed') AND {_WORTH_READING}
ORDER BY fate IN ('sent', 'already_there') DESC, md5(blob), blob LIMIT {_SAMPLES}
"""  # noqa: S608 - own text
_LIKELY = f"""
SELECT blob, key, size_bytes, id, 0, 0, 0, 'pending', '{UNSEEN}' FROM (
    SELECT t.blob, e.key, t.size_bytes, t.id, {PASSED_BYTES} AS passed_bytes
    FROM todo t JOIN entries e USING (id) WHERE t.action <> 'conflict')
WHERE {_WORTH_READING} ORDER BY md5(blob), blob LIMIT {_SAMPLES}
"""  # noqa: S608 - own text
"""What a sample of a plan will be, if nothing of it turns out to be damaged."""
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


def likely(relations: Relations) -> tuple[Wanted, ...]:
    """Of a plan, the images that a report of it will most likely show."""
    return tuple(Wanted(*row) for row in relations.stream(_LIKELY))


class Drawing:
    """Draws images as their bytes come."""

    def __init__(self, decoder: Decoder, tell: Callable[[str], None]) -> None:
        """Begin.

        Args:
            decoder: started already, or not.
            tell: gets a sentence about an image that ended the decoder.
        """
        self._decoder = decoder
        self._tell = tell
        self._stops = 0
        self.drawn: dict[str, Drawn] = {}
        """By the names of blobs."""

    def add(self, blob: str, data: bytes | bytearray, *, invert: bool) -> None:
        """Draw an image; nothing where that cannot be done.

        Args:
            blob: its name.
            data: of its file.
            invert: whether its lowest value means white, as the table says.
        """
        if self._stops == _STOPS:
            return
        try:
            decoded = self._decoder.decode(data, EDGE_PIXELS)
        except DecodingStopped as stopped:
            self._stops += 1
            last = ", and no more images are drawn" if self._stops == _STOPS else ""
            self._tell(f"the report does not show {blob}: {stopped}{last}")
            return
        if decoded is not None:
            self.drawn[blob] = draw(decoded, invert=invert)


def gallery(choice: Choice, drawn: Mapping[str, Drawn]) -> Gallery:
    """The pictures that there are of the images chosen."""
    pictures = [(wanted, drawn[wanted.blob]) for wanted in choice.wanted if wanted.blob in drawn]
    samples = tuple(_picture(wanted, one) for wanted, one in pictures if not wanted.damaged)
    damaged = tuple(_picture(wanted, one) for wanted, one in pictures if wanted.damaged)
    return Gallery(samples, damaged, choice.damaged_in_all)


async def from_store(store: Store, choice: Choice, inverted: Container[str], drawing: Drawing) -> Gallery:
    """Read the images from the store, and draw them; `inverted` has keys."""
    read_bytes = 0
    for wanted in choice.wanted:
        if read_bytes + wanted.size_bytes <= _MOST_BYTES_IN_ALL:
            read_bytes += wanted.size_bytes
            data, invert = await _fetch(store, wanted), wanted.key in inverted
            await asyncio.to_thread(drawing.add, wanted.blob, data, invert=invert)
    return gallery(choice, drawing.drawn)


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
