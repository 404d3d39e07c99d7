"""Hashes what a publisher's checksum files name, on all cores, and compares.

Known are the formats of GNU coreutils (`sha256sum`: digest, name) and of BSD (`SHA256 (name) = digest`), in files that
are called `SHA256SUMS`, `sha1sums.txt`, `md5sum.txt` and so on, or `0.zip.md5` beside `0.zip`. Names are relative to
the file that holds them; only files that the source was found to have are ever opened. An archive in parts may be named
part by part, or as the whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import PurePosixPath
from typing import NamedTuple

from laden.dataset.evidence.trust import Trust, read_evidence
from laden.dataset.source import Found, Root, archive_of, opened
from laden.values.errors import SourceError
from laden.values.records import Finding, Severity

_ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
"""By the number of hexadecimal digits."""
_LIST_NAME = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512)[-_]?sums?(\.txt|\.asc)?", re.IGNORECASE)
_BESIDE_NAME = re.compile(r"(.+)\.(md5|sha1|sha224|sha256|sha384|sha512)(sum)?", re.IGNORECASE | re.DOTALL)
_GNU_LINE = re.compile(r"(\\?)([0-9a-fA-F]{32,128})(?:[ \t]+\*?(.+))?")
_BSD_LINE = re.compile(r"([A-Za-z0-9]+) ?\((.+)\) ?= ?([0-9a-fA-F]{32,128})")
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\\\": "\\"}
_PIECE_BYTES = 1 << 20
_TOLD_S = 0.2


class Sum(NamedTuple):
    """One digest that a publisher gives."""

    name: str
    """Of the file, as a path below the source root."""
    algorithm: str
    digest: str
    """Hexadecimal, in lower case."""
    evidence: str
    """Path of the checksum file below the source root."""


Told = Callable[[int, int, int, int], None]
"""Told of files that are done, of how many, and of bytes that are done, of how many."""


def is_sums(file: str) -> bool:
    """Whether the file at that path is called as checksum files are."""
    name = file.rpartition("/")[2]
    return bool(_LIST_NAME.fullmatch(name) or _BESIDE_NAME.fullmatch(name))


def is_sum_list(file: str) -> bool:
    """Whether it is called as the checksum file of a whole dataset is."""
    return bool(_LIST_NAME.fullmatch(file.rpartition("/")[2]))


def find_sums(root: Root, files: Sequence[str]) -> tuple[list[Sum], list[Finding]]:
    """Read every checksum file among the source's files; findings are `evidence-unreadable`."""
    sums: list[Sum] = []
    findings: list[Finding] = []
    for file in filter(is_sums, files):
        try:
            sums += parse_sums(file, read_evidence(root / file))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f"{file} cannot be compared with: {reason}; fetch it again."
            findings.append(Finding("evidence-unreadable", Severity.WARNING, message, member=file))
    return sums, findings


def parse_sums(file: str, text: str) -> Iterator[Sum]:
    """The digests in a checksum file; raises ValueError with the first line that holds none."""
    folder = PurePosixPath(file).parent
    beside = _BESIDE_NAME.fullmatch(PurePosixPath(file).name)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("#", ";", "-----")):
            continue
        bsd, gnu = _BSD_LINE.fullmatch(line.strip()), _GNU_LINE.fullmatch(line.rstrip())
        if bsd:
            name, digest = bsd[2], bsd[3]
        elif gnu and (gnu[3] or beside):
            name, digest = gnu[3] or (beside[1] if beside else ""), gnu[2]
            name = re.sub(r"\\[nr\\]", lambda found: _ESCAPES[found[0]], name) if gnu[1] else name
        else:
            raise ValueError(f"its line {number:,} holds no checksum and name")
        if len(digest) not in _ALGORITHMS:
            raise ValueError(f"the checksum in its line {number:,} has {len(digest)} digits, as none has")
        path = os.path.normpath((folder / name).as_posix()).replace(os.sep, "/")
        yield Sum(path, _ALGORITHMS[len(digest)], digest.lower(), file)


