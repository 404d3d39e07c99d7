"""Events as lines of JSON."""

import json
from dataclasses import fields

import pytest

from laden.values.events import Event, Found, PlanReady, Started, Summary, Warned, ignore, to_json
from laden.values.records import Finding, Severity
from laden.values.signs import Progress

PLAN = PlanReady(
    profile="p",
    table="t.csv",
    rows=3,
    matched=2,
    missing=1,
    images=2,
    send=2,
    replace=0,
    compare=0,
    bytes_to_send=20,
    bytes_in_all=20,
    archives_absent=("7.zip",),
    examples=("png/0/a.png",),
)
EVENTS: list[Event] = [
    Started("table", "t.csv"),
    Warned("beware"),
    PLAN,
    Progress(1, 2, 10, 20, 0.5, 0),
    Summary("load", rows=3, findings={"image-missing": 1}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_a_line_holds_every_field_and_its_kind_first(event: Event) -> None:
    line = to_json(event)
    assert "\n" not in line
    read = json.loads(line)
    assert next(iter(read)) == "event"
    assert read.pop("event") == event.event
    assert set(read) == {field.name for field in fields(event)}
    assert read == json.loads(json.dumps({name: getattr(event, name) for name in read}))


def test_a_finding_s_fields_stand_in_the_line_itself() -> None:
    finding = Finding("image-missing", Severity.ERROR, "it is not here", "0.zip", "a.png", 7, "png/0/a.png")
    assert json.loads(to_json(Found(finding))) == {"event": "finding", **finding._asdict()}


@pytest.mark.parametrize("text", ["\u4e2d\u00e4", "a\nb\u2028c", "\udcff", '"\\', "\x1b[31m"])
def test_any_name_is_one_line_of_plain_ascii(text: str) -> None:
    line = to_json(Warned(text))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text


def test_ignoring_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    ignore(Warned("x"))
    assert capsys.readouterr() == ("", "")
