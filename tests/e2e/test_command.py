"""The installed command, as a script sees it: one JSON event a line, a summary last, an exit code that says whose turn
it is. Each exit code is really produced here, on data as bad as people's.
"""

import signal
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from tests.support import forks
from tests.support.dataset import Dataset, make_dataset, tiny_png
from tests.support.harness import Proxy, Ran, client, ended, landed, run, sas, start

FIELDS = {
    "event", "command", "rows", "images", "matched", "missing", "stray", "damaged", "conflicts", "sent",
    "already_there", "failed", "bytes_sent", "seconds", "exit_code", "complete", "findings", "message",
}  # fmt: skip
SECRET = "sv=2023-11-03&sr=c&sp=rwl&sig=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its own start, as nothing else here vouches for that."""
    monkeypatch.setattr(forks, "can", lambda env: False)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 6, "1": 4})


def load(dataset: Dataset | Path, destination: str | Path, *more: object, env: dict[str, str] | None = None) -> Ran:
    source = dataset.folder if isinstance(dataset, Dataset) else dataset
    ran = run("load", source, destination, "--json", *more, env=env)
    assert set(ran.summary) >= FIELDS
    assert ran.summary["exit_code"] == ran.code
    assert ran.summary["rows"] == ran.summary["matched"] + ran.summary["missing"]
    assert [event["event"] for event in ran.events].count("summary") == 1
    return ran


def test_0_complete(dataset: Dataset, container: str, emulator: Emulator) -> None:
    ran = load(dataset, container)
    assert (ran.code, ran.err) == (0, "")
    assert (ran.summary["sent"], ran.summary["images"], ran.summary["complete"]) == (10, 10, True)
    assert set(dataset.blobs) < set(landed(emulator, container))
    again = load(dataset, container)
    assert (again.code, again.summary["sent"], again.summary["already_there"]) == (0, 0, 10)
    verified = run("verify", container, "--json", "--deep", "all")
    assert (verified.code, verified.summary["images"]) == (0, 10)
    checked = run("check", dataset.folder, "--json")
    assert (checked.code, checked.summary["matched"]) == (0, 10)


def test_events_tell_the_stages_in_order(dataset: Dataset, tmp_path: Path) -> None:
    events = load(dataset, tmp_path / "there").events
    stages = [event["stage"] for event in events if event["event"] == "started"]
    assert stages == [
        "listing",
        "source",
        "table",
        "archives",
        "archives",
        "plan",
        "word",
        "transfer",
        "verify",
        "manifest",
        "report",
    ]
    (plan,) = [event for event in events if event["event"] == "plan"]
    assert (plan["rows"], plan["send"]) == (10, 10)


def test_2_wrong_use(dataset: Dataset, tmp_path: Path, emulator: Emulator) -> None:
    for destination in (emulator.url("No_Container"), emulator.url(""), "ftp://host/container", ""):
        ran = load(dataset, destination)
        assert (ran.code, ran.summary["complete"]) == (2, False)
        assert ran.summary["message"]
    assert load(dataset, tmp_path / "there", "--archives", "9").code == 2
    assert load(dataset, tmp_path / "there", "--layout", "{Nothing}").code == 2
    assert load(dataset, tmp_path / "there", "--profile", "nothing").code == 2
    assert load(tmp_path / "nowhere", tmp_path / "there").code == 2
    assert run("load", dataset.folder, tmp_path / "there", "--no-such-option").code == 2
    assert not (tmp_path / "there").exists()


def test_2_a_findings_file_that_cannot_be(dataset: Dataset, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "findings.csv"):
        ran = load(dataset, tmp_path / "there", "--findings", path)
        assert ran.code == 2, ran.err
        assert "findings" in ran.summary["message"]


def test_3_a_truncated_zip_among_good_ones(dataset: Dataset, tmp_path: Path) -> None:
    archive = dataset.folder / "1.zip"
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 2 // 3])
    ran = load(dataset, tmp_path / "there")
    assert (ran.code, ran.summary["sent"], ran.summary["missing"]) == (3, 6, 4)
    assert ran.summary["findings"] == {"archive-truncated": 1}, "one finding, not one for each of its rows"
    assert len(list((tmp_path / "there" / "png" / "0").iterdir())) == 6


