"""What became of each blob of an act is told as it is: an answer that was lost is no refusal, and a lease no change."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContentSettings, StandardBlobTier

from laden.demo.emulator import Emulator
from laden.explorer import carrying
from laden.explorer.carrying import carry_out
from laden.explorer.chosen import Chosen
from laden.explorer.jobs import Job
from laden.explorer.reached import Holders
from laden.explorer.stored import StoredPlace
from laden.store import parse_destination
from laden.store.manage import azure
from laden.store.manage.folder import FolderManage
from laden.store.retry import Repeating
from tests.explorer.served import ACTS, Asker, explored
from tests.support.harness import Proxy, client, landed, sas

NAMES = ["0.bin", "1.bin", "2.bin", "3.bin"]
HASTY = partial(Repeating, patience_s=0.0, first_pause_s=0.01)


class Between(Proxy):
    """A proxy that answers some requests itself."""

    error: tuple[int, str] = (503, "ServerBusy")
    most = 0
    """Of one method and name that are answered so."""
    methods: tuple[str, ...] = ("PUT", "DELETE")
    """What is answered so."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)
        self.refused: dict[tuple[str, str], int] = {}

    def _forward(self, handler: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        asked: BaseHTTPRequestHandler = handler
        key = asked.command, asked.path.partition("?")[0]
        if asked.command in self.methods and self.refused.get(key, 0) < self.most:
            self.refused[key] = self.refused.get(key, 0) + 1
            status, code = self.error
            return status, [("x-ms-error-code", code)], b""
        if source := asked.headers.get("x-ms-copy-source"):
            # The emulator reads what is copied from itself.
            asked.headers.replace_header("x-ms-copy-source", source.replace(f":{self.port}/", f":{self._target}/"))
        return super()._forward(handler, body)


@pytest.fixture
def place(container: str, emulator: Emulator) -> str:
    with client(emulator, container) as opened:
        for name in NAMES:
            opened.upload_blob(name, f"content of {name}".encode())
    return container


@pytest.fixture
def between(emulator: Emulator) -> Iterator[Between]:
    with Between(emulator) as proxy:
        yield proxy


@contextmanager
def opened(between: Between, emulator: Emulator, place: str) -> Iterator[Asker]:
    with explored(f"{between.url(place)}?{sas(emulator, place, 'rwdlct')}", write=True) as asker:
        yield asker


def acted(asker: Asker, action: str, values: dict[str, Any], names: list[str] = NAMES) -> dict[str, Any]:
    plan = asker.post("plan", action=action, names=names, values=values)
    found: dict[str, Any] = asker.job(asker.post("act", plan=plan["plan"], count=str(plan["count"]))["number"])
    asker.ready()
    return found


def lost_once(between: Between) -> set[tuple[str, str]]:
    """The answer to the first request that changes each blob is lost, though it is done."""
    lost: set[tuple[str, str]] = set()

    def after(number: int, method: str, name: str) -> str:
        if method not in ("PUT", "DELETE") or (method, name) in lost:
            return "pass"
        lost.add((method, name))
        return "lose"

    between.after = after
    return lost


@pytest.mark.parametrize("action", list(ACTS))
def test_what_was_done_though_its_answer_was_lost_is_told_as_done(
    between: Between, emulator: Emulator, place: str, action: str
) -> None:
    with opened(between, emulator, place) as asker:
        lost = lost_once(between)
        job = acted(asker, action, ACTS[action])
        assert len(lost) == 4
        assert job["result"]["outcomes"] == {"done": 4, "changed": 0, "gone": 0, "failed": 0}, job
        assert (job["message"], job["findings"]) == ("4 of 4 blobs are done", [])
    there = landed(emulator, place)
    assert len(there) == {"delete": 0, "copy": 8}.get(action, 4)


STRANGERS: dict[str, dict[str, Any]] = {
    "tier": {"standard_blob_tier": StandardBlobTier.COOL},
    "tags": {"tags": {"k": "v"}},
    "metadata": {"metadata": {"k": "v"}},
    "type": {"content_settings": ContentSettings(content_type="image/png")},
}
"""What somebody else puts there meanwhile is just as the act would have made it."""


WANTED: dict[str, Any] = {"tier": "Cool", "tags": {"k": "v"}, "metadata": {"k": "v"}, "type": "image/png"}


@pytest.mark.parametrize("action", list(STRANGERS))
def test_what_somebody_else_put_there_is_never_told_as_done(
    between: Between, emulator: Emulator, place: str, action: str
) -> None:
    replaced: list[str] = []

    def after(number: int, method: str, name: str) -> str:
        if replaced or name != NAMES[0] or method != "PUT":
            return "pass"
        with client(emulator, place) as direct:
            direct.upload_blob(name, b"a stranger's", overwrite=True, **STRANGERS[action])
        replaced.append(name)
        return "lose"

    between.after = after
    with opened(between, emulator, place) as asker:
        job = acted(asker, action, {action: WANTED[action]}, NAMES[:1])
    assert replaced
    assert job["result"]["outcomes"] == {"done": 0, "changed": 0, "gone": 0, "failed": 0, "unknown": 1}, job


@pytest.mark.parametrize("action", ["tier", "tags", "metadata"])
def test_a_read_before_an_act_that_fails_is_no_lost_answer(
    between: Between, emulator: Emulator, place: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent: what somebody else put there meanwhile is known to be left, however like the act it looks."""
    monkeypatch.setattr(carrying, "Repeating", partial(Repeating, first_pause_s=0.01))
    # What is read is asked for once: the failure is heard of by what acts.
    monkeypatch.setattr(azure, "_PAUSES_S", ())
    between.error, between.methods = (500, "InternalError"), ("HEAD",)

    def before(number: int, method: str, name: str) -> str:
        looked = method == "HEAD" and name == NAMES[0]
        if looked and not between.refused:
            with client(emulator, place) as direct:
                direct.upload_blob(name, b"a stranger's", overwrite=True, **STRANGERS[action])
        between.most = int(looked)
        return "pass"

    with opened(between, emulator, place) as asker:
        plan = asker.post("plan", action=action, names=NAMES[:1], values={action: WANTED[action]})
        between.before = before
        job = asker.job(asker.post("act", plan=plan["plan"], count="1")["number"])
        asker.ready()
    assert list(between.refused.values()) == [1]
    assert job["result"]["outcomes"] == {"done": 0, "changed": 1, "gone": 0, "failed": 0}, job


@pytest.mark.parametrize("action", ["delete", "metadata"])
def test_what_nobody_can_know_is_told_as_not_known(
    between: Between, emulator: Emulator, place: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "Repeating", HASTY)
    monkeypatch.setattr(azure, "_PAUSES_S", (0.01,))
    with opened(between, emulator, place) as asker:
        plan = asker.post("plan", action=action, names=NAMES, values=ACTS[action])
        between.after = lambda number, method, name: "lose" if name in NAMES[:2] else "pass"
        job = asker.job(asker.post("act", plan=plan["plan"], count="4")["number"])
        outcomes = job["result"]["outcomes"]
        assert (outcomes["done"], outcomes["unknown"], outcomes["failed"]) == (2, 2, 0)
        assert "of 2 it is not known whether they were done, for no answer came: look at the list" in job["message"]
        assert "refused" not in job["message"]
        (kind,) = job["findings"]
        assert (kind["code"], kind["count"]) == ("not-known", 2)
        assert kind["meaning"]
        assert kind["advice"]
        assert "may be done or not" in kind["examples"][0]["message"]


def test_an_access_that_ends_right_after_a_lost_answer_is_no_refusal(
    between: Between, emulator: Emulator, place: str
) -> None:
    between.error, between.methods = (403, "AuthorizationPermissionMismatch"), ("PUT", "DELETE", "HEAD")
    with opened(between, emulator, place) as asker:
        plan = asker.post("plan", action="delete", names=["0.bin"])

        def after(number: int, method: str, name: str) -> str:
            between.most = 1_000
            return "lose" if method == "DELETE" else "pass"

        between.after = after
        job = asker.job(asker.post("act", plan=plan["plan"], count="1")["number"])
        assert job["result"]["outcomes"] == {"done": 0, "changed": 0, "gone": 0, "failed": 0, "unknown": 1}
    assert "0.bin" not in landed(emulator, place)


def test_what_somebody_wrote_after_a_deletion_that_nobody_heard_of_is_not_told_as_left(
    between: Between, emulator: Emulator, place: str
) -> None:
    with opened(between, emulator, place) as asker:

        def after(number: int, method: str, name: str) -> str:
            if method != "DELETE" or name != "0.bin":
                return "pass"
            with client(emulator, place) as direct:
                direct.upload_blob(name, b"newer", overwrite=True)
            between.after = lambda number, method, name: "pass"
            return "lose"

        between.after = after
        job = acted(asker, "delete", {})
        assert (job["result"]["outcomes"]["done"], job["result"]["outcomes"]["unknown"]) == (3, 1)
        assert "nothing was done" not in job["message"]
    assert list(landed(emulator, place)) == ["0.bin"]


def test_a_service_that_is_busy_for_a_moment_is_asked_again(between: Between, emulator: Emulator, place: str) -> None:
    with opened(between, emulator, place) as asker:
        between.most = 2
        job = acted(asker, "delete", {})
        assert set(between.refused.values()) == {2}
        assert job["message"] == "4 of 4 blobs are done"


def test_a_service_that_stays_busy_is_told_with_what_to_do(
    between: Between, emulator: Emulator, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "Repeating", HASTY)
    with opened(between, emulator, place) as asker:
        between.most = 1_000
        job = acted(asker, "delete", {})
        assert job["message"] == "0 of 4 blobs are done; 4 were refused: nothing was done to these"
        assert "do it again later" in job["findings"][0]["examples"][0]["message"]
    assert len(landed(emulator, place)) == 4


@pytest.mark.parametrize("at_once", [2, 16])
def test_an_act_that_waits_for_a_busy_service_is_stopped(
    between: Between, emulator: Emulator, place: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "_AT_ONCE", at_once)
    with opened(between, emulator, place) as asker:
        between.most = 1_000
        plan = asker.post("plan", action="delete", names=NAMES)
        number = asker.post("act", plan=plan["plan"], count="4")["number"]
        asker.until(lambda: len(between.refused) == min(4, at_once))
        asker.post("stop", job=number)
        job = asker.job(number)
        assert (job["state"], job["message"], job["findings"]) == ("stopped", "0 of 4 blobs are done", [])


def test_what_is_protected_is_refused_and_not_told_as_changed(between: Between, emulator: Emulator, place: str) -> None:
    with client(emulator, place) as direct:
        direct.get_blob_client("1.bin").acquire_lease()
    with opened(between, emulator, place) as asker:
        job = acted(asker, "delete", {})
        assert job["result"]["outcomes"] == {"done": 3, "changed": 0, "gone": 0, "failed": 1}
        assert "1 was refused" in job["message"]
        assert "somebody holds a lease on it" in job["findings"][0]["examples"][0]["message"]
        for error in ((409, "BlobImmutableDueToPolicy"), (409, "SnapshotsPresent"), (409, "BlobArchived")):
            between.error, between.most = error, between.most + 1_000
            asker.ready()
            job = acted(asker, "metadata", ACTS["metadata"], ["1.bin"])
            assert (job["result"]["outcomes"]["changed"], job["result"]["outcomes"]["failed"]) == (0, 1)


def test_another_sas_that_is_given_while_something_is_asked_loses_no_answer(
    between: Between, emulator: Emulator, place: str
) -> None:
    asked, given = threading.Semaphore(0), threading.Event()

    def before(number: int, method: str, name: str) -> str:
        if method == "DELETE":
            asked.release()
            assert given.wait(60)
        return "pass"

    with opened(between, emulator, place) as asker:
        between.before = before
        plan = asker.post("plan", action="delete", names=NAMES)
        number = asker.post("act", plan=plan["plan"], count="4")["number"]
        try:
            for _ in NAMES:
                assert asked.acquire(timeout=60)
            asker.post("access", sas=sas(emulator, place, "rwdlcta"))
        finally:
            given.set()
        job = asker.job(number)
        assert (job["message"], job["findings"]) == ("4 of 4 blobs are done", [])
        # Nothing had to be asked twice.
        assert between.counts()["DELETE"] == 4
    assert not landed(emulator, place)


def test_what_is_left_is_closed_once_nobody_holds_it() -> None:
    class Port:
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    async def go() -> list[int]:
        holders, store, manage = Holders(), Port(), Port()
        ports: Any = (store, manage)
        seen = []
        async with holders.holding(ports):
            async with holders.holding(ports):
                await holders.leave(ports)
            seen.append(store.closed + manage.closed)
        seen.append(store.closed + manage.closed)
        async with holders.holding(ports):
            pass
        return [*seen, store.closed + manage.closed]

    assert asyncio.run(go()) == [0, 2, 2]


def test_what_was_changed_here_can_be_changed_and_read_before_it_is_listed_again(
    place: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed_later(self: StoredPlace) -> None:
        pass

    with explored(place, write=True) as asker:
        monkeypatch.setattr(StoredPlace, "refresh", listed_later)
        for action in ("metadata", "type", "tags", "tier", "metadata"):
            assert acted(asker, action, ACTS[action])["message"] == "4 of 4 blobs are done", action
        got = asker.job(asker.post("download", names=NAMES, folder="got")["number"])
        assert got["result"]["outcomes"] == {"came": 4}
        assert acted(asker, "delete", {})["message"] == "4 of 4 blobs are done"
    assert not landed(emulator, place)


def test_what_the_end_of_the_server_cut_off_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    for name in NAMES:
        (tmp_path / "there" / name).write_text("x")
    begun = asyncio.Event()
    delete = FolderManage.delete

    async def waits(self: FolderManage, name: str, etag: str) -> None:
        if name == "2.bin":
            begun.set()
            await asyncio.Event().wait()
        await delete(self, name, etag)

    monkeypatch.setattr(FolderManage, "delete", waits)
    monkeypatch.setattr(carrying, "_AT_ONCE", 1)

    async def go() -> str:
        place = StoredPlace(parse_destination(str(tmp_path / "there")))
        try:
            await place.fill()
            job = Job(1, "delete", "")
            chosen = await asyncio.to_thread(Chosen.of_items, place.relations, "true")
            task = asyncio.create_task(carry_out(place, "delete", {}, chosen, job))
            await begun.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return job.message
        finally:
            await place.close()

    told = asyncio.run(go())
    assert told.startswith("2 of 4 blobs are done; of 1 it is not known whether it was done")
