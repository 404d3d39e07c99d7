"""What is known of each file that was fetched to a folder: `.laden-fetch.jsonl` in it.

The first line says what it is; each other one names a file: its address without query and token, so that a repair needs
no links again (whether something of the link is left out is noted too: then whoever repairs it has to give it), what
its bytes were (`seal`), whether anything vouched for them, and of which content its host said they are. The last line
about a file counts. A file of that name that is none of laden's is neither read nor written; nothing
is written through a link.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from laden.remote.answers import Version
from laden.remote.link import Link
from laden.stages.fetching.seal import Seal
from laden.values.ownfiles import FETCHED_NAME, FETCHED_START
from laden.values.told import from_json


class Origin(NamedTuple):
    """Where a file came from."""

    address: str
    whole: bool
    """Whether the address is the link, with nothing secret left out of it."""
    seal: Seal | None = None
    """What its bytes were when it was fetched, or proved; None where nobody knows."""
    vouched: bool = False
    """Whether a publisher's checksum, or those within it, said then that they are right."""
    version: Version | None = None
    """The content of which they are; None where its host tells nothing of it."""


class Record:
    """The record of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read what is there."""
        self._path = folder / FETCHED_NAME
        self.origins: dict[str, Origin] = {}
        self._is_own = True
        with suppress(OSError):
            odd = self._path.is_symlink() or self._path.is_fifo()
            lines = [b""] if odd else self._path.read_bytes().splitlines()
            self._is_own = bool(lines) and lines[0] == FETCHED_START.encode()
            for line in lines[1:] if self._is_own else ():
                with suppress(ValueError, TypeError, KeyError):
                    told = from_json(line)
                    self.origins[str(told["name"])] = _origin(told)

    def note(
        self, name: str, link: Link, seal: Seal | None = None, *, vouched: bool = False, version: Version | None = None
    ) -> None:
        """Note where a file came from, and what it is. Raises `OSError`."""
        origin = Origin(link.address, link.url == link.address, seal, vouched, version)
        if not self._is_own or self.origins.get(name) == origin:
            return
        self.origins[name] = origin
        told = {"name": name, "from": origin.address, "whole": origin.whole}
        if seal is not None:
            told |= {"seal": list(seal), "vouched": vouched, "version": list(version) if version else None}
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._path, flags, 0o666), "ab") as file:
            # A kill may have left half a line, which is none.
            begun = b"\n" if file.tell() else FETCHED_START.encode() + b"\n"
            file.write(begun + json.dumps(told).encode() + b"\n")


def _origin(told: dict[str, Any]) -> Origin:
    """What a line says; raises ValueError, TypeError or KeyError."""
    origin = Origin(str(told["from"]), told["whole"] is True)
    if "seal" not in told:
        return origin
    size_bytes, block_bytes, digest = told["seal"]
    version = Version(int(told["version"][0]), *map(str, told["version"][1:])) if told["version"] else None
    seal = Seal(int(size_bytes), max(1, int(block_bytes)), str(digest))
    return origin._replace(seal=seal, vouched=told["vouched"] is True, version=version)
