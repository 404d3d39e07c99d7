"""Where the SAS of a run comes from, and that whatever a program or person gives is checked before it is used."""

from __future__ import annotations

import asyncio
import shlex
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path

import pytest

from laden.stages.engine.asking import SasAsker, answer
from laden.store import FolderDestination, parse_destination, program
from laden.store.access import Access, Renewal
from laden.store.credentials import find_credential
from laden.store.program import printed_sas, words_of
from laden.store.sas import lacking_for_load
from laden.values.errors import AccessDenied, Interrupted, UsageError

AZURE = "https://acct.blob.core.windows.net/cont"
FIRST = "sp=rcwl&se=2999-01-01&sig=Zmlyc3Q%3D"
SECOND = "sp=rcwl&se=2999-01-02&sig=c2Vjb25k"
ENDED = "sp=rcwl&se=2020-01-02&sig=ZW5kZWQ"


def access(
    command: str | None = None,
    ask: Callable[[str, Callable[[], bool]], str] | None = None,
    sas: str = FIRST,
    tell: Callable[[str], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Access:
    target = parse_destination(f"{AZURE}?{sas}" if sas else AZURE)
    return Access(target, lacking_for_load, Renewal(command, ask), tell=tell, stopping=stopping)


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def printing(text: str) -> str:
    return python(f"print({text!r})")


class Person:
    """Answers from a list, and notes what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, why: str, _: Callable[[], bool]) -> str:
        self.asked.append(why)
        return self.answers.pop(0)


def test_the_one_that_is_there_comes_first() -> None:
    for one in (access(printing(SECOND)), access(ask=Person())):
        assert one.source is one
        assert one.fresh("", refused=False) == FIRST


def test_without_program_and_person_there_is_no_source() -> None:
    assert access().source is None
    assert access(sas="", ask=Person()).source is None, "a key or a sign-in renews itself"
    assert access(sas="").ends_s() == float("inf")


def test_a_person_is_not_asked_before_the_end_and_a_program_is() -> None:
    person = Person(SECOND)
    asking, running = access(ask=person), access(printing(SECOND))
    assert asking.fresh(FIRST, refused=False) == FIRST
    assert person.asked == []
    assert running.fresh(FIRST, refused=False) == SECOND
    assert (asking.ends_s() < float("inf"), running.ends_s()) == (True, float("inf"))


def test_a_program_alone() -> None:
    one = access(printing(SECOND), sas="")
    credential = find_credential(parse_destination(AZURE), one.source)
    grant = asyncio.run(credential.grant())
    assert grant.query == SECOND
    assert grant.expires_s < float("inf")


@pytest.mark.parametrize(
    "text",
    [
        SECOND,
        f"?{SECOND}",
        f'"{SECOND}"',
        f"'{SECOND}'",
        f"{AZURE}?{SECOND}",
        f"WARNING: x\\n{SECOND}\\n",
        f"{AZURE}/p?{SECOND}",
    ],
)
def test_a_sas_as_programs_print_it(text: str) -> None:
    assert access(printing(text.replace("\\n", "\n"))).fresh(FIRST, refused=True) == SECOND


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('')", "printed no SAS"),
        (f"print({SECOND!r}); print({FIRST!r})", "printed several SAS"),
        (f"print({FIRST!r})", "does not accept any more"),
        (f"print({ENDED!r})", "it ended already"),
        ("print('sp=r&sig=eA')", "lacks 'list'"),
        ("print('sp=rcwl&sr=b&sig=eA')", "single blob"),
        (f"print({AZURE.replace('cont', 'other') + '?' + SECOND!r})", "another container"),
        (f"print({AZURE.replace('acct', 'other') + '?' + SECOND!r})", "another container"),
        ("print('sig=eA sp=rcwl')", "no query string can hold"),
        ("raise SystemExit(7)", "exit code 7"),
        (f"print({SECOND!r}); raise SystemExit(1)", "exit code 1"),
        ("print('x' * 100_000)", "printed no SAS"),
    ],
)
def test_what_a_program_gives_is_checked(code: str, told: str) -> None:
    with pytest.raises(AccessDenied, match=told) as raised:
        access(python(code)).fresh(FIRST, refused=True)
    assert "sig=" not in str(raised.value)


def test_its_stderr_is_told_without_secrets() -> None:
    told: list[str] = []
    code = f"import sys; print('refreshing', {SECOND!r}, 'AccountKey=abc;', file=sys.stderr); print({SECOND!r})"
    access(python(code), tell=told.append).fresh(FIRST, refused=True)
    assert len(told) == 1
    assert "refreshing" in told[0]
    assert "c2Vjb25k" not in told[0]
    assert "abc" not in told[0]


@pytest.mark.parametrize("width", [64, 76, 100], ids=["openssl base64", "base64", "in one line"])
@pytest.mark.parametrize("before", ["", "\0", "\x1b[31m"], ids=["plain", "broken by what no terminal shows", "in red"])
def test_a_bare_account_key_is_not_shown_however_it_is_broken_into_lines(width: int, before: str) -> None:
    told: list[str] = []
    key = "A1b2C3d4" * 10 + "A1b2C3=="
    lines = "\n".join(key[at : at + width] for at in range(0, len(key), width))
    shown = f"key {before}{lines[:30]}{before and chr(0)}{lines[30:]}"
    access(python(f"import sys; print({shown!r}, file=sys.stderr); print({SECOND!r})"), tell=told.append).fresh(
        FIRST, refused=True
    )
    assert len(told) == 1
    assert not [part for part in (key[:20], key[40:60], key[66:]) if part in told[0]]


def test_it_is_no_shell(tmp_path: Path) -> None:
    marked = tmp_path / "marked"
    with pytest.raises(AccessDenied):
        access(f"{printing('nothing')} ; touch {marked} && $(touch {marked})").fresh(FIRST, refused=True)
    assert not marked.exists()


@pytest.mark.parametrize(
    ("command", "told"), [("", "empty"), ("  ", "empty"), ("'open", "quote"), ("no-such-program x", "no-such-program")]
)
def test_a_command_that_cannot_run_is_wrong_usage(command: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        words_of(command)


def test_a_folder_needs_no_sas(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder"):
        Access(FolderDestination(tmp_path), lacking_for_load, Renewal("true"))
    assert Access(FolderDestination(tmp_path), lacking_for_load, Renewal(None, Person())).source is None


def test_a_program_that_takes_too_long_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "TIMEOUT_S", 2)
    child = tmp_path / "child"
    words = words_of(f"sh -c {shlex.quote(f'sleep 60 & echo $! > {child}; wait')}")
    with pytest.raises(AccessDenied, match="within"):
        printed_sas(words, lambda: False, lambda _: None)
    pid = int(child.read_text())
    until_s = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_run_that_stops_ends_it() -> None:
    stop = threading.Event()
    one = access(python("import time; time.sleep(60)"), stopping=stop.is_set)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one.fresh, FIRST, refused=True)
        stop.set()
        with pytest.raises(Interrupted):
            waiting.result(20)


def test_closing_ends_it_too() -> None:
    one = access(python("import time; time.sleep(60)"))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one.fresh, FIRST, refused=True)
        one.close()
        with pytest.raises(Interrupted):
            waiting.result(20)


def test_a_program_runs_once_for_all_who_need_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    one = access(python(f"open({str(runs)!r}, 'a').write('x'); print({SECOND!r})"))
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda _: one.fresh(FIRST, refused=True), range(8)))
    assert set(given) == {SECOND}
    assert runs.read_text() == "x"


def test_a_failure_is_found_once_for_all_who_need_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    one = access(python(f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(1)"))
    for _ in range(4):
        with pytest.raises(AccessDenied, match="exit code 1"):
            one.fresh(FIRST, refused=True)
    assert runs.read_text() == "x"


def test_a_person_is_told_what_is_wrong_and_asked_again() -> None:
    person = Person("nonsense", f"{AZURE}x?{SECOND}", SECOND)
    assert access(ask=person).fresh(FIRST, refused=True) == SECOND
    assert [
        "not accept" in person.asked[0],
        "no signature" in person.asked[1],
        "another container" in person.asked[2],
    ] == [
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("answers", [[""], ["x", "y", "z", SECOND], ["x", ""]])
def test_a_person_may_give_up(answers: list[str]) -> None:
    person = Person(*answers)
    one = access(ask=person)
    for _ in range(3):
        with pytest.raises(AccessDenied, match="no new SAS"):
            one.fresh(FIRST, refused=True)
    assert len(person.asked) <= 3, "and is not asked again"


@pytest.mark.parametrize(("sas", "told"), [("sp=rl&sig=eA", "'write' (w)"), ("sp=rcw&sig=eA", "'list' (l)")])
def test_what_is_missing_is_told_at_once(sas: str, told: str) -> None:
    with pytest.raises(AccessDenied, match="laden sas https://acct") as raised:
        access(sas=sas)
    assert told in str(raised.value)
    assert "eA" not in str(raised.value)


def test_a_worker_gets_it_through_a_pipe() -> None:
    ours, theirs = Pipe()
    answering = threading.Thread(target=answer, args=(ours, access(printing(SECOND))))
    answering.start()
    asker = SasAsker(theirs)
    assert asker.ahead
    assert asker.fresh("", refused=False) == FIRST
    assert asker.fresh(FIRST, refused=True) == SECOND
    with pytest.raises(AccessDenied, match="any more"):
        asker.fresh(SECOND, refused=True)
    theirs.close()
    answering.join(10)
    assert not answering.is_alive()


def test_a_worker_whose_coordinator_is_gone_ends() -> None:
    ours, theirs = Pipe()
    ours.close()
    with theirs, pytest.raises(Interrupted):
        SasAsker(theirs)
