"""Which files of a source are read whole, and so are fetched to this machine: by name, like everything about kinds."""

from __future__ import annotations

import re

from laden.dataset.source import archive_of

_WHOLE = re.compile(
    r".+\.(csv|tsv|txt|json|xml|md|rst|pdf|html?|docx?|xlsx?|ya?ml|toml|md5|sha\d{1,3}|asc|sig)(\.gz)?"
    r"|(.*/)?(license|licence|readme|notice|sha256sums|sha1sums|md5sums)",
    re.IGNORECASE | re.DOTALL,
)


def is_read_whole(name: str) -> bool:
    """Whether a file is a table, a listing, a list of checksums or a document, and no image and no archive."""
    return archive_of(name) is None and bool(_WHOLE.fullmatch(name))
