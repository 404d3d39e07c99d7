"""A SAS that ends in the middle of a load: really waited for, against the emulator, with a proxy that counts."""

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import AccessPolicy, ContainerSasPermissions, generate_container_sas

from laden.demo.emulator import Emulator
from laden.stages.engine import processes
from laden.values.errors import AccessEnded
from laden.values.events import Event, Summary
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import COMMAND, Proxy, Ran, client, content, ended, kill, landed, run, start

IMAGES, THIRD = 60, 20
CONNECTIONS = 4


def signed(emulator: Emulator, url: str, life_s: float, permission: str = "rcwl") -> tuple[str, float]:
    """A SAS for a container, and when it ends."""
    now = datetime.now(UTC)
    # A SAS knows whole seconds only, and what is left of one is cut off.
    expiry = (now + timedelta(seconds=life_s + 1)).replace(microsecond=0)
    query = generate_container_sas(
        emulator.account,
        urlsplit(url).path.split("/")[2],
        account_key=emulator.key,
        permission=ContainerSasPermissions.from_string(permission),
        start=now - timedelta(minutes=15),
        expiry=expiry,
        version="2023-11-03",
    )
    end = datetime.fromisoformat(parse_qs(query)["se"][0])
    return query, end.timestamp()


def secret_of(sas: str) -> str:
    return parse_qs(sas)["sig"][0]


def enough_s(dataset: Dataset, container: str) -> float:
    """How long a SAS must hold for a load to start and send a third of it, on this machine at this moment."""
    began_s = time.monotonic()
    assert run("load", dataset.folder, container, "--dry-run", "--quiet").code == 0
    return 3 + 3 * (time.monotonic() - began_s)


class Policy:
    """A stored access policy that a test ends when it likes, and a SAS that holds as long as it."""

    def __init__(self, emulator: Emulator, url: str) -> None:
        self._emulator, self._url = emulator, url
        self.set(3600)
        container = urlsplit(url).path.split("/")[2]
        self.sas = generate_container_sas(
            emulator.account, container, account_key=emulator.key, policy_id="run", version="2023-11-03"
        )

    def set(self, life_s: float) -> float:
        """Let it end in so many seconds, and return when that is."""
        now = datetime.now(UTC)
        end = (now + timedelta(seconds=life_s)).replace(microsecond=0)
        policy = AccessPolicy(ContainerSasPermissions.from_string("rcwl"), end, now - timedelta(hours=1))
        with client(self._emulator, self._url) as opened:
            opened.set_container_access_policy({"run": policy})
        return end.timestamp()

    def end(self) -> float:
        return self.set(1) + 0.1


class Gate:
    """A proxy that lets a number of images pass, then holds every other until a moment; and tells of refusals."""

    def __init__(self, proxy: Proxy, *gates: tuple[int, Callable[[], float]]) -> None:
        self.proxy = proxy
        self.refused_s: list[float] = []
        self._gates = gates
        self._until_s: dict[int, float] = {}
        self._puts = 0
        self._lock = threading.Lock()
        proxy.before = self._before
        proxy.after = self._after

    def _before(self, number: int, method: str, name: str) -> str:
        if method == "PUT" and name.startswith("png/"):
            with self._lock:
                self._puts += 1
                opened = [(passed, moment) for passed, moment in self._gates if self._puts > passed]
                for passed, moment in opened:
                    if passed not in self._until_s:
                        self._until_s[passed] = moment()
                until_s = max((self._until_s[passed] for passed, _ in opened), default=0.0)
            time.sleep(max(0.0, until_s - time.time()))
        return "pass"

    def _after(self, number: int, method: str, name: str) -> str:
        if self.proxy.requests[number - 1].status == 403:
            self.refused_s.append(time.monotonic())
        return "pass"

    @property
    def sent(self) -> int:
        return sum(
            request.status == 201 and request.name.startswith("png/") and request.method == "PUT"
            for request in self.proxy.requests
        )


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    with Proxy(emulator) as running:
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": IMAGES})


def options(workers: int) -> list[object]:
    return ["--yes", "--json", "--connections", CONNECTIONS, "--workers", workers]


