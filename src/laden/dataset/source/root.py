"""Where a source's files lie: in a folder, or some of them elsewhere.

All paths of a source are relative to its root. Most roots are a folder of this machine. One of which archives or files
lie on other machines stands where a folder stands (`Elsewhere`): it opens those itself, and names a path for the rest.
Who brings such a root is no matter of this package.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from laden.dataset.source.positional import ArchiveFile, Buffer
from laden.values.records import Entry, Finding


@runtime_checkable
class Elsewhere(Protocol):
    """A root of which some archives and files lie on other machines; picklable."""

    folder: Path
    """Where the others lie."""

    def __truediv__(self, name: str) -> Path:
        """The path of a file that is on this machine."""

    def holds(self, name: str) -> bool:
        """Whether that archive or file lies elsewhere."""

    def open(self, name: str) -> ArchiveFile:
        """Open one that lies elsewhere, at the content that it had when it was first looked at.

        Raises `SourceError`.
        """

    def stamp(self, name: str) -> tuple[int, ...]:
        """The stamp that it has now; raises `SourceError`."""

    def entry(self, name: str) -> Entry | Finding:
        """A plain file that lies elsewhere, as an entry, or why it is none."""

    def version(self, name: str) -> tuple[str, str, str]:
        """Where an archive that lies elsewhere is, without secrets, and its ETag and time as its host writes them.

        Either may be empty; both are of an archive in parts. Raises `SourceError`.
        """

    def is_version(self, name: str, etag: str, modified: str) -> bool:
        """Whether an ETag or a time that were noted are those that it has now; raises `SourceError`."""

    def shared_by(self, readers: int) -> Elsewhere:
        """The same, for one of so many processes that read it at once: each asks its hosts for the less at a time."""

    def origin(self, entry: Entry) -> str:
        """Where an entry lies, without secrets, and what vouched for it; empty for one of this machine."""

    def cost(self, entries: Iterable[Entry]) -> tuple[int, int]:
        """How many bytes are fetched, in how many requests, to read these, in this order."""

    def twice(self, name: str) -> str:
        """Why an archive that lies elsewhere is read twice, as a sentence; empty where it is not."""

    def pace(self, entries: Iterable[Entry]) -> float:
        """Bytes a second that come, measured by fetching some of what these lie in; 0 where nothing lies elsewhere."""

    def keep(self, entries: Iterable[Entry]) -> None:
        """These are wanted once more after they were read: their bytes are kept, as far as there is room."""

    def passed(self, entry: Entry, data: Buffer) -> None:
        """An entry was read whole, and is as it was declared."""

    def kept(self, entry: Entry) -> Buffer | None:
        """The bytes of one that was kept, which are let go of with it; None where it has not passed."""

    def expect(self, entries: list[Entry]) -> None:
        """These are going to be read, in this order; those that lie elsewhere are fetched ahead."""


Root = Path | Elsewhere


def name_of(root: Root) -> str:
    """What a source is called: its folder's own name, or the addresses of its links."""
    return root.name if isinstance(root, Path) else str(root)


def folder_of(root: Root) -> Path:
    """The folder of this machine that a source has."""
    return root if isinstance(root, Path) else root.folder
