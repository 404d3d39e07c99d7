"""Which place is shown, where several are asked for at once, and while something runs."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from laden.explorer import jobs as jobs_module
from laden.explorer.jobs import Job, Jobs
from laden.explorer.session import Session, Verbs
from laden.explorer.surveyed import SurveyedPlace
from laden.values.errors import UsageError


class Opened(SurveyedPlace):
    """Tells whether it was closed."""

    closed = False

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed = True
        await super().close()


def with_session(folder: Path, work: Any) -> list[Opened]:
    """Do something with a session whose places are folders; returns them."""
    places: list[Opened] = []

    def opener(name: str) -> Opened:
        places.append(Opened(folder / name))
        return places[-1]

    def unused(*_: object) -> None:
        raise AssertionError

    async def run() -> None:
        session = Session(verbs=Verbs(*[unused] * 4), folder=folder, write=False, opener=opener)
        try:
            await work(session)
        finally:
            await session.close()

    asyncio.run(run())
    return places


def test_of_places_that_are_opened_at_once_one_stays_and_all_are_closed(tmp_path: Path) -> None:
    async def work(session: Session) -> None:
        await session.refresh()
        opens: list[Coroutine[Any, Any, None]] = [session.open(name) for name in "abc"]
        await asyncio.gather(*opens, session.refresh())
        assert session.number == 3
        assert isinstance(session.place, Opened)
        assert session.place.title.endswith("c")
        assert not session.place.closed
        await session.filled()

    places = with_session(tmp_path, work)
    assert [Path(place.title).name for place in places] == ["a", "b", "c"]
    assert all(place.closed for place in places)


def test_a_place_stays_open_as_long_as_something_needs_it(tmp_path: Path) -> None:
    async def work(session: Session) -> None:
        await session.open("a")
        ended = asyncio.Event()

        async def deletes(job: Job) -> None:
            await ended.wait()

        job = session.jobs.begin("delete", "2 blobs", deletes)
        with pytest.raises(UsageError, match="delete 2 blobs still runs here"):
            await session.open("b")
        assert session.number == 1
        ended.set()
        while job.state == "running":  # noqa: ASYNC110 - a job tells by this alone
            await asyncio.sleep(0)
        await session.open("b")
        assert session.number == 2
        # What reaches the place by itself does not keep it.
        session.jobs.begin("verify", "a", deletes, holds=False)
        await session.open("c")

    assert len(with_session(tmp_path, work)) == 3


def test_the_end_of_the_server_waits_for_what_was_begun_and_knows_what_it_broke_off() -> None:
    jobs = Jobs()

    async def run() -> None:
        begun = asyncio.Event()

        async def deletes(job: Job) -> None:
            job.in_all = 3
            begun.set()
            while not job.stopping:  # noqa: ASYNC110 - a job is told by this alone
                await asyncio.sleep(0)
            # A request that is under way.
            await asyncio.sleep(0)
            job.done, job.message = 1, "1 of 3 blobs is done"

        async def ends(job: Job) -> None:
            job.in_all = job.done = 1

        jobs.begin("delete", "3 blobs", deletes)
        jobs.begin("tier", "1 blob", ends)
        await begun.wait()
        await jobs.close()

    asyncio.run(run())
    assert [(job.title, job.state, job.message) for job in jobs.cut] == [("3 blobs", "stopped", "1 of 3 blobs is done")]


def test_what_takes_long_is_given_up_at_the_end_and_says_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_ENDING_S", 0)
    jobs = Jobs()

    async def run() -> None:
        begun = asyncio.Event()

        async def deletes(job: Job) -> None:
            job.message = "1 of 3 blobs is done"
            begun.set()
            await asyncio.Event().wait()

        jobs.begin("delete", "3 blobs", deletes)
        await begun.wait()
        await jobs.close()

    asyncio.run(run())
    (cut,) = jobs.cut
    assert cut.message == "1 of 3 blobs is done; the server was stopped; begin it again to finish"


def test_what_was_wrong_with_marks_is_told_until_it_is_right(tmp_path: Path) -> None:
    marks = tmp_path / "laden-marks.csv"

    async def work(session: Session) -> None:
        marks.write_text("mine")
        await session.open("a")
        for _ in range(2):
            await session.filled()
            assert session.place is not None
            (note,) = session.place.index.state.notes
            assert "no table of laden's marks" in note
            await session.refresh()
        marks.unlink()
        await session.filled()
        await session.refresh()
        await session.filled()
        assert session.place.index.state.notes == []

    (tmp_path / "a").mkdir()
    with_session(tmp_path, work)
