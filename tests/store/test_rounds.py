"""What is measured of requests: rounds, and what comes through between refusals."""

from __future__ import annotations

import pytest

from laden.store.pace import Pace, Phase
from laden.store.rounds import REQUEST_AMOUNT, Begun, Round, Taken


def ended(round_: Round, began_s: float, ended_s: float, *, done: bool = True) -> None:
    begun = Begun(began_s, 0, round_, 0)
    round_.end(ended_s, begun, int(done), int(not done), 0.0)


def test_what_is_taken_is_what_came_through_between_two_refusals() -> None:
    taken = Taken()
    assert taken.refused(1.0) == 0.0
    taken.moved(900.0)
    # Too soon: what a tenth of a second showed would be chance.
    assert taken.refused(1.2) == 0.0
    taken.moved(1_100.0)
    assert taken.refused(2.0) == pytest.approx(2_000.0)


def test_a_calm_between_refusals_does_not_hide_what_was_taken_in_a_shorter_span() -> None:
    taken = Taken()
    taken.refused(0.0)
    taken.moved(100.0)
    taken.refused(10.0)
    taken.moved(1_000.0)
    assert taken.refused(11.0) == pytest.approx(1_000.0)


def test_what_was_taken_long_ago_is_forgotten() -> None:
    taken = Taken()
    taken.refused(0.0)
    taken.moved(1e6)
    assert taken.refused(31.0) == 0.0


@pytest.mark.parametrize("idle", [False, True])
def test_a_time_in_which_nobody_asks_is_no_part_of_what_a_round_shows(idle: bool) -> None:
    round_ = Round(0.0)
    now_s = 0.0
    for number in range(40):
        lull_s = 1.0 if number == 20 else 0.0
        round_.begin(now_s + lull_s, idle=idle and lull_s > 0)
        ended(round_, now_s + lull_s, now_s + lull_s + 0.01)
        now_s += lull_s + 0.01
    asked_s = 0.4 if idle else 1.4
    assert round_.seen().speed == pytest.approx(40 * REQUEST_AMOUNT / asked_s, rel=0.1)


def test_a_rate_is_judged_over_a_tenth_of_a_second_and_a_probe_by_ten_refusals() -> None:
    kept = Pace(rate=2_000.0, phase=Phase.STEADY)
    probe = Pace(rate=2_000.0, phase=Phase.PROBE)
    round_ = Round(0.0)
    for _ in range(60):
        round_.begin(0.0)
        ended(round_, 0.0, 0.09)
    assert not round_.enough(kept)
    assert not round_.enough(probe)
    for _ in range(10):
        round_.begin(0.09)
        ended(round_, 0.09, 0.091, done=False)
    assert not round_.enough(kept)
    assert round_.enough(probe)
    round_.begin(0.1)
    ended(round_, 0.1, 0.101)
    assert round_.enough(kept)
