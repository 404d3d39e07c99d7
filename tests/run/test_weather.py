"""Retries are summed up once a second; an outage is told when it begins and when it is over, with its length."""

from __future__ import annotations

from laden.run.weather import Weather
from laden.store import Retry
from laden.values.events import Event
from laden.values.signs import Outage, Retried


class Sky:
    """A weather whose clock a test moves."""

    def __init__(self) -> None:
        self.now_s = 500.0
        self.told: list[Event] = []
        self.weather = Weather(self.told.append, lambda: self.now_s)

    def failed(self, after_s: float, silent_s: float = 0.0, *, throttled: bool = False) -> None:
        self.now_s += after_s
        self.weather.failed(Retry("busy", 1.0, throttled, silent_s))


def test_a_thousand_refusals_are_a_line_a_second_and_none_is_lost() -> None:
    sky = Sky()
    for number in range(1000):
        sky.failed(0.01, throttled=number % 4 == 0)
    sky.weather.flush()
    told = [event for event in sky.told if isinstance(event, Retried)]
    assert len(told) == len(sky.told) <= 12
    assert sum(event.attempts for event in told) == 1000
    assert sum(event.throttled for event in told) == 250


def test_an_outage_begins_once_and_ends_with_its_length() -> None:
    sky = Sky()
    sky.failed(1, 1)
    assert not any(isinstance(event, Outage) for event in sky.told)
    for silent_s in (12, 30, 60):
        sky.failed(1, silent_s)
    sky.now_s += 30
    sky.weather.went()
    sky.weather.went()
    outages = [event for event in sky.told if isinstance(event, Outage)]
    assert outages == [Outage(12, over=False, reason="busy"), Outage(44, over=True)]


def test_a_silence_is_an_outage_and_no_attempt() -> None:
    sky = Sky()
    sky.weather.failed(Retry("the service is silent", 0.0, False, 10.0, failed=False))
    sky.failed(80, 90)
    sky.now_s += 5
    sky.weather.failed(Retry("", 0.0, False, failed=False))
    sky.weather.flush()
    outages = [event for event in sky.told if isinstance(event, Outage)]
    assert outages == [Outage(10, over=False, reason="the service is silent"), Outage(95, over=True)]
    assert [event.attempts for event in sky.told if isinstance(event, Retried)] == [1]


def test_a_retry_beside_what_works_ends_an_outage_too() -> None:
    sky = Sky()
    sky.failed(1, 20)
    sky.failed(5, 0.1)
    assert [event.over for event in sky.told if isinstance(event, Outage)] == [False, True]
