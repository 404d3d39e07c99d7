"""Watches one run, and writes its report when the summary is known, however the run ended.

In order: what must not be overwritten is refused; every event is observed; what was surveyed (`look_at_source`) or
listed (`look_at_destination`) is told as soon as it is known; when a plan is seen, pictures are begun (`sketches`);
`conclude` gets the final summary and writes the page. A context manager, which ends what was begun.
Nothing that goes wrong here ends a run, or changes how it ends, be it a mistake in this very package: a report that
cannot be drawn or written is a warning.
"""

from __future__ import annotations

import contextlib
import platform
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from laden._version import VERSION
from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.profile import Profile
from laden.dataset.source import Root
from laden.dataset.table import Table
from laden.relations import Relations
from laden.report.drawable import has_images
from laden.report.facts import ColumnCounts, Facts, Gallery, Speed
from laden.report.watch import Watch
from laden.stages.charted import Charted
from laden.store import Store
from laden.values.errors import ExitCode, LadenError, SourceError, UsageError
from laden.values.events import Event, Observer, PlanReady, Started, Summary, Warned
from laden.values.ownfiles import REPORT_START, is_report, keep, placed, refuse
from laden.values.secrets import redacted

if TYPE_CHECKING:
    from laden.report.gallery import Wanted
    from laden.report.sketches import Sketches


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
        if images not in ("some", "none"):
            raise UsageError(f"report_images is {images!r}: give one of some, none")
        self._path = path
        self._images = images == "some"
        self._command = command
        self._captions: dict[str, str] = {}
        self._observer = observer
        self._watch = Watch()
        self._profile: Profile | None = None
        self._tables: Sequence[str] = ()
        self._charted: Sequence[Charted] = ()
        self._relations: Relations | None = None
        """Of a source, with what was surveyed."""
        self._decoder = Decoder(low_priority=True)
        self._sketches: Sketches | None = None
        self._listed = False
        self._columns: tuple[ColumnCounts, ...] = ()
        self._gallery = Gallery()

    @property
    def wanted(self) -> bool:
        """Whether a report is to be written."""
        return self._path is not None

    def observe(self, event: Event) -> None:
        """Take note of an event, and pass it on."""
        if self.wanted:
            with self._spared():
                self._watch.see(event)
        self._observer(event)
        if isinstance(event, PlanReady) and self._sketches is not None and self._images:
            with self._spared():
                self._begin(self._sketches)

    def look_at_source(self, profile: Profile, root: Root, tables: Sequence[Table], relations: Relations) -> None:
        """Remember what was surveyed.

        Args:
            profile: its tables' shapes are those of these tables.
            root: where images can be read again.
            tables: the label table first.
            relations: with `Charted` of each, where a report is wanted.
        """
        if not self.wanted:
            return
        from laden.report.sketches import Sketches

        self._profile, self._relations, self._sketches = profile, relations, Sketches(root, self._decoder)
        self._tables = [table.name for table in tables]
        pairs = zip(tables, profile.tables, strict=True)
        self._charted = [Charted.of(number, *pair) for number, pair in enumerate(pairs)]
        # It starts while the plan is made; where it cannot, each image says so.
        with self._spared(), contextlib.suppress(DecodingStopped):
            if self._images and has_images(relations):
                self._decoder.start()

    async def look_at_destination(
        self, store: Store, relations: Relations, profile: Profile | None, table: Table | None
    ) -> None:
        """Read sample images back, once listing and manifest are in the relations."""
        self.observe(Started("report"))
        with self._spared():
            await self._look_at_destination(store, relations, profile, table)

    async def _look_at_destination(
        self, store: Store, relations: Relations, profile: Profile | None, table: Table | None
    ) -> None:
        from laden.report import gallery, gather
        from laden.report.columns import captions, count_columns, inverted_keys, read_charts

        self._profile, self._listed = profile, True
        shape = profile.table if profile else None
        gather.show_manifest(relations)
        choice = gallery.choose(relations, shape.row_key if shape else str)
        # It starts while the table is counted; where it cannot, each image says so.
        with contextlib.suppress(DecodingStopped):
            if self._images:
                self._decoder.start()
        if table is not None and shape is not None:
            self._tables = [table.name]
            # What can be told of a table that cannot be read is in the findings.
            with contextlib.suppress(SourceError):
                self._charted = [read_charts(relations, table, shape)]
        self._columns = count_columns(relations, self._charted, "")
        if not self._images:
            return
        keys = [wanted.key for wanted in choice.wanted]
        inverted = inverted_keys(relations, self._charted, keys)
        self._captions = captions(relations, self._charted, keys)
        drawing = gallery.Drawing(self._decoder, self._warn)
        self._gallery = await gallery.from_store(store, choice, inverted, drawing)

    def conclude(self, summary: Summary, relations: Relations | None) -> Summary:
        """Write the report, if there is anything to tell; returns the summary that names it."""
        began = self._watch.planned or self._listed
        if self._path is None or not (began or (summary.findings and summary.exit_code != ExitCode.USAGE)):
            return summary
        try:
            with self._spared():
                self._write(self._path, summary, relations)
                return replace(summary, report_file=str(self._path))
        except (LadenError, OSError, Relations.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._observer(Warned(f"the report could not be written to {self._path}: {reason}"))
        return summary

    def _write(self, path: Path, summary: Summary, relations: Relations | None) -> None:
        from laden.report.page import render

        speed = self._watch.speed()
        self.observe(Started("report"))
        if self._watch.planned and relations is not None and self._sketches is not None:
            self._show_plan(self._sketches, sent=summary.command == "load")
        page = (REPORT_START + render(redacted(self._facts(summary, speed, relations)))).encode()
        if path.is_file() and is_report(path):
            keep(path)
        with placed(path, is_report) as file:
            file.write(page)

    @contextlib.contextmanager
    def _spared(self) -> Iterator[None]:
        """Turn a mistake in drawing into a warning, and draw no more; what any run may meet is raised."""
        try:
            yield
        except (LadenError, OSError, Relations.Error):
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of the report's own is none of the run's
            self._path = None
            # What an exception says may hold a label; where it was raised holds none.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
            self._warn(f"no report could be drawn, for a bug in laden ({where}): please report it; the rest is as told")

    def _begin(self, sketches: Sketches) -> None:
        """Begin to draw what a report of the plan will most likely show."""
        from laden.report import gallery

        # What cannot be done now is done, and told, when the page is written.
        with contextlib.suppress(LadenError, OSError, Relations.Error):
            self._draw(sketches, gallery.likely(self._surveyed))

    def _draw(self, sketches: Sketches, images: Sequence[Wanted]) -> None:
        from laden.report.columns import inverted_keys

        inverted = inverted_keys(self._surveyed, self._charted, [image.key for image in images])
        sketches.begin(self._surveyed, images, inverted)

    def _show_plan(self, sketches: Sketches, *, sent: bool) -> None:
        """Look at the plan's images, as far as they came, and at what the tables hold of them."""
        from laden.report import gallery, gather
        from laden.report.columns import captions, count_columns

        gather.show_plan(self._surveyed)
        self._columns = count_columns(self._surveyed, self._charted, gather.LOADED if sent else gather.THERE)
        if not self._images:
            return
        choice = gallery.choose(self._surveyed)
        self._draw(sketches, choice.wanted)
        self._captions = captions(self._surveyed, self._charted, [wanted.key for wanted in choice.wanted])
        self._gallery = gallery.gallery(choice, sketches.finish({wanted.blob for wanted in choice.wanted}))
        for sentence in sketches.told:
            self._warn(sentence)

    @property
    def _surveyed(self) -> Relations:
        assert self._relations is not None
        return self._relations

    def _warn(self, sentence: str) -> None:
        self._observer(Warned(sentence))

    def _facts(self, summary: Summary, speed: Speed, relations: Relations | None) -> Facts:
        from laden.report import gather

        shown = relations if self._watch.planned or self._listed else None
        sizes = gather.sizes(shown) if shown else None
        now = datetime.now().astimezone()
        return Facts(
            title=self._profile.title if self._profile else "A dataset",
            table=", ".join(self._tables),
            summary=summary,
            images=gather.fates(shown) if shown else (),
            findings=self._watch.kinds(summary),
            archives=gather.archives(shown, source=summary.command == "check") if shown else (),
            sizes=sizes,
            columns=self._columns,
            speed=speed,
            gallery=self._captioned(),
            made=f"{now.day} {now:%B %Y, %H:%M} {now.tzname()}",
            version=VERSION,
            system=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
            command=self._command,
        )

    def _captioned(self) -> Gallery:
        """The pictures with what their rows say."""
        samples, damaged = (
            tuple(replace(one, caption=self._captions.get(one.key, "")) for one in pictures)
            for pictures in (self._gallery.samples, self._gallery.damaged)
        )
        return replace(self._gallery, samples=samples, damaged=damaged)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sketches is not None:
            self._sketches.close()
        self._decoder.close()