def silent(ran: Ran, *secrets: str) -> None:
    for secret in secrets:
        assert secret not in ran.out + ran.err
        assert secret.replace("/", "%2F").replace("+", "%2B").rstrip("=") not in ran.out + ran.err


def test_it_stops_at_once_says_so_and_goes_on_with_a_new_one(
    emulator: Emulator, container: str, proxy: Proxy, dataset: Dataset
) -> None:
    sas, end_s = signed(emulator, container, enough_s(dataset, container))
    gate = Gate(proxy, (THIRD, lambda: end_s + 0.2))
    command = ["load", dataset.folder, proxy.url(container), *options(1)]

    ran = ended(start(*command, env={"LADEN_SAS": sas}))

    assert ran.code == 4, ran.err + ran.out
    assert 1 <= len(gate.refused_s) <= CONNECTIONS, "no more than what was in flight"
    assert gate.sent == THIRD
    summary = ran.summary
    assert summary["sent"] == THIRD
    assert "it ended at" in summary["message"]
    assert f"{THIRD} of {IMAGES} images are there" in summary["message"]
    assert "the same command with a new SAS goes on" in summary["message"]
    silent(ran, secret_of(sas))
    assert [name for name in landed(emulator, container) if name.startswith("_laden/")] == ["_laden/load.json"]
    assert json.loads(content(emulator, container, "_laden/load.json"))["state"] == "unfinished"

    longer, _ = signed(emulator, container, 3600)
    again = run(*command, env={"LADEN_SAS": longer})
    assert again.code == 0, again.err + again.out
    assert (again.summary["already_there"], again.summary["sent"]) == (THIRD, IMAGES - THIRD)
    assert again.summary["complete"]


def printing(folder: Path, sas: str) -> tuple[str, Path]:
    """A command that prints a SAS, and the file in which its runs are counted."""
    (folder / "the sas").write_text(sas + "\n")
    runs = folder / "runs"
    program = (
        f"echo run >> {shlex.quote(str(runs))}; echo looking for it >&2; cat {shlex.quote(str(folder / 'the sas'))}"
    )
    return f"sh -c {shlex.quote(program)}", runs


def test_a_command_that_gives_another_lets_it_end_complete(
    emulator: Emulator, container: str, proxy: Proxy, dataset: Dataset, tmp_path: Path
) -> None:
    policy = Policy(emulator, container)
    longer, _ = signed(emulator, container, 3600)
    gate = Gate(proxy, (THIRD, policy.end))
    command, runs = printing(tmp_path, proxy.url(container) + "?" + longer)

    ran = run(
        *("load", dataset.folder, proxy.url(container), *options(1), "--sas-command", command),
        env={"LADEN_SAS": policy.sas},
    )

    assert ran.code == 0, ran.err + ran.out
    assert ran.summary["complete"]
    assert (ran.summary["sent"], ran.summary["failed"]) == (IMAGES, 0)
    assert 1 <= len(gate.refused_s) <= CONNECTIONS
    assert runs.read_text().count("run") == 1, "one for all requests"
    assert [event for event in ran.events if event["event"] == "warning" and "looking for it" in event["message"]]
    assert images_in(emulator, container, dataset) == dataset.md5s
    silent(ran, secret_of(policy.sas), secret_of(longer))


