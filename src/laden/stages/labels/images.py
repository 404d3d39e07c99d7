"""The values of this package."""

from __future__ import annotations

from typing import NamedTuple


class LabelledImage(NamedTuple):
    """An image of the manifest, and its labels."""

    blob: str
    """Name below the destination's prefix."""
    kind: str
    """As in `laden.values.records.ImageFacts`; empty for a file that laden could not look into."""
    width: int
    """In pixels; 0 where it is not known."""
    height: int
    labels: tuple[str, ...]
    """In the order of the table, each once; empty where the table gives none."""


class LabelCounts(NamedTuple):
    """What the images of a load come to."""

    images: int
    """In the manifest."""
    labelled: int
    """Whole, and with a label at least."""
    unlabelled: int
    """Whole, and without: the table's cell is empty, or no row names the image."""
    broken: int
    """Left out of every form: their structure is broken."""
    unreadable: int
    """Rows whose cell cannot be read as labels; they count as giving none."""
