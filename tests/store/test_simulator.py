"""What the control of requests makes of bad weather, in virtual time, against the ideal of each case."""

from __future__ import annotations

import pytest

from laden.store.pace import LINK_S
from tests.store.simulator import CASES, Case
from tests.store.weather import Weather, play


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_weather_costs_little(case: Case) -> None:
    played = case.play()
    assert played.failed == 0
    assert played.service.taken == case.puts
    assert played.seconds <= case.bound * case.ideal_s
    assert played.service.refused <= case.refused_at_most * played.service.asked


@pytest.mark.parametrize("mbit_per_s", [0.25, 1, 10, 100])
def test_no_more_is_under_way_than_a_link_carries_in_half_a_minute(mbit_per_s: float) -> None:
    bytes_per_s = mbit_per_s * 125_000
    size_bytes = 2_000_000
    played = play(Weather(link_bytes_per_s=bytes_per_s), 200, size_bytes=size_bytes)
    assert played.service.link is not None
    # One may always go, and the one that fills the link up is let in whole; before the first end little is known.
    allowed_bytes = max(LINK_S * bytes_per_s + size_bytes, 3 * size_bytes)
    assert played.service.link.most_bytes <= allowed_bytes
    assert played.service.asked == 200


@pytest.mark.parametrize("silent", [False, True])
def test_an_outage_is_asked_about_a_few_times_a_second(silent: bool) -> None:
    played = play(Weather(down=((0.5, 120.5),), silent=silent), 8_000)
    in_it = [at_s for at_s in played.service.asked_at_s if 5.0 <= at_s < 120.5]
    assert 100 < len(in_it) < 140
    assert played.seconds < 120.5 + 5


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_a_number_that_the_user_fixed_is_never_exceeded_and_comes_back(connections: int) -> None:
    played = play(Weather(down=((0.2, 10.2),)), 3_000, connections=connections)
    assert played.failed == 0
    assert played.store.pace.flight >= 0.9 * connections
    assert played.store.pace.most == connections


def test_a_destination_that_is_gone_for_good_ends_it_within_the_patience() -> None:
    # All that fail do so after the patience: nothing is asked for an hour in vain.
    played = play(Weather(down=((0.1, 1e9),)), 1_500)
    assert played.service.taken + played.failed == 1_500
    assert played.failed > 100
    assert len([at_s for at_s in played.service.asked_at_s if 10 < at_s < 590]) < 600


def test_a_thing_that_is_refused_for_ever_gives_up_while_others_go_through() -> None:
    played = play(Weather(refused=0.9), 300)
    assert played.service.taken + played.failed == 300
    assert 0 < played.failed < 100
