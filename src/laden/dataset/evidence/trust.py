"""What a publisher says, as text, and which files a person trusts more than that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from laden.values.errors import UsageError
from laden.values.records import Finding, Severity

_MAX_BYTES = 256 << 20
"""Of a list; a million lines have a tenth of that."""


def read_evidence(path: Path) -> str:
    """The text of a checksum file or listing; raises OSError, and ValueError where it is too long to be one."""
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES >> 20} MiB")
    return path.read_bytes().decode("utf-8-sig", "surrogateescape")


class Trust:
    """Turns what contradicts a trusted file into warnings.

    A file is named by its path below the source root or its last segment; to name a list of the publisher's
    (`sha1sums.txt`) means that all it says is doubted.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = frozenset(names)

    def require(self, known: Iterable[str]) -> None:
        """Raise UsageError where a name is none of the source's files, which are given as paths."""
        unknown = set(self._names)
        for path in known:
            unknown -= {path, path.rpartition("/")[2]}
        if unknown:
            raise UsageError(f"--trust names {min(unknown)}, but the source holds no file of that name")

    def judged(self, finding: Finding, subject: str, evidence: str) -> Finding:
        """The finding as it is, or as a warning where the file it is about, or not what was said of it, is trusted."""
        if self._names.isdisjoint(name for path in (subject, evidence) for name in (path, path.rpartition("/")[2])):
            return finding
        return finding._replace(severity=Severity.WARNING, message=f"{finding.message} (trusted, as you asked)")
