"""What is drawn on terminals of any width: words stay whole, lines fit, and one line tells how far it is."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from laden.cli.ask import Question
from laden.cli.lines import numbered, say
from laden.cli.live import Line
from laden.cli.terminal import Terminal
from laden.values.events import Event, Found, Measured, Started, Summary
from laden.values.records import Finding, Severity
from laden.values.signs import Counted, Outage, Progress
from tests.cli.test_cli import PLAN

WIDTHS = (60, 80, 120, 200)
LONG = (
    "the image is broken inside: its pixels end before the last line; it is stored as it was published"
    " (leave such out with --damaged skip), and a person should look at it before anybody trains on it"
)


def console(width: int, *, terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, soft_wrap=True, highlight=False)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue()).splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_words_stay_whole_and_what_goes_on_is_indented(width: int) -> None:
    on = console(width)
    say(on, f"  [red]png-pixels-short[/] 0.zip: a.png - {LONG}", 4)
    lines = printed(on)
    assert all(len(line.rstrip()) <= width for line in lines)
    assert len(lines) > 1 or width > 200
    assert all(re.match(" {4}[^ ]", line) for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == f"png-pixels-short 0.zip: a.png - {LONG}"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_path_is_never_taken_apart(width: int) -> None:
    path = "/" + "folder/" * 40 + "x.csv"
    on = console(width)
    say(on, f"All findings: {path}, and as .parquet beside it", 2)
    assert any(path in line for line in printed(on))


def test_in_a_file_a_line_is_a_line() -> None:
    on = console(60, terminal=False)
    say(on, LONG, 4)
    assert printed(on) == [LONG]


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_stand_in_a_column(width: int) -> None:
    on = console(width)
    numbered(on, "Plan", [(160_861, "rows of t.csv"), (3, f"of them where {LONG}")])
    lines = printed(on)
    assert lines[:2] == ["Plan", "  160,861  rows of t.csv"]
    assert lines[2].startswith("        3  of them where")
    assert all(line.startswith(" " * 11) and len(line.rstrip()) <= width for line in lines[3:])


SENDING = Progress(60_000, 160_861, 4 * 10**11, 10**12, 7200.0, 17, bytes_per_s=52_000_000.0, limit="link")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_line_that_moves_fits_and_says_the_most_important_first(width: int) -> None:
    line = Line(console(width))
    line.begin("Sending")
    line.see(SENDING)
    text = line.text().plain
    line.end()
    assert len(text) < width
    assert "400 GB of 1.0 TB" in text
    assert "3 h 12 min left" in text
    assert ("limit: link" in text) == (width >= 80)
    assert ("17 retries" in text) == (width >= 120)


def test_nothing_is_said_of_the_time_left_while_nothing_moves() -> None:
    line = Line(console(120))
    line.begin("Sending")
    line.see(Progress(0, 10, 0, 1000, 30.0, 4, waiting="the service is busy"))
    text = line.text().plain
    line.end()
    assert "left" not in text
    assert "waiting: the service is busy" in text


def test_a_phase_shows_what_it_counts_and_its_seconds() -> None:
    now_s = 50.0
    line = Line(console(80), lambda: now_s)
    line.begin("Reading the table")
    assert line.parts() == ["Reading the table"]
    now_s += 6
    assert line.parts() == ["Reading the table", "6.0 s"]
    first = line.text().plain
    line.see(Counted(1_234_567, "rows read"))
    now_s += 1.125
    assert line.parts() == ["1,234,567 rows read", "7.1 s"]
    assert line.text().plain[0] != first[0], "it moves"
    line.begin("Reading the table")
    assert line.parts()[-1] == "7.1 s", "the next table is the same phase"
    line.end()


def test_where_there_is_no_terminal_a_line_says_how_far_it_is() -> None:
    on = console(80, terminal=False)
    line = Line(on)
    line.begin("Sending")
    line.see(SENDING)
    line.tell()
    line.end()
    (told,) = printed(on)
    assert told.startswith("Sending; 400 GB of 1.0 TB; 3 h 12 min left; 52.0 MB/s")
    assert told.endswith("limit: link; 17 retries")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_whole_run_fits(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    found = Found(Finding("png-pixels-short", Severity.ERROR, LONG, "0.zip", "a.png"))
    events: list[Event] = [
        Started("listing"), Started("table", "t.csv"), Counted(5, "rows read"), PLAN, Started("transfer"), SENDING,
        Outage(12.0, over=False), Outage(80.0, over=True), found,
        Summary("load", rows=9, images=9, complete=True, exit_code=3, findings={"png-pixels-short": 1}),
    ]  # fmt: skip
    terminal = Terminal(quiet=False, verbose=True)
    for event in events:
        terminal.show(event)
    terminal.close()
    out = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    for line in re.split("[\r\n]+", out):
        assert len(line.rstrip()) <= width
    assert "Nothing got through for 12 s" in out
    assert "Something gets through again, after 1 min 20 s" in out


def test_before_the_question_stand_time_cost_and_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(quiet=False, verbose=False)
    terminal.show(replace(PLAN, writes=160_861, assumed_s=83_000.0, place="the container c of the account a"))
    for number in range(10):
        terminal.show(Found(Finding("image-missing", Severity.ERROR, "it is not here", "0.zip", f"{number}.png")))
    terminal.show(Found(Finding("archive-cut", Severity.ERROR, "it is cut off", "1.zip")))
    asked: list[str] = []
    monkeypatch.setattr("laden.cli.ask.agreed", lambda question: not asked.append(question))
    question = Question()
    question.known = terminal.known
    assert question(PLAN)
    assert asked == ["The findings above need a person. Send 905 images anyway?"]
    out = capsys.readouterr().out
    assert "about 23 h 03 min at 12.5 MB/s and 500 images/s, assumed until it is measured" in out
    assert "at least 160,861 writes: 0.88 to 2.90 USD, hot to cold; keeping 2.0 GB: 0.02 to 0.04 USD a month" in out
    assert re.search(r"10\+ +image-missing", out)
    assert out.index("archive-cut") < out.index("image-missing"), "the cause before its symptom"


def test_the_report_is_a_link_and_findings_say_how_to_read_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal(quiet=False, verbose=False)
    terminal.show(Summary("load", complete=True, report_file="out/[1].html", findings_file="f.csv"))
    out = capsys.readouterr().out
    assert re.search(r"\x1b\]8;[^;]*;file:///.*%5B1%5D.html", out)
    assert "out/[1].html" in re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", out)
    assert "laden help findings CODE" in out


def test_where_it_is_measured_that_is_told_and_nothing_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=False, verbose=False)
    terminal.measures = True
    terminal.show(Started("source", "/data/padchest"))
    terminal.show(replace(PLAN, assumed_s=83_000.0))
    terminal.show(Measured(52_000_000.0, 19_000.0))
    out = capsys.readouterr().out
    assert "from /data/padchest" in out
    assert "about 5 h 16 min at 52.0 MB/s, measured just now" in out
    assert "assumed" not in out
    terminal.show(Measured(0.0, 83_000.0))
    assert "assumed until it is measured" in capsys.readouterr().out


def test_a_question_without_a_plan_above_it_tells_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("laden.cli.ask.agreed", lambda question: bool(asked.append(question)))
    Question(alone=True)(PLAN)
    assert asked == ["Send 905 images, 1.0 GB, to the container c of the account a?"]


def test_the_question_is_plain_where_nothing_is_wrong_and_none_where_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("laden.cli.ask.agreed", lambda question: bool(asked.append(question)))
    assert not Question()(PLAN)
    assert Question()(replace(PLAN, send=0, replace=0))
    assert asked == ["Go on?"]


@pytest.mark.parametrize("forced", ["", "1"])
def test_a_name_is_shown_as_it_is(
    forced: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)
    name = "a:smile:[b]_:x:.png"
    terminal = Terminal(quiet=False, verbose=True)
    terminal.show(Found(Finding("png-truncated", Severity.ERROR, f"{name} ends too early", "0.zip", name)))
    terminal.show(Summary("load", complete=True, findings={"png-truncated": 1}))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr()))
    assert " ".join(shown.split()).count(name) == 2
