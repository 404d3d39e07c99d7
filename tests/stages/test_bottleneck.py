"""What limits a transfer, in one word, from what the window holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.dataset.source import Reader, file_entries
from laden.stages.transfer import Settings, bottleneck, transfer
from laden.stages.transfer.bottleneck import Bottleneck
from laden.store.folder import FolderStore
from laden.store.retry import Retrying
from laden.values.records import Action, Entry, Item


def words(
    read: int,
    cpu_s: Callable[[float], float],
    *,
    moving: int,
    capped: Callable[[float], bool] = lambda _: False,
) -> list[str]:
    """What is told of four seconds, of ten images of which so many are read; `moving` come and go at each look."""
    now_s = 100.0
    told: list[str] = []
    limit = Bottleneck(told.append, lambda: now_s, lambda: cpu_s(now_s), capped=lambda: capped(now_s))
    limit.taken(10)
    limit.read(read)
    for _ in range(40):
        now_s += 0.1
        limit.taken(moving)
        limit.read(moving)
        limit.sent(moving)
    return told


@pytest.mark.parametrize(
    ("read", "busy", "word"),
    [
        pytest.param(9, 0.1, "link", id="most of the window waits to be sent"),
        pytest.param(9, 1.9, "link", id="whatever the processor does meanwhile"),
        pytest.param(2, 0.1, "disk", id="most of it waits to be read and nothing computes"),
        pytest.param(2, 0.95, "processor", id="most of it waits to be read and a core is busy"),
    ],
)
def test_the_word_is_that_of_the_side_that_is_waited_for(read: int, busy: float, word: str) -> None:
    told = words(read, lambda now_s: busy * now_s, moving=1)
    assert told == [word], "told once, as long as it does not change"


@pytest.mark.parametrize(
    ("read", "held", "word"),
    [
        pytest.param(9, 1.0, "--limit", id="most waits to be sent and the cap holds it"),
        pytest.param(9, 0.6, "--limit", id="mostly"),
        pytest.param(9, 0.3, "link", id="the cap held it now and then"),
        pytest.param(2, 1.0, "disk", id="most waits to be read, whatever is capped"),
    ],
)
def test_a_cap_is_what_limits_where_it_holds_back_what_was_read(read: int, held: float, word: str) -> None:
    # So many of ten looks in a row.
    told = words(read, lambda _: 0.0, moving=0, capped=lambda now_s: round(now_s * 10) % 10 < held * 10)
    assert told == [word]


def test_it_follows_what_changes() -> None:
    now_s = 0.0
    told: list[str] = []
    limit = Bottleneck(told.append, lambda: now_s, lambda: 0.0)
    limit.taken(10)
    for _ in range(20):
        now_s += 0.2
        limit.taken(0)
    limit.read(10)
    for _ in range(20):
        now_s += 0.2
        limit.taken(0)
    assert told == ["disk", "link"]


def test_what_lasted_counts_and_not_how_often_it_was_looked_at() -> None:
    """Small files are read in a burst, and then sent for ten seconds in which nothing happens."""
    now_s = 0.0
    told: list[str] = []
    limit = Bottleneck(told.append, lambda: now_s, lambda: 0.0)
    limit.taken(10)
    for _ in range(10):
        now_s += 0.01
        limit.read(1)
    now_s += 10
    limit.sent(1)
    assert told == ["link"]


@pytest.mark.parametrize(("capped", "word"), [(True, "--limit"), (False, "link")])
def test_a_transfer_asks_its_store_whether_the_cap_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capped: bool, word: str
) -> None:
    monkeypatch.setattr(bottleneck, "_SPAN_S", 0.0)
    (tmp_path / "a.bin").write_bytes(b"123456789")
    (entry,) = file_entries(tmp_path, ["a.bin"])
    assert isinstance(entry, Entry)
    words: list[str] = []

    async def work() -> None:
        there = Retrying(FolderStore(tmp_path / "there"), capped=lambda: capped)
        await there.create()
        items = [Item(entry, "to/a.bin", Action.SEND, "", None)]
        with Reader(str(tmp_path)) as reader:
            async for _ in transfer(items, reader, there, Settings(), on_limit=words.append):
                pass
        await there.close()

    asyncio.run(work())
    assert words[-1] == word
