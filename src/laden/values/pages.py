"""The pages about laden, as they come with it: the documentation that is written once, and read without a network.

In an installed package they lie beside this room, in a working copy where they are written.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

PAGES = {
    "start": "the first hour, with the demo's sample, command by command",
    "loading": "the load itself: the plan, credentials, what it leaves, when something breaks",
    "install": "uv, pipx, pip, PowerShell, proxies, extras, size",
    "selecting": "from columns to a container of a part",
    "get": "out of the container again: to a disk, into shards; lists and differences",
    "use": "a loaded dataset in Python and in training",
    "python": "every command as a function, how it ends, events",
    "changing": "what is there: new versions, what is gone, copies, tiers and tags",
    "history": "what was done to a destination, and when",
    "profiles": "the datasets that are known, and how to describe another",
    "sources": "where the data come from: folders, links, shares, containers, buckets",
    "lock": "lock files, by which others know the same dataset again",
    "machines": "several machines, one load",
    "scale": "what a hundred million images take: measured, simulated, reckoned",
    "azure": "accounts, containers, addresses, sign-in, costs, Azure ML",
    "sas": "shared access signatures: made, read, renewed",
    "findings": "every finding, and what to do about it",
    "exit-codes": "what each exit code means",
    "report": "the page that every load leaves",
    "explore": "the explorer, in the browser",
    "log": "what happened in the night",
    "guarantees": "what laden promises, and the test that holds each promise",
    "benchmarks": "how fast, beside other tools, measured",
    "compared": "what other tools do better, and worse",
    "architecture": "how it is built, and why that way",
}
"""Name and what it is about, in the order in which they are listed."""

_ROW = re.compile(r"^\| (?P<codes>`[^|]*`) \|(?P<cells>.*)\|$")
_CODE = re.compile("`([a-z0-9-]+)`")


class Entry(NamedTuple):
    """What the page on findings says of one code."""

    codes: tuple[str, ...]
    """That share it."""
    heading: str
    severity: str
    """Empty where the page says it of all codes below the heading."""
    meaning: str
    advice: str
    """What to do; empty where the page says it elsewhere."""


def page(name: str) -> str:
    """The Markdown of one of `PAGES`."""
    packed = files("laden") / "pages" / f"{name}.md"
    if packed.is_file():
        return packed.read_text("utf-8")
    return (Path(__file__).parents[3] / "docs" / f"{name}.md").read_text("utf-8")


@cache
def findings() -> dict[str, Entry]:
    """Code to entry of the page on findings; where it has a code twice, as it stands first."""
    found: dict[str, Entry] = {}
    heading, before, of_codes = "", "", False
    for line in page("findings").splitlines():
        heading = line.lstrip("# ") if line.startswith("## ") else heading
        # Tables of options have words in their first cells that are no codes.
        of_codes = before.startswith("| code |") if line.startswith("| ---") else of_codes
        before = line
        row = _ROW.match(line)
        if row is None or not of_codes:
            continue
        cells = [cell.strip().replace("`", "") for cell in row["cells"].split("|")]
        codes = tuple(_CODE.findall(row["codes"]))
        # The tables are: code, severity, meaning, advice; or code and meaning.
        severity, meaning, advice = cells[:3] if len(cells) > 2 else ("", cells[0], "")
        for code in codes:
            found.setdefault(code, Entry(codes, heading, severity, meaning, advice))
    return found
