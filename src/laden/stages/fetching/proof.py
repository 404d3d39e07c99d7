"""Whether a fetched file is what its publisher gave: by a checksum of his, else by the checksums that are in it.

A publisher's digest vouches for every byte; a zip's members each have a CRC-32 in its directory, gzip data have one at
their end. For anything else there is its length alone, which is told. Nothing is changed here. A file that is under way
is proved as one that is there: its root has whoever reads it wait (`arriving`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from laden.dataset.evidence.checksums import Sum
from laden.dataset.source import Reader, archive_of, opened, tars, zips
from laden.dataset.source.gzips import GZIP_MARK
from laden.dataset.source.kinds import is_zip
from laden.dataset.source.root import Root
from laden.values.errors import Interrupted, MemberDamaged, SourceError
from laden.values.records import Entry, Finding, Severity

_PIECE_BYTES = 1 << 20
_BATCH = 256
_SEALED = frozenset({"member-encrypted", "member-method"})
"""Of members whose bytes laden cannot get at, whole or damaged."""


class Proof(NamedTuple):
    """What is known of a file."""

    vouched: bool
    """Whether anything says of all of it what it should be."""
    wrong: list[Finding]
    """What it is not."""
    damaged: list[Entry]
    """Members of a zip whose bytes are not as its directory says."""
    unread: int = 0
    """Members that nobody can hold against their checksum here: encrypted ones, and those of an unknown method."""

    @property
    def harmed(self) -> int:
        """Members of a zip that are not as its directory says, also those that lie elsewhere than it says."""
        return sum(bool(one.member) for one in self.wrong)


def prove(folder: Root, file: str, name: str, sums: Sequence[Sum], stopping: Callable[[], bool]) -> Proof:
    """Hold a file against what vouches for it.

    Args:
        folder: in which it lies.
        file: where in it.
        name: what it is called, or will be.
        sums: what its publisher says of it.
        stopping: asked often.

    Raises:
        Interrupted: asked to stop.
    """
    try:
        if sums:
            wrong = _hashed(folder, file, name, sums, stopping)
            if not (wrong and archive_of(name) == name and is_zip(name)):
                return Proof(True, wrong, [])
            # Which members it is, their own checksums may tell: they can be fetched again by themselves.
            members = _members(folder, file, name, stopping)
            return Proof(True, [*wrong, *members.wrong], members.damaged)
        if archive_of(name) == name and is_zip(name):
            return _members(folder, file, name, stopping)
        if archive_of(name) == name and _is_gzip(folder, file):
            wrong = [one for one in tars.entries(folder, file) if isinstance(one, Finding) and _is_damage(one)]
            return Proof(True, [_renamed(one, file, name) for one in wrong], [])
    except SourceError as error:
        return Proof(True, [_renamed(_finding(error, name), file, name)], [])
    return Proof(False, [], [])


def damaged_members(folder: Root, file: str, stopping: Callable[[], bool]) -> tuple[list[Entry], list[Finding], int]:
    """Read all members of a zip: which are damaged, what is told of these and others, and how many cannot be read.

    What is told is also of members that lie otherwise than the directory says, which alone cannot be put right.

    Raises:
        SourceError: it has no directory that can be read.
    """
    listed = list(zips.contents(folder, file))
    entries = [one for one in listed if isinstance(one, Entry)]
    refused = [one for one in listed if isinstance(one, Finding)]
    misplaced = [one for one in refused if one.code not in _SEALED]
    found: list[tuple[Entry, Finding]] = []
    left = iter(entries)
    with Reader(folder) as reader, ThreadPoolExecutor(os.cpu_count() or 1, "laden-prove") as pool:

        def look(entry: Entry) -> Finding | None:
            try:
                for _ in reader.read(entry, _PIECE_BYTES):
                    pass
            except MemberDamaged as error:
                # What stands in the data's place was packed so.
                if error.code != "file-placeholder":
                    return Finding(error.code, Severity.ERROR, str(error), archive=file, member=entry.member)
            return None

        while batch := list(islice(left, _BATCH)):
            if stopping():
                raise Interrupted("stopped as you asked: run the same command again to go on")
            found += [(entry, one) for entry, one in zip(batch, pool.map(look, batch), strict=True) if one is not None]
    wrong = misplaced + [one for _, one in found]
    return [entry for entry, _ in found], wrong, len(refused) - len(misplaced)


def _members(folder: Root, file: str, name: str, stopping: Callable[[], bool]) -> Proof:
    damaged, wrong, unread = damaged_members(folder, file, stopping)
    return Proof(True, [_renamed(one, file, name) for one in wrong], damaged, unread)


def _hashed(folder: Root, file: str, name: str, sums: Sequence[Sum], stopping: Callable[[], bool]) -> list[Finding]:
    hashes = {one.algorithm: hashlib.new(one.algorithm, usedforsecurity=False) for one in sums}
    with opened(folder, file) as there:
        at_bytes = 0
        while piece := there.read_at(_PIECE_BYTES, at_bytes):
            if stopping():
                raise Interrupted("stopped as you asked: run the same command again to go on")
            at_bytes += len(piece)
            for one in hashes.values():
                one.update(piece)
    return [
        _finding(
            SourceError(
                f"its {one.algorithm.upper()} is {digest}, and {one.evidence} says {one.digest}: delete"
                f" {folder / file}{_and_notes(file)}, and run the same command again",
                "archive-hash" if archive_of(name) else "file-hash",
            ),
            name,
        )
        for one in sums
        if (digest := hashes[one.algorithm].hexdigest()) != one.digest
    ]


def _and_notes(file: str) -> str:
    return f" and {file}.laden" if file.endswith(".part") else ""


def _is_gzip(folder: Root, file: str) -> bool:
    with opened(folder, file) as there:
        return there.read_at(len(GZIP_MARK), 0) == GZIP_MARK


def _is_damage(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR and finding.code.startswith("archive-")


def _finding(error: SourceError, name: str) -> Finding:
    if archive_of(name):
        return Finding(error.code, Severity.ERROR, str(error), archive=name)
    return Finding(error.code, Severity.ERROR, str(error), member=name)


def _renamed(finding: Finding, file: str, name: str) -> Finding:
    """About the file by the name that it is to have."""
    told = finding.message if file == name else finding.message.replace(file, name)
    return finding._replace(archive=name if finding.archive else "", message=told)