def test_3_an_archive_that_is_not_here_is_one_finding(dataset: Dataset, tmp_path: Path) -> None:
    (dataset.folder / "1.zip").unlink()
    ran = load(dataset, tmp_path / "there")
    assert (ran.code, ran.summary["sent"], ran.summary["missing"]) == (3, 6, 4)
    assert ran.summary["findings"] == {"archive-absent": 1}
    assert "4 selected rows" in ran.findings("archive-absent")[0]["message"]


def test_3_a_hole_of_zeros_damages_only_what_lies_in_it(tmp_path: Path) -> None:
    """As a download resumed by a bad tool leaves it: the directory is fine, a stretch in the middle is zeros."""
    dataset = make_dataset(tmp_path / "source", {"0": 12}, deflate=False)
    archive = dataset.folder / "0.zip"
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
    start_bytes, end_bytes = members[4].header_offset + 100, members[7].header_offset + 100
    data[start_bytes:end_bytes] = bytes(end_bytes - start_bytes)
    archive.write_bytes(data)
    ran = load(dataset, tmp_path / "there")
    hurt = {member.filename for member in members[4:8]}
    told = {event["member"] for event in ran.events if event["event"] == "finding"}
    assert (ran.code, ran.summary["damaged"], ran.summary["sent"]) == (3, 4, 8)
    assert told == hurt
    assert {path.name for path in (tmp_path / "there" / "png" / "0").iterdir()} == set(dataset.rows) - hurt


def test_3_a_web_page_called_3_zip(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "3": 2})
    (dataset.folder / "3.zip").write_text("<!DOCTYPE html><html><title>Log in</title>")
    ran = load(dataset, tmp_path / "there")
    assert (ran.code, ran.summary["sent"]) == (3, 2)
    assert ran.summary["findings"] == {"archive-html": 1}
    assert "web page" in ran.findings("archive-html")[0]["message"]


def test_5_nothing_can_be_read(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "truncated", {"0": 3})
    archive = dataset.folder / "0.zip"
    archive.write_bytes(archive.read_bytes()[:-30])
    (tmp_path / "empty").mkdir()
    page = make_dataset(tmp_path / "page", {"3": 2})
    (page.folder / "3.zip").write_text("<html>")
    for source, word in ((dataset, "breaks off"), (tmp_path / "empty", "holds no archive"), (page, "web page")):
        ran = load(source, tmp_path / "there")
        assert (ran.code, ran.summary["sent"]) == (5, 0)
        assert word in ran.summary["message"]
    assert not (tmp_path / "there").exists()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes no connection: its queue is full and nobody accepts."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for caller in callers:
            caller.close()


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("port", ["closed", "silent"])
def test_6_an_unreachable_host_is_told(dataset: Dataset, request: pytest.FixtureRequest, port: str) -> None:
    url = f"http://127.0.0.1:{request.getfixturevalue(port)}/devstoreaccount1/container"
    ran = load(dataset, url)
    assert (ran.code, ran.summary["sent"]) == (6, 0)
    assert "127.0.0.1" in ran.summary["message"]


def test_6_a_name_that_does_not_resolve(dataset: Dataset) -> None:
    ran = load(dataset, "https://laden-nobody.invalid/container", env={"LADEN_SAS": SECRET})
    assert ran.code == 6
    assert "laden-nobody.invalid" in ran.summary["message"]


@pytest.mark.parametrize("permission", ["rl", "r", "w"])
def test_4_a_signature_that_lacks_a_right(
    dataset: Dataset, container: str, emulator: Emulator, permission: str
) -> None:
    ran = load(dataset, container, env={"LADEN_SAS": sas(emulator, container, permission)})
    assert (ran.code, ran.summary["sent"], ran.summary["complete"]) == (4, 0, False)
    assert landed(emulator, container) == {}
    with client(emulator, container) as opened:
        assert list(opened.list_blobs(include=["uncommittedblobs"])) == []


def test_reading_writing_creating_and_listing_are_enough(dataset: Dataset, container: str, emulator: Emulator) -> None:
    env = {"LADEN_SAS": sas(emulator, container, "rcwl")}
    assert load(dataset, container, "--archives", "0", env=env).code == 0
    ran = load(dataset, container, env=env)
    assert (ran.code, ran.summary["findings"]) == (0, {"table-stale": 1})


