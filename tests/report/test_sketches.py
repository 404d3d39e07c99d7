"""Pictures that are drawn while a load sends: however it ends, they are there or told, and nothing is left of it."""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.dataset.images import child
from laden.dataset.images.child import Decoder
from laden.relations import Relations
from laden.report import gallery
from laden.report.sketches import Sketches
from laden.values.errors import LadenError
from laden.values.events import Event, Started, Warned
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset
from tests.support.html import Shown


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 6, "1": 5}, size=120)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """All that are started to decode images."""
    started: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def popen(*arguments: object, **options: object) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] = begin(*arguments, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    monkeypatch.setattr(child.subprocess, "Popen", popen)
    return started


def page() -> Path:
    return Path.cwd() / "report.html"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "sketches"]


def when(what: Callable[[Event], bool], act: Callable[[], None]) -> Callable[[Event], None]:
    """An observer that acts on one event."""

    def observe(event: Event) -> None:
        if what(event):
            act()

    return observe


def is_sending(event: Event) -> bool:
    return isinstance(event, Started) and event.stage == "transfer"


def hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, decoding takes for ever."""
    monkeypatch.setattr(child, "_PROGRAM", "import time; time.sleep(600) # {memory_bytes} {niceness}")


def test_they_are_begun_before_anything_is_sent(dataset: Dataset, processes: list[object]) -> None:
    begun: list[int] = []
    summary = load(
        dataset.folder,
        "./there",
        report_file=page(),
        observer=when(is_sending, lambda: begun.append(len(threads()))),
    )
    assert begun == [1]
    assert summary.complete
    assert len(Shown(page()).pictures()) == 6
    assert len(processes) == 1, "one process draws those of the plan and whatever else is to be shown"
    assert not threads()


def test_what_draws_them_has_no_key_and_gives_way_to_what_sends(
    dataset: Dataset, processes: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADEN_SAS", "sv=2025-07-05&sig=c2VjcmV0LXNlY3JldC1zZWNyZXQ%3D&sp=rcwl")
    seen: list[tuple[bytes, int]] = []

    def look() -> None:
        with Sketches(dataset.folder, Decoder(low_priority=True)) as sketches:
            sketches._decoder.decode(b"")
            process = processes[-1]
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            seen.append((environment, os.getpriority(os.PRIO_PROCESS, process.pid)))

    look()
    ((environment, niceness),) = seen
    assert b"PATH=" in environment
    assert b"sig=" not in environment
    assert niceness > os.getpriority(os.PRIO_PROCESS, 0)


def test_a_load_that_fails_leaves_neither_thread_nor_process(
    dataset: Dataset, processes: list["subprocess.Popen[bytes]"]
) -> None:
    def fail() -> None:
        raise LadenError("the destination is gone")

    with pytest.raises(LadenError, match="is gone"):
        load(dataset.folder, "./there", report_file=page(), observer=when(is_sending, fail))
    assert len(Shown(page()).pictures()) == 6
    assert not threads()
    assert all(process.returncode is not None for process in processes)


def test_a_load_that_is_cut_does_not_wait_for_pictures(
    dataset: Dataset, processes: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(monkeypatch)

    def cut() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(dataset.folder, "./there", report_file=page(), observer=when(is_sending, cut))
    assert not threads()
    assert all(process.returncode is not None for process in processes)


def test_a_source_that_goes_while_it_is_drawn_leaves_images_out(dataset: Dataset) -> None:
    with Relations() as relations, Sketches(dataset.folder, Decoder()) as sketches:
        relations.feed("entries", [("gone.zip", "a.png", 100, 1, None, 0, 90, 8, 1, "a.png", None, "png/a.png", "")])
        wanted = gallery.Wanted("png/a.png", "a.png", 100, 1, 0, 0, 0, "pending", "unseen")
        sketches.begin(relations, [wanted], ())
        assert sketches.finish({"png/a.png"}) == {}
        assert sketches.told == []


def test_what_is_not_shown_any_more_is_not_drawn(dataset: Dataset, processes: list[object]) -> None:
    """Once a run has ended, nobody waits for pictures of images that turned out to be others' matter."""
    with Relations() as relations, Sketches(dataset.folder, Decoder()) as sketches:
        sketches._wanted = ()
        relations.feed("entries", [("0.zip", "a.png", 100, 1, None, 0, 90, 8, 1, "a.png", None, "png/a.png", "")])
        wanted = gallery.Wanted("png/a.png", "a.png", 100, 1, 0, 0, 0, "pending", "unseen")
        sketches.begin(relations, [wanted], ())
        assert sketches.finish(()) == {}


def test_decoders_that_die_are_told_once_the_page_is_written(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_PROGRAM", "import os; os.abort() # {memory_bytes} {niceness}")
    seen: list[Event] = []
    load(dataset.folder, "./there", report_file=page(), observer=seen.append)
    stages = [event.stage for event in seen if isinstance(event, Started)]
    told = [place for place, event in enumerate(seen) if isinstance(event, Warned)]
    assert len(told) == 3
    assert min(told) > seen.index(
        next(event for event in seen if isinstance(event, Started) and event.stage == "report")
    )
    assert stages[-1] == "report"
