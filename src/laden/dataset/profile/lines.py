"""In which line of a TOML text a key is set.

The standard parser keeps no positions. This reads the lines for what they set (TOML 1.0, "Keys" and "Table"), for
a text that the parser has already taken. Keys that are written otherwise, as in inline tables, are not found.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*=""")


def line_of(text: str, path: tuple[str, ...], occurrence: int = 0) -> int:
    """The 1-based line that sets a key, or opens a table; 0 where it is not found.

    Args:
        text: of the file.
        path: as in `("table", "columns", "ImageID")`.
        occurrence: which of several `[[table]]` of that name is meant, from 0.
    """
    section: tuple[str, ...] = ()
    arrays = -1
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = tuple(_bare(part) for part in header[2].split("."))
            arrays += header[1] == "[[" and section == path[:1]
            found = section
        elif (key := _KEY.match(line)) is not None:
            found = (*section, _bare(key[1]))
        else:
            continue
        if found == path and arrays in (-1, occurrence):
            return number
    return 0


def _bare(key: str) -> str:
    key = key.strip()
    return key[1:-1] if key[:1] in ("'", '"') else key
