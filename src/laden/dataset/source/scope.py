"""Which of a source's files and members are meant, and how what is there is to be read.

A pattern is a glob in the notation of `fnmatch` (`*` crosses slashes). One without a slash is held against each name of
a path, folders too, so that `lost+found` leaves out a folder wherever it lies; one with a slash against the path from
the source on, and against each folder of it. Members of archives have the path within their archive, and that behind
their archive's own (`0.zip/a.png`).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate

from laden.values.errors import UsageError


@dataclass(frozen=True, slots=True)
class Scope:
    """What a person said of the source as a whole; raises UsageError for an encoding that there is none of."""

    exclude: tuple[str, ...] = ()
    """Patterns of what is left out."""
    include: tuple[str, ...] = ()
    """Patterns of which files and members must match one; tables and archives need not."""
    follow_links: bool = False
    """Whether links are followed that lead out of the source, or to folders."""
    encoding: str | None = None
    """Of names in archives that do not say how their letters are encoded."""

    def __post_init__(self) -> None:
        try:
            if self.encoding is not None:
                "".encode(codecs.lookup(self.encoding).name)
        except (LookupError, ValueError) as error:
            message = f"--names {self.encoding} is no encoding of texts: give cp932, gbk, cp1252, latin-1 or the like"
            raise UsageError(message) from error

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return bool(self.exclude or self.include)

    def leaves_out(self, path: str, archive: str = "") -> bool:
        """Whether the file (or folder) at `path`, or the member of an archive, is excluded."""
        return _matches(self.exclude, path, archive)

    def holds(self, path: str, archive: str = "") -> bool:
        """Whether the file or member is one that is meant: not excluded, and included where anything must be."""
        return not self.leaves_out(path, archive) and (not self.include or _matches(self.include, path, archive))


def _matches(patterns: tuple[str, ...], path: str, archive: str) -> bool:
    return any(_fits(pattern.removeprefix("./").rstrip("/"), path, archive) for pattern in patterns)


def _fits(pattern: str, path: str, archive: str) -> bool:
    whole = f"{archive}/{path}" if archive else path
    if "/" not in pattern:
        return any(fnmatchcase(name, pattern) for name in whole.split("/"))
    places = [whole, path] if archive else [whole]
    return any(fnmatchcase(place, pattern) for one in places for place in accumulate(one.split("/"), "{}/{}".format))
