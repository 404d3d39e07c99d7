"""Where each file of a folder was fetched from: `.laden-fetch.jsonl` in it, so that a repair needs no links again.

The first line says what it is; each other one names a file and its address without query and token. Whether something
of the link is left out is noted too: then whoever repairs it has to give the link again. The last line about a file
counts. A file of that name that is none of laden's is neither read nor written; nothing is written through a link.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from laden.remote.link import Link
from laden.values.ownfiles import FETCHED_NAME, FETCHED_START


class Origin(NamedTuple):
    """Where a file came from."""

    address: str
    whole: bool
    """Whether the address is the link, with nothing secret left out of it."""


class Record:
    """The record of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read what is there."""
        self._path = folder / FETCHED_NAME
        self.origins: dict[str, Origin] = {}
        self._is_own = True
        with suppress(OSError):
            lines = self._path.read_bytes().splitlines() if not self._path.is_symlink() else [b""]
            self._is_own = bool(lines) and lines[0] == FETCHED_START.encode()
            for line in lines[1:] if self._is_own else ():
                with suppress(ValueError, TypeError, KeyError):
                    told = json.loads(line)
                    self.origins[str(told["name"])] = Origin(str(told["from"]), told["whole"] is True)

    def note(self, name: str, link: Link) -> None:
        """Note where a file came from. Raises `OSError`."""
        origin = Origin(link.address, link.url == link.address)
        if not self._is_own or self.origins.get(name) == origin:
            return
        self.origins[name] = origin
        line = json.dumps({"name": name, "from": origin.address, "whole": origin.whole})
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._path, flags, 0o666), "ab") as file:
            # A kill may have left half a line, which is none.
            begun = b"\n" if file.tell() else FETCHED_START.encode() + b"\n"
            file.write(begun + line.encode() + b"\n")