def check_sums(
    found: Found, archives: Sequence[str], sums: Sequence[Sum], trust: Trust, told: Told
) -> Iterator[Finding]:
    """Hash every file of the source that has a checksum, and yield the differences.

    Findings: `archive-hash`, `file-hash`, `evidence-absent` for each archive of which no checksum is given, and what
    keeps a file from being read, under the code that a load gives it.

    Args:
        found: what lies at the source.
        archives: those that are to be checked.
        sums: what publishers say.
        trust: what a person trusts more.
        told: told of the progress, a few times a second, from the thread that takes the findings.
    """
    chosen, files = set(archives), set(found.files)
    wanted: dict[str, list[Sum]] = {}
    for one in sums:
        part_of = archive_of(one.name)
        part = part_of in chosen and (found.root / one.name).is_file()
        if one.name in chosen or one.name in files or part:
            wanted.setdefault(one.name, []).append(one)
    yield from _hashed(found.root, wanted, chosen, trust, told)
    named = {archive_of(name) for name in wanted}
    for archive in archives:
        if archive not in named:
            message = f"No checksum file beside {archive} names it, so it was not compared with anything."
            yield Finding("evidence-absent", Severity.WARNING, message, archive=archive)


def _hashed(root: Root, wanted: dict[str, list[Sum]], chosen: set[str], trust: Trust, told: Told) -> Iterator[Finding]:
    """Hash on all cores, one file a core; what differs is yielded as the files end."""
    run = _Run(root)
    pool = ThreadPoolExecutor(os.cpu_count() or 1, "laden-hash")
    try:
        jobs = {pool.submit(run.digests, name, {one.algorithm for one in said}): name for name, said in wanted.items()}
        total_bytes = sum(run.size_bytes(name) for name in wanted)
        pending, done = set(jobs), set[Future[dict[str, str]]]()
        while pending:
            ended, pending = wait(pending, _TOLD_S, FIRST_COMPLETED)
            done |= ended
            told(len(done), len(jobs), run.hashed_bytes, total_bytes)
            for job in ended:
                name = jobs[job]
                is_archive = archive_of(name) in chosen
                try:
                    digests = job.result()
                except SourceError as error:
                    yield Finding(error.code, Severity.ERROR, str(error), archive=name)
                    continue
                for one in wanted[name]:
                    if digests[one.algorithm] != one.digest:
                        yield trust.judged(_differs(one, digests[one.algorithm], is_archive), name, one.evidence)
    finally:
        run.stop.set()
        pool.shutdown(cancel_futures=True)


class _Run:
    """What the threads that hash share."""

    def __init__(self, root: Root) -> None:
        self.stop = threading.Event()
        self.hashed_bytes = 0
        self._root = root
        self._lock = threading.Lock()

    def size_bytes(self, name: str) -> int:
        """Of a file, or of an archive in parts; 0 where it cannot be opened, which is told when it is hashed."""
        try:
            with opened(self._root, name) as file:
                return file.size_bytes
        except SourceError:
            return 0

    def digests(self, name: str, algorithms: set[str]) -> dict[str, str]:
        """The hexadecimal digests of one file, by algorithm; raises SourceError."""
        hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
        at_bytes = 0
        with opened(self._root, name) as file:
            while not self.stop.is_set() and (piece := file.read_at(_PIECE_BYTES, at_bytes)):
                at_bytes += len(piece)
                for one in hashes.values():
                    one.update(piece)
                with self._lock:
                    self.hashed_bytes += len(piece)
            if file.changed():
                message = f"{name} changed while it was read; run the same command again when it is complete."
                raise SourceError(message, "archive-changed")
        return {algorithm: one.hexdigest() for algorithm, one in hashes.items()}


def _differs(said: Sum, digest: str, is_archive: bool) -> Finding:
    message = f"its {said.algorithm.upper()} is {digest}, and {said.evidence} says {said.digest}; download it again"
    message += f", or say --trust {said.name.rpartition('/')[2]} if you know that it is right."
    if is_archive:
        return Finding("archive-hash", Severity.ERROR, message, archive=said.name)
    return Finding("file-hash", Severity.ERROR, message, member=said.name)
