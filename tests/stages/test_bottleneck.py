"""What limits a transfer, in one word, from what the window holds."""

from __future__ import annotations

import pytest

from laden.stages.transfer.bottleneck import Bottleneck


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
    now_s = 100.0
    told: list[str] = []
    limit = Bottleneck(told.append, lambda: now_s, lambda: busy * now_s)
    limit.taken(10)
    limit.read(read)
    for _ in range(40):
        now_s += 0.1
        limit.taken(1)
        limit.read(1)
        limit.sent(1)
    assert told == [word], "told once, as long as it does not change"


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
