"""Draws images of a source beside the run, so that a report need not wait for them at its end.

In order: a thread is begun with the images that a report will most likely show, known as soon as the plan is; it reads
one at a time, has it decoded by a process of low priority, and draws it small; `finish` gives those that were drawn,
once the rest of what is wanted by then has been. `close` ends thread and process, whatever they are at.

The thread asks no database and tells nobody anything: what it could not draw is told at the end. What lies on another
machine is not fetched for a picture while the run may read it: the bytes that the run read are kept for it, and only
what the run had not read by its end is fetched then.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple

from laden.dataset.images.child import Decoder
from laden.dataset.source import Reader, Root
from laden.relations import Relations
from laden.report.gallery import Drawing, Wanted
from laden.report.pixels import Drawn
from laden.values.errors import SourceError
from laden.values.records import Entry

_PARTS = 32
"""Of the end of a damaged member, one part of so many is lost, or more if these are small."""
_LEAST_PART_BYTES = 4096
_LOOK_S = 0.05
"""Between two looks at the thread: a signal comes through meanwhile, on every system."""
_LATER_S = 0.2
"""Between two looks at what the run has read of another machine."""


class _Asked(NamedTuple):
    blob: str
    entry: Entry
    invert: bool


class Sketches:
    """Pictures of a source's images, drawn in a thread."""

    def __init__(self, root: Root, decoder: Decoder) -> None:
        """Begin nothing yet.

        Args:
            root: of the source.
            decoder: started already, or not; it is ended with this.
        """
        self._root = root
        self._decoder = decoder
        self.told: list[str] = []
        """Sentences about images that ended the decoder."""
        self._drawing = Drawing(self._decoder, self.told.append)
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        """None where nothing more will come."""
        self._known: set[str] = set()
        self._wanted: Container[str] | None = None
        """The only blobs that are still drawn, once they are known."""
        self._closed = False
        self._thread: threading.Thread | None = None

    def begin(self, relations: Relations, images: Iterable[Wanted], inverted: Container[str]) -> None:
        """Draw images, as far as they were not asked for before.

        Args:
            relations: with their entries.
            images: in that order.
            inverted: keys of those whose lowest value means white, as the table says.
        """
        new = [image for image in images if image.blob not in self._known]
        if not new:
            return
        entries = _entries(relations, [image.id or 0 for image in new])
        self._known.update(image.blob for image in new)
        if not isinstance(self._root, Path):
            self._root.keep(entries.values())
        for image in new:
            self._asked.put(_Asked(image.blob, entries[image.id or 0], image.key in inverted))
        if self._thread is None:
            self._thread = threading.Thread(target=self._draw, name="sketches", daemon=True)
            self._thread.start()

    def finish(self, wanted: Collection[str]) -> Mapping[str, Drawn]:
        """Wait until these blobs were drawn, as far as they can be; returns all that were. Nothing is begun then."""
        self._wanted = wanted
        self._wait()
        # Its memory is given back while the page is written.
        self._decoder.interrupt()
        return self._drawing.drawn

    def close(self) -> None:
        """End all of it."""
        self._closed = True
        self._wait()
        self._decoder.close()

    def __enter__(self) -> Sketches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self) -> None:
        self._asked.put(None)
        while self._thread is not None and self._thread.is_alive():
            if self._closed:
                self._decoder.interrupt()
            self._thread.join(_LOOK_S)

    def _draw(self) -> None:
        """What the thread does."""
        later: list[_Asked] = []
        with Reader(self._root) as reader:
            while not self._closed:
                later = [one for one in later if not self._draw_kept(one)]
                try:
                    one = self._asked.get(timeout=_LATER_S if later else None)
                except Empty:
                    continue
                if one is None:
                    break
                if self._lies_elsewhere(one.entry):
                    later.append(one)
                else:
                    self._draw_one(one, lambda entry: _read(reader, entry))
            for one in later:
                if not self._closed and not self._draw_kept(one):
                    self._draw_one(one, lambda entry: self._fetch(reader, entry))

    def _fetch(self, reader: Reader, entry: Entry) -> bytearray:
        """Read what the run has not, in as few requests as it takes."""
        if not isinstance(self._root, Path):
            with contextlib.suppress(SourceError):
                self._root.expect([entry])
        return _read(reader, entry)

    def _lies_elsewhere(self, entry: Entry) -> bool:
        return not isinstance(self._root, Path) and self._root.holds(entry.archive or entry.member)

    def _draw_kept(self, one: _Asked) -> bool:
        """Draw one that the run has read; False where it has not."""
        data = None if isinstance(self._root, Path) else self._root.kept(one.entry)
        if data is None:
            return False
        self._draw_one(one, lambda _: bytearray(data))
        return True

    def _draw_one(self, one: _Asked, read: Callable[[Entry], bytearray]) -> None:
        if self._wanted is not None and one.blob not in self._wanted:
            return
        try:
            self._drawing.add(one.blob, read(one.entry), invert=one.invert)
        except OSError as error:
            self.told.append(f"the report does not show {one.blob}: {error.strerror}")


def _entries(relations: Relations, ids: list[int]) -> dict[int, Entry]:
    return {
        number: Entry(*row)
        for number, *row in relations.stream(
            "SELECT id, archive, member, size_bytes, crc32, mtime_ns, offset_bytes, stored_bytes, method FROM entries"
            " WHERE list_contains(?::BIGINT[], id)",
            [ids],
        )
    }


def _read(reader: Reader, entry: Entry) -> bytearray:
    """An entry's bytes, or as many as its archive still gives."""
    found = bytearray()
    with contextlib.suppress(SourceError):
        for part in reader.read(entry, max(entry.size_bytes // _PARTS, _LEAST_PART_BYTES)):
            found += part
    return found