def images_in(emulator: Emulator, container: str, dataset: Dataset) -> dict[str, bytes]:
    return {name: blob.md5 for name, blob in landed(emulator, container).items() if name in dataset.md5s}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every worker has something to do."""
    monkeypatch.setattr(processes, "_BATCH_ITEMS", 8)


@pytest.mark.usefixtures("small_batches")
def test_with_several_workers_it_stops_as_well(
    emulator: Emulator, container: str, proxy: Proxy, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Policy(emulator, container)
    monkeypatch.setenv("LADEN_SAS", policy.sas)
    gate = Gate(proxy, (THIRD, policy.end))
    events: list[Event] = []
    with pytest.raises(AccessEnded, match=f"{THIRD} of {IMAGES} images are there"):
        load(dataset.folder, proxy.url(container), connections=CONNECTIONS, workers=2, observer=events.append)
    assert 1 <= len(gate.refused_s) <= 2 * CONNECTIONS
    summary = events[-1]
    assert isinstance(summary, Summary)
    assert (summary.exit_code, summary.sent, gate.sent) == (4, THIRD, THIRD)
    assert secret_of(policy.sas) not in repr(events)


@pytest.mark.usefixtures("small_batches")
def test_with_several_workers_a_command_reaches_all_of_them(
    emulator: Emulator,
    container: str,
    proxy: Proxy,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Policy(emulator, container)
    longer, _ = signed(emulator, container, 3600)
    monkeypatch.setenv("LADEN_SAS", policy.sas)
    gate = Gate(proxy, (THIRD, policy.end))
    command, runs = printing(tmp_path, longer)
    summary = load(dataset.folder, proxy.url(container), connections=CONNECTIONS, workers=2, sas_command=command)
    assert (summary.exit_code, summary.sent, summary.failed) == (0, IMAGES, 0)
    assert CONNECTIONS < len(gate.refused_s) <= 2 * CONNECTIONS + 1, "both workers were, and the listing afterwards"
    assert runs.read_text().count("run") == 1, "one for all processes"
    assert images_in(emulator, container, dataset) == dataset.md5s


def test_a_command_is_asked_before_the_end_so_that_nothing_is_refused(
    emulator: Emulator, container: str, proxy: Proxy, dataset: Dataset, tmp_path: Path
) -> None:
    sas, end_s = signed(emulator, container, 2 * enough_s(dataset, container))
    longer, _ = signed(emulator, container, 3600)
    gate = Gate(proxy, (THIRD, lambda: end_s - 1), (2 * THIRD, lambda: end_s + 0.2))
    command, runs = printing(tmp_path, f'"{longer}"')

    ran = run(
        *("load", dataset.folder, proxy.url(container), *options(1), "--sas-command", command),
        env={"LADEN_SAS": sas},
    )

    assert ran.code == 0, ran.err + ran.out
    assert gate.refused_s == []
    assert runs.read_text().count("run") == 1
    assert time.time() > end_s


def test_a_command_alone_is_enough(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    sas, _ = signed(emulator, container, 3600)
    command, runs = printing(tmp_path, sas)
    loaded = run("load", dataset.folder, container, *options(1), "--sas-command", command)
    verified = run("verify", container, "--json", "--deep", "all", "--sas-command", command)
    assert (loaded.code, verified.code) == (0, 0)
    assert verified.summary["images"] == 3
    assert runs.read_text().count("run") == 2
    silent(loaded, secret_of(sas))


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("echo gone >&2; exit 3", "exit code 3"),
        ("echo 'https://127.0.0.1:1/devstoreaccount1/other?sp=rcwl&sig=eA%3D%3D'", "another container"),
    ],
)
def test_a_command_that_does_not_help_is_told(
    emulator: Emulator, container: str, tmp_path: Path, program: str, told: str
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    ended_sas, _ = signed(emulator, container, -60)
    command = f"sh -c {shlex.quote(program)}"
    ran = run(*("load", dataset.folder, container, *options(1), "--sas-command", command), env={"LADEN_SAS": ended_sas})
    assert ran.code == 4
    assert told in ran.summary["message"]
    assert "it ended at" in ran.summary["message"], "why the first one was not accepted"
    silent(ran, secret_of(ended_sas), "eA==", "eA%3D%3D")


def test_a_program_that_is_not_here_is_told_before_anything_is_sent(container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    ran = run("load", dataset.folder, container, *options(1), "--sas-command", "no-such-program --sas")
    assert ran.code == 2
    assert "no-such-program" in ran.summary["message"]


@pytest.mark.parametrize(("permission", "lacking"), [("rcw", "'list' (l)"), ("rl", "'write' (w)")])
def test_what_is_missing_is_told_before_anything_is_asked(
    emulator: Emulator, container: str, proxy: Proxy, tmp_path: Path, permission: str, lacking: str
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    sas, _ = signed(emulator, container, 3600, permission)
    ran = run("load", dataset.folder, proxy.url(container), *options(1), env={"LADEN_SAS": sas})
    assert ran.code == 4
    assert f"it lacks {lacking}" in ran.summary["message"]
    assert proxy.requests == []
    silent(ran, secret_of(sas))


def test_on_a_terminal_a_new_one_is_asked_for_and_not_shown(
    emulator: Emulator, container: str, proxy: Proxy, dataset: Dataset
) -> None:
    policy = Policy(emulator, container)
    wrong, _ = signed(emulator, container, 3600, "r")
    longer, _ = signed(emulator, container, 3600)
    Gate(proxy, (THIRD, policy.end))
    with Terminal(
        "load", dataset.folder, proxy.url(container), "--yes", "--connections", 4, sas=policy.sas
    ) as terminal:
        terminal.wait_for("Paste a new SAS")
        terminal.type(wrong)
        terminal.wait_for("lacks 'list' (l)")
        terminal.type(proxy.url(container) + "?" + longer)
        shown = terminal.ended()
    assert terminal.code == 0, shown
    assert "does not accept the SAS" in shown
    for one in (policy.sas, wrong, longer):
        assert secret_of(one) not in shown
        assert one not in shown


def test_on_a_terminal_nothing_is_an_answer_too(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    sas, _ = signed(emulator, container, -60)
    with Terminal("load", dataset.folder, container, "--yes", sas=sas) as terminal:
        terminal.wait_for("Paste a new SAS")
        terminal.type("")
        shown = terminal.ended()
    assert terminal.code == 4
    assert "no new SAS was given" in " ".join(shown.split())


def test_on_a_terminal_ctrl_c_is_an_answer_too(
    emulator: Emulator, container: str, proxy: Proxy, dataset: Dataset
) -> None:
    policy = Policy(emulator, container)
    Gate(proxy, (THIRD, policy.end))
    with Terminal(
        "load", dataset.folder, proxy.url(container), "--yes", "--connections", 4, sas=policy.sas
    ) as terminal:
        terminal.wait_for("Paste a new SAS")
        terminal.interrupt()
        shown = terminal.ended()
    assert terminal.code == 130, shown
    assert terminal.echoes, "the terminal is as it was"


class Terminal:
    """`laden` on a terminal of its own."""

    def __init__(self, *arguments: object, sas: str) -> None:
        self._arguments = arguments
        self._sas = sas
        self._shown = ""
        self.code = -1
        self.echoes = False

    def __enter__(self) -> "Terminal":
        self._ours, theirs = pty.openpty()
        self._theirs = os.dup(theirs)
        self._process = subprocess.Popen(
            [COMMAND, *map(str, self._arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            text=True,
            env={**os.environ, "LADEN_SAS": self._sas, "COLUMNS": "200", "TERM": "xterm"},
        )
        os.close(theirs)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            kill(self._process)
        self._process.wait()
        os.close(self._theirs)
        os.close(self._ours)

    def wait_for(self, text: str) -> None:
        """Read on until a text comes that was not read before."""
        until_s = time.monotonic() + 40
        while text not in self._shown.rpartition("\0")[2]:
            assert self._read(until_s), self._shown
        self._shown += "\0"

    def interrupt(self) -> None:
        """What Ctrl-C on this terminal does to the process."""
        self._process.send_signal(signal.SIGINT)

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode() + b"\n")

    def ended(self) -> str:
        """All that was shown, once it is over."""
        until_s = time.monotonic() + 40
        while self._process.poll() is None:
            self._read(min(until_s, time.monotonic() + 0.1))
            assert time.monotonic() < until_s, self._shown
        while self._read(time.monotonic()):
            pass
        self.code = self._process.returncode
        self.echoes = bool(termios.tcgetattr(self._theirs)[3] & termios.ECHO)
        return self._shown

    def _read(self, until_s: float) -> bool:
        left_s = max(0.0, until_s - time.monotonic())
        if not select.select([self._ours], [], [], left_s)[0]:
            return False
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self._shown += piece.decode(errors="replace")
        return bool(piece)
