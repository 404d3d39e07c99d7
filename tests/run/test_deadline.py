"""A SAS that ends too soon is told before anything is sent, and again when what is measured says so."""

from __future__ import annotations

from laden.run.deadline import ASSUMED_BYTES_PER_S, Deadline
from laden.values.events import Event, PlanReady, Started, Warned
from laden.values.signs import Progress

HOUR_S = 3600.0


class Run:
    """A run whose clock a test moves."""

    def __init__(self, ends_s: float) -> None:
        self.now_s = 1_800_000_000.0
        self.seen: list[Event] = []
        self.deadline = Deadline(self.seen.append, lambda: self.now_s)
        self.end_s = self.now_s + ends_s
        self.deadline.ends_s = lambda: self.end_s

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.seen if isinstance(event, Warned)]

    def plan(self, size_bytes: int, items: int = 1, limited_s: float = 0.0) -> None:
        plan = PlanReady(
            profile="p",
            table="",
            rows=items,
            matched=items,
            images=items,
            send=items,
            replace=0,
            compare=0,
            bytes_to_send=size_bytes,
            bytes_in_all=size_bytes,
            limited_s=limited_s,
        )
        self.deadline(plan)

    def sent(self, share: float, after_s: float, total_bytes: int) -> None:
        self.now_s += after_s
        self.deadline(Progress(1, 2, int(share * total_bytes), total_bytes, 0, 0))


def test_every_event_is_passed_on_in_order() -> None:
    run = Run(float("inf"))
    events: list[Event] = [Started("listing"), Warned("x"), Started("transfer")]
    for event in events:
        run.deadline(event)
    assert run.seen == events


def test_a_plan_that_takes_longer_than_the_sas_is_warned_of() -> None:
    run = Run(2 * HOUR_S)
    run.plan(int(3 * HOUR_S * ASSUMED_BYTES_PER_S))
    (told,) = run.warnings
    assert "the SAS ends in 2 h" in told or "the SAS ends in 120 min" in told
    assert "about 3 h" in told
    assert "12.5 MB/s" in told
    assert "--sas-command" in told
    assert isinstance(run.seen[0], PlanReady), "the plan first"


def test_a_cap_makes_it_longer() -> None:
    run = Run(2 * HOUR_S)
    run.plan(1_000, limited_s=3 * HOUR_S)
    (told,) = run.warnings
    assert "about 3 h within --limit" in told


def test_a_plan_that_fits_is_not() -> None:
    run = Run(2 * HOUR_S)
    run.plan(int(1.9 * HOUR_S * ASSUMED_BYTES_PER_S))
    assert run.warnings == []


def test_many_small_images_count_too() -> None:
    run = Run(HOUR_S)
    run.plan(1_000, items=3_600_000)
    assert len(run.warnings) == 1


def test_nothing_to_send_needs_no_time() -> None:
    run = Run(-5)
    run.plan(0, items=0)
    assert run.warnings == []


def test_what_renews_itself_is_not_warned_of() -> None:
    run = Run(float("inf"))
    run.plan(10**15)
    run.deadline(Started("transfer"))
    run.sent(0, 0, 10**15)
    run.sent(0.001, 100, 10**15)
    assert run.warnings == []


def test_what_is_measured_counts_while_it_runs_and_is_told_once() -> None:
    run, total = Run(HOUR_S), 100_000_000_000
    run.deadline(Started("transfer"))
    run.sent(0, 0, total)
    run.sent(0.001, 10, total)
    assert run.warnings == [], "too early to tell"
    for _ in range(5):
        run.sent(0.01, 60, total)
    (told,) = run.warnings
    assert "measured" in told
    assert "more at the" in told


def test_a_load_that_is_fast_enough_is_left_alone() -> None:
    run, total = Run(HOUR_S), 100_000_000_000
    run.deadline(Started("transfer"))
    for share in (0, 0.1, 0.3, 0.5, 0.7, 0.9):
        run.sent(share, 60, total)
    assert run.warnings == []


def test_a_new_sas_is_looked_at_anew() -> None:
    run, total = Run(HOUR_S), 100_000_000_000
    run.deadline(Started("transfer"))
    run.sent(0, 0, total)
    run.sent(0.001, 60, total)
    assert len(run.warnings) == 1
    run.end_s += HOUR_S
    run.sent(0.002, 60, total)
    assert len(run.warnings) == 2
    run.end_s += 1000 * HOUR_S
    run.sent(0.003, 60, total)
    assert len(run.warnings) == 2


def test_time_before_the_sending_does_not_slow_the_estimate() -> None:
    run, total = Run(HOUR_S), 100_000_000_000
    run.deadline(Started("archives"))
    run.sent(0, 1000, total)
    run.deadline(Started("transfer"))
    run.sent(0, 0, total)
    run.sent(0.5, 60, total)
    assert run.warnings == []
