"""Progress: from the first byte, with the speed of the last half minute, a few times a second."""

from __future__ import annotations

import asyncio

from laden.run.meter import Meter
from laden.store import Retry
from laden.values.events import Event
from laden.values.signs import Progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def metered() -> tuple[Meter, Clock, list[Progress]]:
    told: list[Progress] = []
    clock = Clock()

    def observe(event: Event) -> None:
        if isinstance(event, Progress):
            told.append(event)

    return Meter(observe, clock), clock, told


def test_planning_and_waiting_at_a_question_do_not_count() -> None:
    meter, clock, told = metered()
    meter.begin(10, 1000)
    clock.now_s += 3600
    meter.step(0)
    clock.now_s += 10
    meter.step(500)
    assert (told[-1].seconds, told[-1].bytes_per_s) == (10.0, 50.0)


def test_only_the_time_in_which_images_move_is_what_a_speed_is_of() -> None:
    meter, clock, _ = metered()
    meter.begin(2, 1000)
    for _ in range(2):
        clock.now_s += 3600
        meter.start()
        clock.now_s += 10
        meter.step(500)
        meter.stop()
    assert meter.moving_s == 20.0


def test_the_speed_is_that_of_the_last_half_minute() -> None:
    meter, clock, told = metered()
    meter.begin(1000, 10**6)
    for _ in range(60):
        clock.now_s += 1
        meter.step(1000)
    for _ in range(40):
        clock.now_s += 1
        meter.step(100)
    assert 99 <= told[-1].bytes_per_s <= 101
    assert told[-1].bytes == 64_000


def test_it_is_told_a_few_times_a_second_and_at_the_end() -> None:
    meter, clock, told = metered()
    meter.begin(1000, 1000)
    for _ in range(1000):
        clock.now_s += 0.001
        meter.step(1)
    assert 4 <= len(told) <= 6
    meter.tell(last=True)
    assert (told[-1].images, told[-1].bytes) == (1000, 1000)


def test_why_it_waits_is_told_until_something_is_settled() -> None:
    meter, clock, told = metered()
    meter.begin(2, 2)
    meter.retried(Retry("the service is busy", 1.0, throttled=True))
    assert (told[-1].waiting, told[-1].retries) == ("the service is busy", 1)
    clock.now_s += 1
    meter.step(1)
    assert (told[-1].waiting, told[-1].retries) == ("", 1)


def test_a_second_reading_begins_anew() -> None:
    meter, clock, told = metered()
    meter.begin(1, 10)
    meter.step(10)
    clock.now_s += 5
    meter.begin(2, 20)
    meter.step(5)
    assert (told[-1].images, told[-1].bytes, told[-1].seconds) == (1, 5, 0.0)


def test_one_word_says_what_limits_and_the_service_comes_first() -> None:
    meter, clock, told = metered()
    meter.begin(10, 10)
    meter.limited("link")
    meter.step(1)
    assert told[-1].limit == "link"
    clock.now_s += 1
    meter.retried(Retry("the service is busy", 1.0, throttled=True))
    clock.now_s += 1
    meter.step(1)
    assert told[-1].limit == "service"
    clock.now_s += 10
    meter.step(1)
    assert told[-1].limit == "link"


def test_what_limited_the_images_is_not_said_of_what_comes_after_them() -> None:
    meter, clock, told = metered()
    meter.begin(1, 1)
    meter.start()
    meter.limited("disk")
    meter.step(1)
    meter.stop()
    assert told[-1].limit == "disk"
    clock.now_s += 1
    meter.retried(Retry("the service did not answer in time", 1.0, throttled=False))
    assert (told[-1].limit, told[-1].waiting) == ("", "the service did not answer in time")


def test_what_comes_right_after_another_is_told_though_nothing_follows_it() -> None:
    clock = Clock()
    told: list[int] = []

    async def work() -> None:
        all_told = asyncio.Event()

        def observe(event: Event) -> None:
            if isinstance(event, Progress):
                told.append(event.images)
                if event.images == 3:
                    all_told.set()

        meter = Meter(observe, clock)
        meter.begin(4, 4)
        for _ in range(3):
            meter.step(1)
        assert told == [1]
        clock.now_s += 1
        await asyncio.wait_for(all_told.wait(), 20)
        assert told == [1, 3]
        for _ in range(2):
            meter.step(0)
        meter.rest()
        assert meter._later is None, "nothing is told behind the end"

    asyncio.run(work())
