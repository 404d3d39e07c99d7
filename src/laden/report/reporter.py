"""Watches one run, and writes its report when the summary is known, however the run ended.

In order: what must not be overwritten is refused; every event is observed; what was surveyed (`look_at_source`) or
listed (`look_at_destination`) is told as soon as it is known; `conclude` gets the final summary and writes the page.
Nothing that goes wrong here ends a run: a report that cannot be written is a warning.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.profile import Profile
from laden.dataset.table import Table
from laden.relations import Relations
from laden.report.columns import ReadTable, TableCounts, count_columns
from laden.report.facts import Facts, Gallery, Speed
from laden.report.gallery import Choice
from laden.report.watch import Watch
from laden.store import Store
from laden.values.errors import ExitCode, LadenError, SourceError, UsageError
from laden.values.events import Event, Observer, Started, Summary, Warned
from laden.values.ownfiles import REPORT_START, is_report, keep, placed, refuse
from laden.values.secrets import redacted


class Reporter:
    """The report of one run; without a path it only passes events on."""

    def __init__(
        self, path: Path | None, observer: Observer, *, images: Literal["some", "none"] = "some", command: str = ""
    ) -> None:
        """Start watching.

        Args:
            path: the HTML file to write, or None to write none.
            observer: told of every event.
            images: whether some are shown.
            command: that was typed, as the report may show it.

        Raises:
            UsageError: the file is there and is no report, or cannot be there.
        """
        if path is not None:
            refuse(path, is_report, "report", "--report")
        self._path = path
        self._images = one_of_images(images)
        self._command = command
        self._observer = observer
        self._watch = Watch()
        self._profile: Profile | None = None
        self._tables: Sequence[ReadTable] = ()
        self._root: Path | None = None
        self._listed = False
        self._counts = TableCounts()
        self._gallery = Gallery()

    @property
    def wanted(self) -> bool:
        """Whether a report is to be written."""
        return self._path is not None

    def observe(self, event: Event) -> None:
        """Take note of an event, and pass it on."""
        if self.wanted:
            self._watch.see(event)
        self._observer(event)

    def look_at_source(self, profile: Profile, root: Path, tables: Sequence[ReadTable]) -> None:
        """Remember where images and tables can be read again; the label table first."""
        self._profile, self._root, self._tables = profile, root, tables

    async def look_at_destination(
        self, store: Store, relations: Relations, profile: Profile | None, table: Table | None
    ) -> None:
        """Read sample images back, once listing and manifest are in the relations."""
        from laden.report import gallery, gather

        self.observe(Started("report"))
        self._profile, self._listed = profile, True
        shape = profile.table if profile else None
        if table is not None and shape is not None:
            self._tables = [ReadTable(table, shape, 0)]
        gather.show_manifest(relations)
        choice = gallery.choose(relations, shape.row_key if shape else str)
        if not self._images:
            self._counts = self._counted(relations, None, "")
            return
        with Decoder() as decoder:
            self._start(decoder)
            self._counts = self._counted(relations, choice, "")
            drawing = gallery.Drawing(decoder, choice, self._counts.inverted, self._warn)
            self._gallery = await gallery.from_store(store, choice, drawing)

    def conclude(self, summary: Summary, relations: Relations | None) -> Summary:
        """Write the report, if there is anything to tell; returns the summary that names it."""
        began = self._watch.planned or self._listed
        if self._path is None or not (began or (summary.findings and summary.exit_code != ExitCode.USAGE)):
            return summary
        from laden.report.page import render

        speed = self._watch.speed()
        self.observe(Started("report"))
        try:
            if self._watch.planned and relations is not None:
                self._show_plan(relations, sent=summary.command == "load")
            page = (REPORT_START + render(redacted(self._facts(summary, speed, relations)))).encode()
            if self._path.is_file() and is_report(self._path):
                keep(self._path)
            with placed(self._path, is_report) as file:
                file.write(page)
        except (LadenError, OSError, Relations.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._observer(Warned(f"the report could not be written to {self._path}: {reason}"))
            return summary
        return replace(summary, report_file=str(self._path))

    def _show_plan(self, relations: Relations, *, sent: bool) -> None:
        """Look at the plan's images, as far as they came, and read samples of them again."""
        from laden.report import gallery, gather

        assert self._root is not None
        gather.show_plan(relations)
        loaded = gather.LOADED if sent else gather.THERE
        if not self._images:
            self._counts = self._counted(relations, None, loaded)
            return
        choice = gallery.choose(relations)
        with Decoder() as decoder:
            self._start(decoder)
            self._counts = self._counted(relations, choice, loaded)
            drawing = gallery.Drawing(decoder, choice, self._counts.inverted, self._warn)
            self._gallery = gallery.from_source(relations, self._root, choice, drawing)

    def _start(self, decoder: Decoder) -> None:
        """Start it while the table is counted; where it cannot be, each image says so."""
        with contextlib.suppress(DecodingStopped):
            decoder.start()

    def _warn(self, sentence: str) -> None:
        self._observer(Warned(sentence))

    def _counted(self, relations: Relations, choice: Choice | None, loaded: str) -> TableCounts:
        keys = {wanted.key for wanted in choice.wanted} if choice is not None else set()
        try:
            return count_columns(relations, self._tables, loaded, keys)
        except SourceError:
            # It could be read when the run began; what it says then is in the findings and the counts.
            return TableCounts()

    def _facts(self, summary: Summary, speed: Speed, relations: Relations | None) -> Facts:
        from laden.report import gather

        shown = relations if self._watch.planned or self._listed else None
        sizes = gather.sizes(shown) if shown else None
        now = datetime.now().astimezone()
        return Facts(
            title=self._profile.title if self._profile else "A dataset",
            table=", ".join(one.table.name for one in self._tables),
            summary=summary,
            images=gather.fates(shown) if shown else (),
            findings=self._watch.kinds(summary),
            archives=gather.archives(shown, source=summary.command == "check") if shown else (),
            sizes=sizes,
            columns=self._counts.columns,
            speed=speed,
            gallery=self._captioned(),
            made=f"{now.day} {now:%B %Y, %H:%M} {now.tzname()}",
            version=version("laden"),
            system=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
            command=self._command,
        )

    def _captioned(self) -> Gallery:
        """The pictures with what their rows say."""
        captions = self._counts.captions
        samples, damaged = (
            tuple(replace(one, caption=captions.get(one.key, "")) for one in pictures)
            for pictures in (self._gallery.samples, self._gallery.damaged)
        )
        return replace(self._gallery, samples=samples, damaged=damaged)


def one_of_images(images: str) -> bool:
    """Whether a report shows images; raises `UsageError` for a word that is neither."""
    if images not in ("some", "none"):
        raise UsageError(f"report_images is {images!r}: give one of some, none")
    return images == "some"