def test_a_signature_is_never_shown(dataset: Dataset, container: str, emulator: Emulator) -> None:
    good, bad = sas(emulator, container), SECRET
    for secret in (good, bad):
        for ran in (
            run("load", dataset.folder, f"{container}?{secret}", "--json"),
            run("load", dataset.folder, f"{container}?{secret}", "--verbose", "--yes"),
            run("load", dataset.folder, container, "--verbose", "--yes", env={"LADEN_SAS": secret}),
            run("verify", f"{container}?{secret}", "--json"),
            run("load", dataset.folder, f"{container}x_?{secret}", "--yes"),
        ):
            assert ran.code in (0, 2, 4), ran.err
            for output in (ran.out, ran.err):
                assert "sig=" not in output.replace("(sig=...)", "")
                assert secret.rpartition("=")[2][:12] not in output


def test_130_ctrl_c_leaves_a_load_that_the_same_command_completes(
    container: str, emulator: Emulator, tmp_path: Path
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 60}, size=200)
    with Proxy(emulator) as proxy:
        holding = _hold(proxy, 10)
        arguments = ("load", dataset.folder, proxy.url(container), "--json", "--connections", 4)
        process = start(*arguments)
        next(holding)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.readline() + process.stderr.readline()
        assert "Ctrl-C again stops at once" in told
        next(holding, None)
        ran = ended(process)
    assert (ran.code, ran.summary["exit_code"], ran.summary["complete"]) == (130, 130, False)
    assert "run the same command again" in ran.summary["message"]
    assert 0 < ran.summary["sent"] < 60
    sent = {name for name in landed(emulator, container) if name.startswith("png/")}
    assert len(sent) == ran.summary["sent"], "what was in flight was finished and counted"
    again = load(dataset, container)
    assert (again.code, again.summary["sent"]) == (0, 60 - ran.summary["sent"])


def test_130_ctrl_c_twice_stops_at_once(container: str, emulator: Emulator, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 20})
    with Proxy(emulator) as proxy:
        holding = _hold(proxy, 5)
        process = start("load", dataset.folder, proxy.url(container), "--json", "--connections", 4)
        next(holding)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        process.stderr.readline(), process.stderr.readline()
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        assert process.stderr.read().strip().startswith("Stopped at once, and nothing more is told")
        next(holding, None)
        ended(process)
    assert code == 130
    assert load(dataset, container).code == 0


def _hold(proxy: Proxy, after_puts: int) -> Iterator[None]:
    """Let so many images through and hold the others; yields once some are held, and lets go when resumed."""
    import threading

    held, go = threading.Semaphore(0), threading.Event()

    def before(number: int, method: str, name: str) -> str:
        if method == "PUT" and len(proxy.put_names()) > after_puts:
            held.release()
            go.wait(60)
        return "pass"

    proxy.before = before
    assert held.acquire(timeout=300)
    yield
    go.set()


def test_130_ctrl_c_in_a_verify(container: str, emulator: Emulator, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 5})
    assert load(dataset, container).code == 0
    with Proxy(emulator) as proxy:
        asked: list[int] = []

        def before(number: int, method: str, name: str) -> str:
            if number == 3 and not asked:
                asked.append(number)
                process.send_signal(signal.SIGINT)
                process.wait(30)
            return "pass"

        proxy.before = before
        process = start("verify", proxy.url(container), "--json", "--deep", "all")
        ran = ended(process)
    assert ran.code == 130
    assert ran.summary["exit_code"] == 130
    assert "Traceback" not in ran.err


def test_json_is_all_that_stdout_holds_also_with_names_of_any_letters(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("\u00e4 \u4e2d.txt", "tab\there.txt", "line\nbreak.txt", "[red]markup.txt"):
        (source / name).write_text(name)
    ran = load(source, tmp_path / "there", "--profile", "files", env={"PYTHONIOENCODING": "ascii"})
    assert ran.code == 3
    assert ran.summary["findings"] == {"name-refused": 2, "image-unseen": 1}


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    process = start("load", dataset.folder, tmp_path / "there", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process:
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 130


def test_a_person_sees_numbers_and_a_verdict(dataset: Dataset, tmp_path: Path) -> None:
    ran = run("load", dataset.folder, tmp_path / "there", "--yes")
    assert ran.code == 0
    assert "10 rows = 10 matched + 0 missing; 10 sent" in ran.out
    assert "Complete and verified" in ran.out
    assert "{" not in ran.out
    assert "exit codes" in run("load", "--help").out.lower()


def test_an_extra_image_is_no_reason_to_stop(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2}, stray=1, junk=True)
    (dataset.folder / "loose.png").write_bytes(tiny_png(5))
    ran = load(dataset, tmp_path / "there")
    assert (ran.code, ran.summary["stray"], ran.summary["sent"]) == (0, 2, 2)
