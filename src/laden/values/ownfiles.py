"""Files that laden leaves on this machine: put in place whole, through no link, and known again as its own.

In order: a file is written beside its place under a name that nobody can guess or prepare (`placed`, or `exclusive`
and `put` where it is read while it grows), then moved there in one step. What is there already is replaced only where
the caller says that it may be; a list of findings or a report only where its mark says that laden wrote it
(`is_findings`, `is_report`). `is_own` knows them again in a folder that is loaded. Blobs are not written here.
"""

from __future__ import annotations

import gzip
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from laden.values.errors import UsageError
from laden.values.records import Finding
from laden.values.room import unwritable
from laden.values.secrets import redact

REPORT_START = "<!DOCTYPE html>\n<!-- laden report -->\n"
"""How every report begins."""
LOG_START = '{"laden_log": [1'
"""How every log begins; the number of its form, and laden's version follow."""
FINDINGS_MARK = "laden_findings"
"""Key in the footer of a Parquet file of findings."""
LOCK_MARK = "laden_lock"
"""Key in the footer of a lock file."""

FETCHED_NAME = ".laden-fetch.jsonl"
"""In a folder that `laden fetch` filled: where each file came from."""
FETCHED_START = '{"laden_fetch": 1}'
"""Its first line."""

_HEADERS = tuple(quote + f"{quote},{quote}".join(Finding._fields) + quote for quote in ('"', ""))
"""First lines of a list of findings, as it is written and as it once was."""
_MOST_KEPT = 100
"""Of one second."""
_FOOTER_BYTES = 64 << 10
_REPORT = re.compile(r"laden-report[^/]*\.html", re.IGNORECASE)
_FINDINGS = re.compile(r"laden-findings[^/]*\.(?:csv|parquet)", re.IGNORECASE)
_LOG = re.compile(r".+\.(?:jsonl|log)", re.IGNORECASE)
_LOCK = re.compile(r".+\.lock", re.IGNORECASE)
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}\.laden")


def is_marked(mark: str) -> Callable[[Path], bool]:
    """Whether a file is a Parquet file whose footer holds that key, or empty: one that the same command wrote."""

    def known(path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(-min(_FOOTER_BYTES, path.stat().st_size), os.SEEK_END)
            footer = file.read()
        return not footer or mark.encode() in footer

    return known


def is_findings(path: Path) -> bool:
    """Whether a file is a list of findings of laden's, CSV or Parquet, or empty. Raises `OSError`."""
    if path.suffix.lower() == ".parquet":
        return is_marked(FINDINGS_MARK)(path)
    with path.open("rb") as file:
        start = file.readline(1000)
    return not start or start.strip() in {header.encode() for header in _HEADERS}


def is_report(path: Path) -> bool:
    """Whether a file is a report of laden's, or empty. Raises `OSError`."""
    with path.open("rb") as file:
        start = file.read(len(REPORT_START))
    return not start or start == REPORT_START.encode()


def is_log(path: Path) -> bool:
    """Whether a file is a log of laden's, or empty. Raises `OSError`."""
    with path.open("rb") as file:
        start = file.read(len(LOG_START))
    return not start or start == LOG_START.encode()


def is_own(file: Path | str) -> bool:
    """Whether a file is one that laden left there: by its name, and then by its mark; no other is opened."""
    name = os.path.basename(file)  # noqa: PTH119 - asked of each of a million files
    try:
        if _FINDINGS.fullmatch(name):
            return is_findings(Path(file))
        if name == FETCHED_NAME:
            return begins(FETCHED_START.encode())(Path(file))
        if _LOG.fullmatch(name):
            return Path(file).stat().st_size > 0 and is_log(Path(file))
        if _LOCK.fullmatch(name):
            return Path(file).stat().st_size > 0 and is_marked(LOCK_MARK)(Path(file))
        return is_report(Path(file)) if _REPORT.fullmatch(name) else bool(_UNFINISHED.fullmatch(name))
    except OSError:
        return False


def begins(start: bytes) -> Callable[[Path], bool]:
    """Whether a file begins so, within gzip data too, or is empty: one that the same command wrote before."""

    def known(path: Path) -> bool:
        with path.open("rb") as file:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                found = file.read(len(start))
                return not found or found == start
        try:
            with gzip.open(path) as packed:
                return packed.read(len(start)) == start
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return False

    return known


def is_device(path: Path) -> bool:
    """Whether it is neither file nor folder, as /dev/null: written to as it is."""
    return path.exists() and not path.is_file() and not path.is_dir()


def refuse(path: Path, may_replace: Callable[[Path], bool], what: str, option: str) -> None:
    """Refuse a place before the work, not after it.

    Args:
        path: where a file is to be.
        may_replace: whether one that is there may be replaced.
        what: laden would write: `list of findings`.
        option: names another place.

    Raises:
        UsageError: something else is there, or no file can be.
    """
    if redact(str(path)) != str(path):
        raise UsageError(f"the name of the {what} looks like a signature, key or password: name another with {option}")
    if is_device(path):
        if not path.is_char_device():
            raise UsageError(
                f"{path} is a pipe or the like, which may keep the {what} waiting for ever: name a file, {option}"
            )
        return
    try:
        folder = path.absolute().parent.resolve(strict=True)
        if path.is_symlink():
            raise UsageError(f"{path} is a link, and no {what} is written through one: name the file itself, {option}")
        if path.exists() and not may_replace(path):
            raise UsageError(f"{path} is there and is no {what} of laden's: name another file with {option}")
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UsageError(f"the {what} cannot be written into {folder}: name another place with {option}")
    except OSError as error:
        raise unwritable(path, what, option, error) from None


def keep(path: Path, stamp: str = "") -> str:
    """Give a file of an earlier run a name with its time, `x-2026-11-26T110502.csv`, so that the next can have its own.

    Args:
        path: of a file that laden wrote, or of none.
        stamp: another time, as for a file that belongs to one that was kept.

    Returns:
        The time, or nothing where there was nothing to keep. Raises `OSError`.
    """
    if path.is_symlink() or not path.is_file() or not path.stat().st_size:
        return stamp
    stamp = stamp or datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H%M%S")
    names = (path.with_stem(f"{path.stem}-{stamp}{again}") for again in ("", *(f"-{n}" for n in range(2, _MOST_KEPT))))
    path.rename(next((name for name in names if not name.exists()), path))
    return stamp


def exclusive(path: Path) -> tuple[Path, int]:
    """A new file beside a place, under a name that nobody can have prepared: path and descriptor. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.laden")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return beside, os.open(beside, flags, 0o666)


def put(beside: Path, path: Path, may_replace: Callable[[Path], bool]) -> None:
    """Move a file to its place, in one step. Raises `OSError`, also where what is there may not be replaced."""
    if path.is_symlink() or (path.exists() and not may_replace(path)):
        raise FileExistsError(0, "something else is there")
    beside.replace(path)


@contextmanager
def placed(path: Path, may_replace: Callable[[Path], bool]) -> Iterator[BinaryIO]:
    """A file that is there only once it is whole; one that was there stays as it was until then. Raises `OSError`."""
    if is_device(path):
        with path.open("wb") as file:
            yield file
        return
    beside, descriptor = exclusive(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        put(beside, path, may_replace)
    finally:
        beside.unlink(missing_ok=True)
