"""Collects findings: counts every one, shows some, and writes all to a CSV file when a person has to look.

The file is made with the first finding, so a clean run leaves none; an earlier run's file of the same name is
replaced or removed. Findings name images, so the file stays on this machine.
"""

from __future__ import annotations

import contextlib
import csv
import re
from collections import Counter
from collections.abc import Container
from pathlib import Path
from types import TracebackType
from typing import TextIO

from laden.errors import UsageError
from laden.events import Found, Observer
from laden.records import Finding, Severity

SHOWN_PER_CODE = 10
"""Findings of one code that are told to the observer; the file has all."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of what follows (Unicode 9, UAX 9)."""

_FORMULA = ("=", "+", "-", "@", "\\t", "\\r", "\\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The wide forms too: spreadsheets in East Asian languages take them for the narrow ones."""


class FindingLog:
    """Where every stage reports findings. A context manager; closing it closes the file."""

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

    @property
    def written(self) -> Path | None:
        """The file, if there was anything to write."""
        return self._path if self._file else None

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


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the list of findings cannot be written to {path} ({error.strerror}): name another --findings")


def _safe(finding: Finding) -> list[str]:
    """Cells that no spreadsheet runs as a formula (OWASP, "CSV Injection"), no terminal obeys, any encoding holds."""
    cells = [_CONTROL.sub(_told, str(value)).encode("utf-8", "backslashreplace").decode() for value in finding]
    return ["'" + cell if cell.startswith(_FORMULA) else cell for cell in cells]


def _told(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()
