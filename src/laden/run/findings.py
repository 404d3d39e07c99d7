"""Collects findings: counts every one, shows some, and writes all to a CSV and a Parquet file.

The CSV is made with the first finding and written line by line, so that a clean run leaves none and a killed one what
it found; at the end a Parquet file of the same name follows, its columns typed and its texts as they are. Files of
these names from an earlier run are replaced or removed. Findings name images, so the files stay on this machine.
"""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.events import Found, Observer
from laden.values.records import Finding, Severity

SHOWN_PER_CODE = 10
"""Findings of one code that are told to the observer; the file has all."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of what follows (Unicode 9, UAX 9)."""

_FORMULA = ("=", "+", "-", "@", "\\t", "\\r", "\\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The wide forms too: spreadsheets in East Asian languages take them for the narrow ones."""


_MARK = "laden_findings"
"""Key in the footer of the Parquet file: what laden may replace."""
_FOOTER_BYTES = 64 << 10
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
        self.needs_person = False
        """Whether any finding was an error: exit code 3."""
        self.known_suspects: Container[str] = frozenset()
        """File names, in lower case, of images that others report as broken: findings about them say so."""
        self._path = path
        self._observer = observer
        self._file: TextIO | None = None
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

    def add(self, finding: Finding) -> None:
        """Count, tell and write one finding."""
        image = (finding.member or finding.blob).rpartition("/")[2].casefold()
        if image and image in self.known_suspects:
            finding = finding._replace(message=f"{finding.message}; also known from elsewhere")
        self.counts[finding.code] += 1
        self.needs_person |= finding.severity is Severity.ERROR
        if self.counts[finding.code] <= SHOWN_PER_CODE:
            self._observer(Found(finding))
        if self._path is not None:
            try:
                csv.writer(self._open(self._path)).writerow(_safe(finding))
            except OSError as error:
                raise _unwritable(self._path, error) from None
            if self._relations is not None:
                texts = [text.encode("utf-8", "backslashreplace").decode() for text in (*finding[:5], finding.blob)]
                self._pending.append((*texts[:5], finding.row or None, texts[5]))
                if len(self._pending) >= _PENDING:
                    self._feed(self._relations)

    def finish(self) -> Path | None:
        """Complete the files, after the last finding; returns the CSV, if there was anything to write."""
        relations, self._relations = self._relations, None
        if self._file is None or self._path is None:
            return None
        if relations is not None and self._path.is_file():
            self._feed(relations)
            beside = self._path.with_suffix(".parquet")
            try:
                shutil.copyfile(relations.to_parquet("FROM findings", "findings.parquet", _MARK), beside)
            except OSError as error:
                raise _unwritable(beside, error) from None
        return self._path

    def _feed(self, relations: Relations) -> None:
        relations.feed("findings", self._pending)
        self._pending.clear()

    def _open(self, path: Path) -> TextIO:
        if self._file is None:
            # Line by line: a disk that is full shows at once, and a run that is killed leaves what it found.
            self._file = path.open("w", buffering=1, newline="", encoding="utf-8")
            csv.writer(self._file).writerow(Finding._fields)
        return self._file

    def __enter__(self) -> FindingLog:
        if self._path is not None:
            try:
                _clear(self._path)
                _clear_parquet(self._path)
                self._path.absolute().parent.resolve(strict=True)
            except OSError as error:
                raise _unwritable(self._path, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # What could not be written was told when it was to be.
            with contextlib.suppress(OSError):
                self._file.close()


def _clear(path: Path) -> None:
    """Remove an earlier run's list, and nothing else: a wrong option must not cost anybody's table, or a device."""
    if not path.exists() or (not path.is_file() and not path.is_dir()):
        return
    with path.open("rb") as file:
        start = file.readline(1000)
    if start and start.strip() != ",".join(Finding._fields).encode():
        raise UsageError(f"{path} is there and is no list of findings of laden's: name another --findings")
    path.unlink()


def _clear_parquet(path: Path) -> None:
    """The same for the Parquet file beside it."""
    beside = path.with_suffix(".parquet")
    if path == beside:
        raise UsageError(f"{path} is where the Parquet file goes: name a .csv, and find that beside it")
    if not beside.is_file():
        return
    with beside.open("rb") as file:
        file.seek(-min(_FOOTER_BYTES, beside.stat().st_size), 2)
        if _MARK.encode() not in file.read():
            raise UsageError(f"{beside} is there and is no list of findings of laden's: name another --findings")
    beside.unlink()


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the list of findings cannot be written to {path} ({error.strerror}): name another --findings")


def _safe(finding: Finding) -> list[str]:
    """Cells that no spreadsheet runs as a formula (OWASP, "CSV Injection"), no terminal obeys, any encoding holds."""
    cells = [_CONTROL.sub(_told, str(value)).encode("utf-8", "backslashreplace").decode() for value in finding]
    return ["'" + cell if cell.startswith(_FORMULA) else cell for cell in cells]


def _told(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()
