"""The simulator of large loads: arithmetic that can be held against itself."""

from dataclasses import replace

import pytest
from bench.scale import Case, Measured, Service, plan_range, simulate


def test_more_machines_are_faster_until_the_account_is_the_limit() -> None:
    told = [simulate(replace(Case(), machines=machines)) for machines in (1, 2, 4, 8, 64)]
    assert [one.send_hours for one in told] == sorted((one.send_hours for one in told), reverse=True)
    assert (told[0].bound_by, told[-1].bound_by) == ("links", "ingress of the accounts")
    assert told[-1].send_hours == told[-2].send_hours
    more = simulate(replace(Case(), machines=64, accounts=8))
    assert more.send_hours < told[-1].send_hours / 4


def test_small_images_are_bound_by_requests_and_never_beyond_what_an_account_takes() -> None:
    case = replace(Case(), image_bytes=100_000.0, machines=64)
    told = simulate(case)
    assert told.bound_by == "requests of the accounts"
    assert told.send_hours * 3600 * Service().requests_per_s >= 0.99 * case.images


def test_twice_the_images_take_twice_as_long_and_cost_twice_as_much() -> None:
    one, two = simulate(Case()), simulate(replace(Case(), images=2 * Case().images))
    assert two.hours == pytest.approx(2 * one.hours, rel=0.01)
    assert two.request_usd == pytest.approx(2 * one.request_usd, rel=0.01)


def test_a_slower_processor_shows_where_processors_are_the_limit() -> None:
    case = replace(Case(), image_bytes=100_000.0)
    assert simulate(case).bound_by == "processors"
    slower = simulate(case, Measured(send_cpu_s_per_gb=6.0, send_cpu_s_per_image=800e-6))
    assert slower.send_hours == pytest.approx(2 * simulate(case).send_hours, rel=0.01)


def test_any_range_of_the_hundred_million_can_be_planned() -> None:
    told = plan_range(99_990_000, 10_000)
    assert told["to_send"] == 1_000
    with pytest.raises(ValueError, match="the range ends at"):
        plan_range(99_999_999, 2)
