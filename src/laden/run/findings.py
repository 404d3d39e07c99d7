"""Collects findings: counts every one, shows some, and writes all to a CSV and a Parquet file.

The CSV is begun with the first finding, beside its place, and written line by line; it gets its name once the run has a
plan (`settle`), so that a killed run leaves what it found, a clean one leaves none, and a command that was refused
leaves the list of the run before it as it was. An earlier list gets a name with its time and stays. At the end a
Parquet file of the same name follows, its columns typed
and its texts as they are. Findings name images, so the files stay on this machine; secrets are taken out of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.events import Found, Observer
from laden.values.ownfiles import FINDINGS_MARK, exclusive, is_device, is_findings, keep, placed, put, refuse
from laden.values.records import Finding, Severity
from laden.values.room import unwritable
from laden.values.secrets import redacted
from laden.values.sheets import cells_to, safe_cells

SHOWN_PER_CODE = 10
"""Findings of one code that are told to the observer; the file has all."""

MOST_MARKS = 1_000
"""Of each code; twenty codes of which there are so many take 260 kB of a record of the history."""
_MARK_BYTES = 6
_PENDING = 2_000
"""Findings handed to the database at once."""


class FindingLog:
    """Where every stage reports findings. A context manager; closing it closes the files."""

    def __init__(self, path: Path | None, observer: Observer) -> None:
        """Start a log.

        Args:
            path: the CSV file to write, or None to write none.
            observer: told of the first findings of each code.
        """
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        """Those of `counts` that need a person: exit code 3."""
        self.marks: dict[str, set[str]] = {}
        """Of those that need a person, by code: a short hash of each place, of as many as a history holds."""
        self.known_suspects: Container[str] = frozenset()
        """File names, in lower case, of images that others report as broken: findings about them say so."""
        self._path = path
        self._observer = observer
        self._file: TextIO | None = None
        self._beside: Path | None = None
        """Where the CSV is written until it gets its name."""
        self._settled = False
        self._relations: Relations | None = None
        self._pending: list[tuple[object, ...]] = []

    @contextlib.contextmanager
    def kept_in(self, relations: Relations) -> Iterator[None]:
        """Keep findings in the relation `findings` too, while in this context, so that Parquet can be made of them."""
        self._relations = relations
        try:
            yield
        finally:
            # Of a run that ends early, with the lists that it has; what went wrong counts more than they do.
            with contextlib.suppress(UsageError, Relations.Error):
                self.finish()

    @property
    def needs_person(self) -> bool:
        """Whether any finding was an error."""
        return bool(self.errors)

    def add(self, finding: Finding) -> None:
        """Count, tell and write one finding."""
        finding = _once(redacted(finding))
        image = (finding.member or finding.blob).rpartition("/")[2].casefold()
        if image and image in self.known_suspects:
            finding = finding._replace(message=f"{finding.message}; also known from elsewhere")
        self.counts[finding.code] += 1
        if finding.severity is Severity.ERROR:
            self.errors[finding.code] += 1
            self._mark(finding)
        if self.counts[finding.code] <= SHOWN_PER_CODE:
            self._observer(Found(finding))
        if self._path is not None:
            try:
                cells_to(self._open(self._path)).writerow(safe_cells(finding))
            except OSError as error:
                raise _unwritable(self._path, error) from None
            if self._relations is not None:
                texts = [text.encode("utf-8", "backslashreplace").decode() for text in (*finding[:5], finding.blob)]
                self._pending.append((*texts[:5], finding.row or None, texts[5]))
                if len(self._pending) >= _PENDING:
                    self._feed(self._relations)

    def _mark(self, finding: Finding) -> None:
        """Note which place it is about, so that the same of another load is known again."""
        marks = self.marks.setdefault(finding.code, set())
        if len(marks) < MOST_MARKS:
            # The number of a row is its table's.
            which = finding.member or finding.blob or (f"row {finding.row}" if finding.row else "")
            place = f"{finding.code}\0{finding.archive}\0{which}".encode("utf-8", "backslashreplace")
            marks.add(hashlib.blake2b(place, digest_size=_MARK_BYTES).hexdigest())

    def settle(self) -> None:
        """Let the list take the place of the one before: this run has a plan, or came to its end."""
        if self._path is None or self._settled:
            return
        self._settled = True
        beside = self._path.with_suffix(".parquet")
        try:
            stamp = ""
            for earlier in (self._path, beside):
                if earlier.is_file() and not earlier.is_symlink() and is_findings(earlier):
                    stamp = keep(earlier, stamp)
            if self._beside is not None:
                put(self._beside, self._path, is_findings)
                self._beside = None
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def discard(self) -> None:
        """Forget what a run found that was refused before it had a plan, and leave the list before it as it is."""
        if not self._settled:
            self._close()
            self._path = None

    def finish(self) -> Path | None:
        """Complete the files, after the last finding; returns the CSV, if there was anything to write."""
        relations, self._relations = self._relations, None
        if self._file is None or self._path is None:
            return None
        self.settle()
        if relations is not None and self._path.is_file():
            self._feed(relations)
            beside = self._path.with_suffix(".parquet")
            try:
                made = relations.to_parquet("FROM findings", "findings.parquet", FINDINGS_MARK)
                with made.open("rb") as whole, placed(beside, is_findings) as file:
                    shutil.copyfileobj(whole, file)
            except OSError as error:
                raise _unwritable(beside, error) from None
        return self._path

    def _feed(self, relations: Relations) -> None:
        relations.feed("findings", self._pending)
        self._pending.clear()

    def _open(self, path: Path) -> TextIO:
        if self._file is None:
            # Line by line: a disk that is full shows at once, and a run that is killed leaves what it found.
            if is_device(path):
                self._file = path.open("w", buffering=1, newline="", encoding="utf-8")
            else:
                self._beside, descriptor = exclusive(path)
                self._file = os.fdopen(descriptor, "w", buffering=1, newline="", encoding="utf-8")
            cells_to(self._file).writerow(Finding._fields)
            if self._settled and self._beside is not None:
                put(self._beside, path, is_findings)
                self._beside = None
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            # What could not be written was told when it was to be.
            with contextlib.suppress(OSError):
                self._file.close()
        if self._beside is not None:
            self._beside.unlink(missing_ok=True)
            self._beside = None

    def __enter__(self) -> FindingLog:
        if self._path is not None:
            beside = self._path.with_suffix(".parquet")
            if self._path == beside:
                raise UsageError(
                    f"{self._path} is where the Parquet file goes: name a .csv with --findings, and find that beside it"
                )
            for path in (self._path, beside):
                refuse(path, is_findings, "list of findings", "--findings")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What was found stays also where the run broke off, but for a command that was refused.
        with contextlib.suppress(UsageError):
            if self._beside is not None and not isinstance(error, UsageError):
                self.settle()
        self._close()


def _unwritable(path: Path, error: OSError) -> UsageError:
    return unwritable(path, "list of findings", "--findings", error)


def _once(finding: Finding) -> Finding:
    """A message that begins with the place begins with "it": the place is told before it."""
    place = f"{finding.archive}: {finding.member}" if finding.archive else finding.member
    rest = finding.message.removeprefix(f"{place} ")
    return finding if rest == finding.message else finding._replace(message=f"it {rest}")
