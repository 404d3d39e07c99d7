"""The controller: what it does over time against simulated links, and that nothing drives it out of its bounds."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from laden.store.pace import FEWEST, FIRST, MOST, Pace, Seen, adapt

seen = st.builds(
    Seen,
    seconds=st.floats(0.01, 10),
    done=st.integers(0, 100_000),
    amount=st.floats(0, 1e12),
    throttled=st.integers(0, 1_000),
    broken=st.integers(0, 1_000),
    full=st.booleans(),
)


def run(pace: Pace, speed_of: object, windows: int) -> list[Pace]:
    """Let the controller live on a link whose throughput is a function of the number of connections."""
    history = [pace]
    for _ in range(windows):
        speed = speed_of(history[-1].connections)  # type: ignore[operator]
        history.append(adapt(history[-1], Seen(1.0, int(speed), speed, 0, 0, full=True)))
    return history


@given(st.lists(seen, max_size=200))
def test_stays_within_its_bounds(windows: list[Seen]) -> None:
    pace = Pace()
    for window in windows:
        pace = adapt(pace, window)
        assert FEWEST <= pace.connections <= MOST
        assert pace.per_s >= 1


def test_latency_bound_link_grows_until_the_link_is_full() -> None:
    # 30 ms a request: 33 a second for each connection, 10,000 in all.
    history = run(Pace(), lambda connections: min(connections * 33.0, 10_000.0), 8)
    assert history[-1].connections >= 256
    assert [pace.connections for pace in history[:5]] == [64, 128, 256, 512, 512]


def test_more_connections_that_bring_nothing_are_given_back() -> None:
    history = run(Pace(), lambda _: 3_000.0, 10)
    assert history[1].connections == 2 * FIRST
    assert {pace.connections for pace in history[2:]} == {FIRST}


def test_a_faster_link_is_found_by_probing() -> None:
    settled = run(Pace(), lambda _: 1_000.0, 10)[-1]
    later = run(settled, lambda connections: connections * 33.0, 300)[-1]
    assert later.connections > 2 * settled.connections


def test_idle_connections_are_no_reason_to_open_more() -> None:
    pace = adapt(Pace(), Seen(1.0, 100, 1e6, 0, 0, full=False))
    assert pace == Pace()


def test_throttling_sets_a_rate_just_below_what_went_through() -> None:
    pace = adapt(Pace(), Seen(1.0, 2_000, 1e6, 900, 0, full=True))
    assert 1_900 <= pace.per_s < 2_000
    assert pace.connections == FIRST


def test_a_lasting_limit_is_met_with_few_refusals() -> None:
    # A service that takes 2,000 a second and refuses the rest; windows of a quarter second.
    pace, refused, done = Pace(), 0.0, 0.0
    for _ in range(400):
        wanted = min(pace.per_s, 6_000.0) / 4
        taken = min(wanted, 500.0)
        refused, done = refused + wanted - taken, done + taken
        pace = adapt(pace, Seen(0.25, int(taken), taken, math.ceil(wanted - taken), 0, full=True))
    assert refused / (refused + done) < 0.1
    assert done / 100 > 0.85 * 2_000


def test_the_rate_is_forgotten_when_it_no_longer_binds() -> None:
    pace = adapt(Pace(per_s=2_000.0), Seen(1.0, 100, 1e6, 0, 0, full=True))
    assert pace.per_s == math.inf


def test_broken_connections_halve_the_number() -> None:
    pace = adapt(Pace(connections=128, proven=128), Seen(1.0, 10, 1e6, 0, 100, full=True))
    assert pace.connections == 64
    assert not pace.growing
