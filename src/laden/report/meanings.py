"""What each finding code means, in the words of docs/findings.md: that page is the only place where they stand."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

_ROW = re.compile(r"^\| (?P<codes>`[^|]*`) \|(?P<cells>.*)\|$")
_CODE = re.compile("`([a-z0-9-]+)`")


class Meaning(NamedTuple):
    """Of one code."""

    meaning: str
    advice: str
    """What to do; empty where the page says it elsewhere."""


@cache
def meanings() -> dict[str, Meaning]:
    """Code to meaning; where the page has a code twice, as it stands first."""
    found: dict[str, Meaning] = {}
    for line in _page().splitlines():
        row = _ROW.match(line)
        if row is None:
            continue
        cells = [cell.strip().replace("`", "") for cell in row["cells"].split("|")]
        # The tables are: code, severity, meaning, advice; or code and meaning.
        meaning = Meaning(cells[1], cells[2]) if len(cells) > 2 else Meaning(cells[0], "")
        for code in _CODE.findall(row["codes"]):
            found.setdefault(code, meaning)
    return found


def _page() -> str:
    """The page: in an installed package beside this module, in a working copy where it is written."""
    packed = files("laden.report") / "findings.md"
    if packed.is_file():
        return packed.read_text("utf-8")
    return (Path(__file__).parents[3] / "docs" / "findings.md").read_text("utf-8")
