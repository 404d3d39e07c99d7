"""The control: what it decides from what it is shown. What that makes of weather is in `test_simulator`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.store.pace import FIRST, LINK_S, MOST, Pace, Phase, Seen, adapt, fixed, most_bytes

seen = st.builds(
    Seen,
    done=st.integers(0, 100_000),
    bad=st.integers(0, 1_000),
    speed=st.floats(0, 1e12),
    full=st.booleans(),
    paced=st.booleans(),
    asked_rest_s=st.floats(0, 60),
    taken=st.floats(0, 1e12),
    passed=st.floats(0, 1e12),
).filter(lambda seen: seen.done + seen.bad)


def live(pace: Pace, speed_of: Callable[[float], float], rounds: int, share: float = 0.0) -> list[Pace]:
    """Let the control live on a link whose throughput is a function of the requests in flight."""
    history = [pace]
    for _ in range(rounds):
        now = history[-1]
        bad = round(share * now.round)
        round_ = Seen(now.round - bad, bad, speed_of(now.flight) * (1 - share), full=True)
        history.append(adapt(now, round_))
    return history


@given(st.lists(seen, max_size=200), st.sampled_from([Pace(), fixed(1), fixed(7), fixed(1_000)]))
def test_stays_within_its_bounds(rounds: list[Seen], pace: Pace) -> None:
    for round_ in rounds:
        pace = adapt(pace, round_)
        assert 1 <= pace.flight <= pace.most
        assert 0 <= pace.usual <= 1
        assert 0 <= pace.rest_s <= 60
        assert 1 <= pace.round <= max(1_000, pace.most)
        assert (pace.rest_s > 0) == (pace.phase is Phase.SILENT)


@given(st.lists(seen, max_size=100))
def test_from_wherever_it_is_a_good_link_brings_it_back(rounds: list[Seen]) -> None:
    pace = Pace()
    for round_ in rounds:
        pace = adapt(pace, round_)
    later = live(pace, lambda flight: flight * 33.0, 400)
    assert later[-1].flight > MOST / 2


def test_grows_by_doubling_until_the_link_is_full() -> None:
    history = live(Pace(), lambda flight: min(flight * 33.0, 3_000.0), 6)
    assert [pace.flight for pace in history] == [FIRST, 32, 64, 128, 256, 128, 128]
    assert history[-1].phase is Phase.STEADY


def test_where_requests_are_for_megabytes_fewer_decide() -> None:
    assert Pace(4, least_round=8).round == 8 < Pace(4).round
    history = live(Pace(4, most=16, before=4, least_round=8), lambda flight: flight * 5.0, 2)
    assert [pace.flight for pace in history] == [4, 8, 16]


def test_a_faster_link_is_found_by_probing() -> None:
    settled = live(Pace(), lambda _: 1_000.0, 10)[-1]
    later = live(settled, lambda flight: flight * 33.0, 100)[-1]
    assert later.flight > 2 * settled.flight


def test_a_link_that_slumps_is_searched_anew() -> None:
    settled = live(Pace(), lambda flight: min(flight, 20.0) * 200, 10)[-1]
    assert settled.phase is Phase.STEADY
    later = live(settled, lambda flight: flight * 5.0, 8)[-1]
    assert later.flight > 4 * settled.flight


def test_idle_places_are_no_reason_for_more() -> None:
    assert adapt(Pace(), Seen(100, 0, 1e6, full=False)).flight == FIRST


@pytest.mark.parametrize("share", [0.01, 0.05, 0.12, 0.3])
def test_a_constant_share_of_refusals_does_not_hold_it_down(share: float) -> None:
    history = live(Pace(), lambda flight: flight * 33.0, 60, share)
    assert max(pace.flight for pace in history) > MOST / 2
    assert sum(pace.phase is Phase.TRIAL for pace in history) < 12


def tried(pace: Pace, seen: Seen) -> Pace:
    """What two such rounds lead to."""
    suspect = adapt(pace, seen)
    assert (suspect.phase, suspect.flight, suspect.rate) == (pace.phase, pace.flight, pace.rate)
    return adapt(suspect, seen)


def test_refusals_that_go_with_fewer_requests_keep_the_rate() -> None:
    pace = tried(replace(Pace(), flight=100.0), Seen(60, 40, 1_000.0, full=True))
    assert pace.phase is Phase.TRIAL
    assert (pace.flight, pace.rate) == (100.0, pytest.approx(950.0))
    after = adapt(pace, Seen(pace.round, 0, 950.0, full=True, paced=True))
    assert after.phase is Phase.STEADY
    assert (after.flight, after.rate) == (100.0, pytest.approx(980.0))
    assert after.usual == 0


def test_refusals_that_stay_are_usual_and_what_was_before_comes_back() -> None:
    before = replace(Pace(), flight=100.0, phase=Phase.STEADY, growing=False, speed=1_000.0)
    pace = tried(before, Seen(80, 20, 1_000.0, full=True))
    assert 0 < pace.rate < 1_000.0
    count = pace.round
    after = adapt(pace, Seen(count - count // 5, count // 5, pace.rate * 0.8, full=True, paced=True))
    assert (after.flight, after.rate) == (before.flight, 0)
    assert after.usual == pytest.approx(0.2, abs=0.01)
    again = Seen(80, 20, 2_000.0, full=True)
    assert adapt(adapt(after, again), again).phase is not Phase.TRIAL


def test_one_bad_round_is_no_reason() -> None:
    pace = adapt(replace(Pace(), flight=100.0), Seen(60, 40, 1_000.0, full=True))
    pace = adapt(pace, Seen(100, 0, 1_000.0, full=False))
    assert adapt(pace, Seen(60, 40, 1_000.0, full=True)).phase is not Phase.TRIAL


def test_what_a_rested_service_takes_at_first_is_not_taken_for_its_limit() -> None:
    """A hundred times the limit at once, then the limit, 1,000: two trials at most find it, whatever was seen first."""
    pace = replace(Pace(), flight=32.0, phase=Phase.STEADY, growing=False)
    for took in (100_000.0, 5_000.0, *[1_000.0] * 20):
        sent = min(pace.rate or 20_000.0, 20_000.0)
        through = min(sent, took)
        bad = round(100 * (1 - through / sent))
        pace = adapt(pace, Seen(100 - bad, bad, through, full=True, paced=pace.rate > 0))
    assert pace.phase is Phase.STEADY
    assert 900 < pace.rate < 1_100


def kept(rate: float) -> Pace:
    """A rate that was found, and is kept."""
    return Pace(flight=64.0, rate=rate, phase=Phase.STEADY, growing=False, speed=rate, quiet=3, patience=18)


def probed(pace: Pace, steps: int) -> Pace:
    """So many probes after each other, all of which brought more."""
    pace = replace(pace, quiet=pace.patience)
    for _ in range(steps):
        pace = adapt(pace, Seen(100, 0, pace.rate, full=True, paced=True))
    return pace


def test_a_refused_probe_leads_back_to_before_the_first_of_its_series() -> None:
    pace = probed(kept(1_960.0), 4)
    assert pace.rate > 2 * 1_960.0
    after = adapt(pace, Seen(50, 20, 3_000.0, full=True, paced=True, taken=2_000.0))
    assert (after.phase, after.rate) == (Phase.STEADY, pytest.approx(1_960.0))
    assert after.patience > 18


def test_a_refused_probe_tells_what_is_taken_and_a_guess_is_probed_again_soon() -> None:
    after = adapt(probed(kept(1_000.0), 6), Seen(50, 20, 3_000.0, full=True, paced=True, taken=1_500.0))
    assert after.rate == pytest.approx(0.98 * 1_500.0)
    assert after.patience < 18


def test_a_rate_that_goes_on_being_refused_a_little_is_trimmed_a_few_times() -> None:
    pace = kept(2_060.0)
    for _ in range(3):
        pace = adapt(pace, Seen(196, 4, 2_000.0, full=True, paced=True, taken=2_000.0))
    assert pace.rate == pytest.approx(0.98 * 2_000.0)
    # What has another cause stays, however little is sent: it must not take the rate with it.
    for _ in range(50):
        pace = adapt(replace(pace, quiet=0), Seen(197, 3, pace.rate, full=True, paced=True, taken=0.985 * pace.rate))
    assert pace.rate > 0.93 * 2_060.0


def test_a_round_in_which_hardly_anybody_asked_does_not_make_a_known_rate_a_trickle() -> None:
    lull = Seen(50, 22, 49.0, full=True, paced=True)
    pace = tried(kept(2_000.0), lull)
    assert (pace.phase, pace.rate) == (Phase.TRIAL, pytest.approx(1_000.0))


def test_a_trial_that_is_refused_even_more_is_repeated_before_it_is_a_verdict() -> None:
    pace = tried(replace(Pace(), flight=120.0, speed=3_000.0), Seen(82, 18, 3_256.0, full=True))
    again = adapt(pace, Seen(40, 21, 2_000.0, full=True, paced=True))
    assert (again.phase, again.again, again.usual) == (Phase.TRIAL, True, 0.0)
    assert again.rate < pace.rate


def test_a_trial_of_a_known_limit_that_stays_a_little_above_it_makes_no_refusals_usual() -> None:
    pace = tried(kept(2_098.0), Seen(142, 8, 2_000.0, full=True, paced=True, taken=2_157.0))
    assert pace.rate > 2_000.0
    for _ in range(2):
        assert pace.phase is Phase.TRIAL
        pace = adapt(pace, Seen(976, 24, 2_000.0, full=True, paced=True))
    assert (pace.phase, pace.usual) == (Phase.STEADY, 0.0)
    assert 1_900.0 < pace.rate < 2_000.0


def test_in_a_crowd_twenty_refusals_after_each_other_are_no_silence() -> None:
    steady = Pace(flight=512.0, phase=Phase.STEADY, growing=False)
    assert steady.silence == 20
    crowded = [replace(steady, phase=Phase.GROWING), replace(steady, suspect=True), replace(steady, rate=2_000.0)]
    assert [pace.silence for pace in crowded] == [256] * 3
    assert Pace(flight=8.0).silence == 20


def test_a_rate_that_holds_nothing_up_is_no_reason_to_stay_small() -> None:
    """The limit is gone: the rate is probed while they wait for it, then the number in flight."""
    pace = Pace(flight=16.0, rate=500.0, phase=Phase.STEADY, growing=False, speed=500.0)
    for _ in range(100):
        places = pace.flight * 33.0
        paced = pace.rate < places
        pace = adapt(pace, Seen(pace.round, 0, min(places, pace.rate), full=True, paced=paced))
    assert min(pace.flight * 33.0, pace.rate) > 10 * 500.0


def test_a_doubling_that_pays_is_kept_in_spite_of_some_refusals() -> None:
    grown = adapt(replace(Pace(), speed=500.0), Seen(17, 3, 900.0, full=True))
    assert (grown.phase, grown.flight) == (Phase.GROWING, 2 * FIRST)
    assert tried(replace(Pace(), speed=500.0), Seen(17, 3, 550.0, full=True)).phase is Phase.TRIAL


def test_what_is_called_usual_is_doubted_now_and_then() -> None:
    pace = replace(Pace(), flight=100.0, usual=0.2, phase=Phase.STEADY, growing=False, speed=1_000.0)
    history = live(pace, lambda _: 1_000.0, 40, share=0.2)
    assert any(later.phase is Phase.TRIAL for later in history)


def test_silence_leaves_one_request_and_rests_and_the_way_back_doubles() -> None:
    pace = replace(Pace(), flight=200.0)
    nothing = Seen(0, 20, 0.0, full=True)
    rests = []
    for _ in range(8):
        pace = adapt(pace, nothing)
        rests.append(pace.rest_s)
        assert (pace.flight, pace.phase, pace.round) == (1, Phase.SILENT, 1)
    assert rests[0] == pytest.approx(0.05)
    assert rests[-1] == 1.0
    flights = [pace.flight for pace in live(pace, lambda flight: flight * 33.0, 6)]
    assert flights == [1, FIRST, 32, 64, 128, 180, 180]


def test_silence_lasts_as_long_as_the_service_asks() -> None:
    assert adapt(Pace(), Seen(0, 20, 0.0, full=True, asked_rest_s=20.0)).rest_s == 20.0


def test_a_link_carries_what_it_carried() -> None:
    assert most_bytes(0.0, 125_000.0) == LINK_S * 125_000
    less = most_bytes(1e9, 125_000.0)
    assert LINK_S * 125_000 < less < 1e9
    assert most_bytes(1e3, 1e9) == LINK_S * 1e9
