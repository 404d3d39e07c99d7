"""Whatever runs ends when it is asked to: a verification at once, and the server whatever a verb is waiting for."""

import asyncio
import threading
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.explorer import jobs
from laden.explorer.jobs import Job, Jobs
from laden.values.errors import Interrupted
from laden.verbs.verify import verify
from tests.explorer.served import explored
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.harness import Proxy, sas


@pytest.fixture
def place(container: str, tmp_path: Path) -> str:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    begin(dataset.folder, container, archives="0")
    return container


def test_a_verification_that_waits_for_an_answer_is_stopped(place: str, emulator: Emulator) -> None:
    held, let_go = threading.Event(), threading.Event()

    def before(number: int, method: str, name: str) -> str:
        held.set()
        let_go.wait(60)
        return "pass"

    with Proxy(emulator) as proxy, explored(f"{proxy.url(place)}?{sas(emulator, place)}") as asker:
        proxy.before = before
        try:
            number = asker.post("verify")["number"]
            assert held.wait(60)
            asker.post("stop", job=number)
            job = asker.job(number)
            assert not let_go.is_set()
        finally:
            let_go.set()
        assert (job["state"], job["findings"]) == ("stopped", [])
        assert "stopped as you asked" in job["message"]
        # Nothing of it stays in the way of the next.
        proxy.before = lambda number, method, name: "pass"
        assert asker.job(asker.post("verify")["number"])["state"] == "done"


def test_a_verification_of_an_earlier_state_is_stopped_too(place: str, emulator: Emulator) -> None:
    held, let_go = threading.Event(), threading.Event()

    def before(number: int, method: str, name: str) -> str:
        held.set()
        let_go.wait(60)
        return "pass"

    with Proxy(emulator) as proxy:
        proxy.before = before
        try:
            with pytest.raises(Interrupted, match="nothing was changed"):
                verify(f"{proxy.url(place)}?{sas(emulator, place)}", at=1, stopping=held.is_set)
        finally:
            let_go.set()


def test_the_end_of_the_server_waits_no_longer_for_a_verb_than_for_anything_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_ENDING_S", 0.05)
    begun, never = threading.Event(), threading.Event()

    def verb(job: Job) -> None:
        begun.set()
        assert never.wait(60), "the loop waited for the thread"

    async def go() -> Job:
        own = Jobs()
        job = own.begin_verb("load", "to somewhere", verb)
        await asyncio.to_thread(begun.wait, 60)
        await own.close()
        assert own.cut == [job]
        return job

    try:
        job = asyncio.run(go())
        assert job.state == "stopped"
        assert "the server was stopped" in job.message
        assert [thread for thread in threading.enumerate() if thread.name == "laden-verb" and thread.daemon]
    finally:
        never.set()
