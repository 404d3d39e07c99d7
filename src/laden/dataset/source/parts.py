"""An archive that lies in parts (`a.zip.001`, `a.zip.002` ...), read as the one file that they were.

They are never joined on a disk. A part is open only while it is read, so that a thousand of them take no more
descriptors than one. A part that is missing between others shows at once; that the last one is missing shows only
in the archive itself.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, count
from pathlib import Path

from laden.dataset.source.kinds import part_numbers
from laden.dataset.source.positional import PositionalFile, time_ns
from laden.values.errors import SourceError


def find_parts(path: Path) -> list[Path]:
    """The files that are the parts of the archive `path`, in order; none where there are none.

    Raises `SourceError` with code `archive-part` where one between them is missing, and OSError.
    """
    found = part_numbers(path.name, [file.name for file in path.parent.iterdir()])
    if not found:
        return []
    first = 0 if 0 in found else 1
    last = max(found)
    if last - first + 1 != len(found):
        missing = next(number for number in count(first) if number not in found)
        name = f"{path.name}.{missing:0{len(found[last].rpartition('.')[2])}d}"
        raise SourceError(
            f"{name} is missing, one of the parts of {path.name} (the last one here is {found[last]}); download it.",
            "archive-part",
        )
    return [path.with_name(name) for name in found.values()]


class PartsFile:
    """Several files as one (an `ArchiveFile`); `read_at` is safe from any number of threads.

    Raises OSError as `open` and `read` do.
    """

    def __init__(self, parts: Sequence[Path]) -> None:
        self._parts = [str(part) for part in parts]
        self.stamp: tuple[int, ...] = self._stat()
        self.raw_names: dict[int, bytes] | None = None
        self._ends = list(accumulate(self.stamp[::2]))
        self.size_bytes = self._ends[-1]

    @property
    def mtime_ns(self) -> int:
        return max(self.stamp[1::2])

    @property
    def odd_part(self) -> str | None:
        """Name of a part that has not the first one's size, as all but the last usually have: cut off, maybe."""
        sizes = self.stamp[::2]
        odd = next((index for index, size in enumerate(sizes[:-1]) if size != sizes[0]), None)
        odd = len(sizes) - 1 if odd is None and sizes[-1] > sizes[0] else odd
        return None if odd is None else Path(self._parts[odd]).name

    @property
    def last_part(self) -> str:
        """Name of the last part."""
        return Path(self._parts[-1]).name

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        pieces: list[bytes] = []
        at_bytes, end_bytes = offset_bytes, min(offset_bytes + count_bytes, self.size_bytes)
        while at_bytes < end_bytes:
            index = bisect_right(self._ends, at_bytes)
            start_bytes = self._ends[index - 1] if index else 0
            wanted_bytes = min(end_bytes, self._ends[index]) - at_bytes
            with PositionalFile(self._parts[index]) as part:
                piece = part.read_at(wanted_bytes, at_bytes - start_bytes)
            pieces.append(piece)
            if len(piece) < wanted_bytes:
                break
            at_bytes += wanted_bytes
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def changed(self) -> bool:
        return self._stat() != self.stamp

    def close(self) -> None:
        """Nothing is open."""

    def _stat(self) -> tuple[int, ...]:
        stats = [os.stat(part) for part in self._parts]  # noqa: PTH116 - see PositionalFile
        return tuple(number for status in stats for number in (status.st_size, time_ns(status)))
