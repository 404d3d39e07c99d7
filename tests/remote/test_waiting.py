"""While a source on another machine is looked at, a host that answers again and again with weather is told of."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from laden.cli.live import Line
from laden.run.meter import Meter
from laden.store import Retry
from laden.values.errors import Interrupted
from laden.values.events import Event, Started, Summary
from laden.values.signs import Progress
from laden.verbs.fetch import fetch
from laden.verbs.load import load
from tests.remote.server import Play, Server


def fetched(link: str, folder: Path, **doing: object) -> Summary:
    return fetch([link], folder, **doing)  # type: ignore[arg-type]


def loaded(link: str, folder: Path, **doing: object) -> Summary:
    return load(link, folder, **doing)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("verb", [fetched, loaded])
def test_why_it_waits_is_told_while_it_looks_at_the_source(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, verb: Callable[..., Summary]
) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("laden.remote.wire._LOOK_S", 0.05)
    server.play = lambda _: Play(status=status)
    told: list[str] = []
    stages: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Started):
            stages.append(event.stage)
        elif isinstance(event, Progress) and event.waiting:
            told.append(event.waiting)

    link = server.put("0.zip", b"PK")
    with pytest.raises(Interrupted):
        verb(link, tmp_path / "to", observer=observe, stopping=lambda: bool(told) or len(server.calls) > 11)
    assert f"answered {status}" in told[0]
    assert stages[-1] == "source"


def test_the_line_says_why_and_stops_to_say_so() -> None:
    now_s = 0.0
    events: list[Event] = []
    meter = Meter(events.append, clock=lambda: now_s)
    line = Line(Console(), clock=lambda: now_s)
    line.begin("Looking at the source")
    meter.retried(Retry("example.org answered 429", 10.0, throttled=True))
    now_s = 30.0
    meter.lapse()
    line.see([event for event in events if isinstance(event, Progress)][-1])
    line.end()
    assert line.parts() == ["Looking at the source", "30 s", "waiting: example.org answered 429"]
    now_s = 60.0
    meter.lapse()
    line.see([event for event in events if isinstance(event, Progress)][-1])
    line.end()
    assert line.parts() == ["Looking at the source", "1 min 00 s"]
