"""A sign of life of what only counts."""

from __future__ import annotations

from laden.run.ticks import Ticks
from laden.values.events import Event
from laden.values.signs import Counted


def test_it_is_told_a_few_times_a_second_and_not_at_all_of_what_is_quick() -> None:
    now_s = 10.0
    told: list[Event] = []
    ticks = Ticks(told.append, "rows read", lambda: now_s)
    for _ in range(40):
        now_s += 0.01
        ticks.add(1000)
    assert told == []
    for _ in range(1000):
        now_s += 0.01
        ticks.add(1000)
    assert 15 <= len(told) <= 21
    last = told[-1]
    assert isinstance(last, Counted)
    assert last.what == "rows read"
    assert 1_000_000 < last.count <= 1_040_000
    ticks.begin()
    now_s += 1
    ticks.add(7)
    assert told[-1] == Counted(7, "rows read")
