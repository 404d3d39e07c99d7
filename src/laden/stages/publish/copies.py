"""Reads what is copied as it is into the run's own folder, and looks at it as at an image: whom may it name?

What an image must not carry out of the house, a file beside the images must not either. Nothing is sent here.
"""

from __future__ import annotations

from pathlib import Path

from laden.dataset.images import Phi, checker
from laden.dataset.source import Reader
from laden.run.receipts import named_beside
from laden.values.errors import SourceError
from laden.values.records import Entry, Finding, Severity

_BLOCK_BYTES = 32 << 20


class Copies:
    """The copies of one run."""

    def __init__(self, folder: Path, phi: Phi) -> None:
        """Copy into that folder; `phi` is what becomes of what may say who a person is."""
        self._folder = folder
        self._phi = phi
        self._count = 0

    def take(self, name: str, entry: Entry, reader: Reader, findings: list[Finding], *, there: bool) -> Path | None:
        """A copy of a file or member; None where it cannot be read, or is held back, which is told.

        Args:
            name: under which it is to land.
            entry: of the source.
            reader: of the source.
            findings: what is told is added.
            there: whether a file of that name is in the destination.

        Raises:
            SourceError: it changed since it was surveyed.
        """
        self._count += 1
        path = self._folder / f"copy-{self._count}"
        check = checker(entry.member, "structure", entry.size_bytes, identity=True) if self._phi != "off" else None
        try:
            with path.open("wb") as file:
                for buffer in reader.read(entry, _BLOCK_BYTES):
                    file.write(buffer)
                    if check is not None:
                        check.feed(buffer)
        except SourceError as error:
            if error.is_change or not reader.has(entry):
                raise
            findings.append(Finding(error.code, Severity.ERROR, str(error), archive=entry.archive, member=entry.member))
            return None
        image = check.finish() if check is not None else None
        if image is None or not image.identity:
            return path
        findings.append(named_beside(image, self._phi, entry, name, there=there))
        return None if self._phi == "stop" else path
