"""What a small file costs in requests, calls and statements: counted, for time says little on a machine others share.

Two loads of small files, one of twice as many: the difference is what more files cost, whatever a load costs besides.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest
from bench.peers import SAS
from bench.server import Endpoint, endpoint

from laden.relations import Relations
from laden.verbs.load import load

FILES = 256
CALLS_PER_FILE = 600
"""Functions that begin, of Python and of C, and coroutines that go on, in all threads: 490 when this was written, up to
545 on a busy machine, where the loop turns more often for the same answers. Every small file pays for more, so it
should be worth it."""
CALLS_BESIDE = 65_000
"""Of a load, apart from its files, with modules imported before: 32,500 when this was written, up to 56,000 on a busy
machine."""
STATEMENTS = 70
"""That the database executes, however many the files are, and each a millisecond or more: 63 when this was written."""

_ASKING = {ask.__code__ for ask in (Relations.run, Relations.one, Relations.absorb, Relations.feed_columns)}


class Calls:
    """Counts the calls that all threads make, and the statements among them."""

    def __init__(self) -> None:
        self._made: Counter[int] = Counter()
        self.statements = 0

    @property
    def made(self) -> int:
        return self._made.total()

    def __enter__(self) -> Calls:
        threading.setprofile(self._seen)
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]

    def _seen(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call"):
            self._made[threading.get_ident()] += 1
        if event == "call" and frame.f_code in _ASKING:
            self.statements += 1


class Cost(NamedTuple):
    calls: int
    requests: int
    statements: int


def cost_of(files: int, folder: Path, served: Endpoint) -> Cost:
    """What a load of so many files costs."""
    source = folder / str(files)
    source.mkdir()
    for number in range(files):
        (source / f"{number:05d}.bin").write_bytes(number.to_bytes(4, "big") * 100)
    served.empty()
    with Calls() as calls:
        summary = load(source, served.container_url, profile="files")
    assert (summary.exit_code, summary.sent) == (0, files)
    return Cost(calls.made, served.stats()["requests_total"], calls.statements)


def test_a_small_file_costs_one_request_and_a_bounded_number_of_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADEN_SAS", SAS)
    monkeypatch.chdir(tmp_path)
    with endpoint() as served:
        cost_of(8, tmp_path, served)
        some = cost_of(FILES, tmp_path, served)
        more = cost_of(2 * FILES, tmp_path, served)
    per_file = (more.calls - some.calls) / FILES
    print(per_file, some.calls - FILES * per_file, some, more)
    assert more.requests - some.requests == FILES
    assert some.requests - FILES <= 8
    assert per_file <= CALLS_PER_FILE
    assert some.calls - FILES * per_file <= CALLS_BESIDE
    assert some.statements == more.statements <= STATEMENTS
