"""What is repeated, how often, after which pause, and what is not."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import pytest

from laden.store import CREATE_ONLY, Page, Retry
from laden.store import retry as module
from laden.store.limit import Limited
from laden.store.retry import Retrying
from laden.values.errors import (
    AccessDenied,
    BlobConflict,
    BlobMissing,
    BlobRefused,
    ContainerMissing,
    StoreError,
    TransientStoreError,
    UsageError,
)
from laden.values.records import Blob
from tests.contracts.store import properties
from tests.store.weather import virtual_time

PAUSE_S = 0.001
BLOB = Blob("a", 1, None, '"1"', {})
REQUESTS: dict[str, tuple[Callable, object]] = {
    "create": (lambda store: store.create(), True),
    "list_page": (lambda store: store.list_page("marker"), Page([BLOB], "next")),
    "head": (lambda store: store.head("a"), BLOB),
    "get": (lambda store: store.get("a", 3, 4), b"data"),
    "put": (lambda store: store.put("a", b"x", properties(b"x"), CREATE_ONLY), None),
    "put_block": (lambda store: store.put_block("a", "0000", b"x", b"md5"), None),
    "commit": (lambda store: store.commit("a", ["0000"], properties(b"x"), "etag"), None),
    "delete": (lambda store: store.delete("a"), None),
}


class Scripted:
    """Answers every method with the next line of a script; the last one comes again and again."""

    def __init__(self, *script: object) -> None:
        self._script = list(script)
        self.calls: list[tuple] = []
        self.closed = 0

    def __getattr__(self, method: str) -> Callable:
        async def answer(*arguments: object) -> object:
            self.calls.append((method, *arguments))
            line = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            if isinstance(line, BaseException):
                raise line
            return line

        return answer

    async def close(self) -> None:
        self.closed += 1


def busy(retry_after_s: float | None = None, *, throttled: bool = False) -> TransientStoreError:
    return TransientStoreError("the service is busy", retry_after_s, throttled=throttled)


def once(inner: Scripted, request: str = "put", told: list[Retry] | None = None, **settings: float) -> object:
    on_retry = (lambda _: None) if told is None else told.append
    store = Retrying(inner, on_retry=on_retry, **{"first_pause_s": PAUSE_S, **settings})
    return asyncio.run(REQUESTS[request][0](store))


@pytest.mark.parametrize("request_", REQUESTS)
def test_what_is_transient_is_repeated_as_it_was(request_):
    expected = REQUESTS[request_][1]
    inner = Scripted(busy(), busy(), busy(), expected)
    assert once(inner, request_) == expected
    assert len(inner.calls) == 4
    assert inner.calls[0][0] == request_
    assert inner.calls == [inner.calls[0]] * 4


@pytest.mark.parametrize(
    "error",
    [
        StoreError("x"),
        AccessDenied("x"),
        ContainerMissing("x"),
        BlobConflict("x"),
        BlobMissing("x"),
        BlobRefused("x"),
        UsageError("x"),
        ValueError("x"),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_else_is_repeated(error):
    inner = Scripted(error, None)
    with pytest.raises(type(error)) as raised:
        once(inner)
    assert raised.value is error
    assert len(inner.calls) == 1


def test_pauses_grow_and_are_told_before_they_are_taken():
    told: list[Retry] = []
    once(Scripted(*[busy()] * 5, None), told=told)
    for number, retry in enumerate(told):
        longest_s = PAUSE_S * 2**number
        assert longest_s / 2 <= retry.wait_s <= longest_s
    assert [(retry.reason, retry.throttled) for retry in told] == [("the service is busy", False)] * 5


def test_no_pause_is_longer_than_the_longest(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.002)
    told: list[Retry] = []
    once(Scripted(*[busy()] * 8, None), told=told)
    assert max(retry.wait_s for retry in told) <= 0.002


def test_pauses_differ_so_that_many_do_not_come_back_at_once():
    told: list[Retry] = []
    for _ in range(10):
        once(Scripted(busy(0.001), None), told=told)
        once(Scripted(busy(), None), told=told)
    assert len({retry.wait_s for retry in told}) > 10


def test_the_service_s_wish_is_honoured():
    told: list[Retry] = []
    started_s = time.monotonic()
    once(Scripted(busy(0.03, throttled=True), None), told=told)
    assert time.monotonic() - started_s >= 0.03
    assert 0.03 < told[0].wait_s <= 0.03 + PAUSE_S
    assert told[0].throttled


def test_a_wish_beyond_all_measure_is_capped_and_told(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WISH_S", 0.02)
    told: list[Retry] = []
    once(Scripted(busy(3600, throttled=True), None), told=told)
    assert told[0].wait_s < 0.03
    assert told[0].reason == "the service is busy, and asks for 3,600 s; asked again after 0 s"


@pytest.mark.parametrize("wish_s", [0, 0.0, None])
def test_a_wish_of_nothing_lets_the_pauses_grow(wish_s):
    told: list[Retry] = []
    once(Scripted(*[busy(wish_s)] * 6, None), told=told)
    assert told[5].wait_s > 4 * told[0].wait_s


def test_patience_ends():
    inner = Scripted(busy())
    with pytest.raises(TransientStoreError, match="busy"):
        once(inner, patience_s=0.05)
    assert 3 < len(inner.calls) < 50


def test_no_patience_is_one_attempt():
    inner = Scripted(busy(), None)
    with pytest.raises(TransientStoreError):
        once(inner, patience_s=0)
    assert len(inner.calls) == 1


@pytest.mark.parametrize("answer", [BLOB, ContainerMissing("none"), BlobConflict("there"), BlobMissing("none")])
def test_patience_is_long_once_the_service_has_answered(monkeypatch, answer):
    monkeypatch.setattr(module, "FIRST_PATIENCE_S", 0)

    async def work() -> Blob:
        store = Retrying(inner, first_pause_s=PAUSE_S)
        with contextlib.suppress(StoreError):
            await store.head("a")
        return await store.head("a")

    inner = Scripted(answer, busy(), busy(), BLOB)
    assert asyncio.run(work()) == BLOB
    assert len(inner.calls) == 4


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("throttled", [False, True])
def test_patience_is_short_before_unless_somebody_answers(monkeypatch, throttled, answered):
    monkeypatch.setattr(module, "FIRST_PATIENCE_S", 0)
    inner = Scripted(TransientStoreError("500", throttled=throttled, answered=answered), BLOB)
    if throttled or answered:
        assert once(inner, "head") == BLOB
    else:
        with pytest.raises(TransientStoreError):
            once(inner, "head")
    assert len(inner.calls) == 1 + (throttled or answered)


class Clocked:
    """Puts that last as long as a script says and then fail or succeed, in virtual time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *script: tuple[float, bool]) -> None:
        self._loop = loop
        self._script = list(script)
        self.calls = 0

    async def put(self, *_: object) -> None:
        self.calls += 1
        lasts_s, good = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        await asyncio.sleep(lasts_s)
        if not good:
            raise TransientStoreError("the connection broke")

    async def head(self, _: str) -> Blob:
        return BLOB


def in_virtual_time(*script: tuple[float, bool], connections: int = 4) -> tuple[Clocked, list[object], float]:
    """After one good answer, two puts at once; what became of them, and how long it took."""
    with virtual_time() as runner:
        inner = Clocked(runner.get_loop(), *script)

        async def work() -> tuple[Clocked, list[object], float]:
            store = Retrying(Limited(inner, connections=connections))  # type: ignore[arg-type]
            await store.head("a")
            puts = (store.put(name, b"x", properties(b"x"), CREATE_ONLY) for name in "bc")
            results = await asyncio.gather(*puts, return_exceptions=True)
            return inner, list(results), asyncio.get_running_loop().time()

        return runner.run(work())


@pytest.mark.parametrize("connections", [1, 2])
def test_neither_sending_nor_waiting_for_a_place_uses_up_the_patience(connections):
    """Each put of five thousand seconds breaks twice at its end; moving bytes is a sign of life."""
    script = [(5_000.0, False)] * 4 + [(5_000.0, True)]
    inner, results, _ = in_virtual_time(*script, connections=connections)
    assert results == [None, None]
    assert inner.calls == 6


def test_silence_uses_it_up_for_all_together():
    _, results, seconds = in_virtual_time((7.0, False))
    assert all(isinstance(result, TransientStoreError) for result in results)
    assert module.PATIENCE_S - 2 * module.LONGEST_PAUSE_S < seconds < module.PATIENCE_S + 2 * module.LONGEST_PAUSE_S


def test_a_request_that_fails_while_others_succeed_is_given_up_after_some_attempts():
    with virtual_time() as runner:

        class Picky:
            calls = 0

            async def put(self, name: str, *_: object) -> None:
                await asyncio.sleep(1)
                if name == "bad":
                    self.calls += 1
                    raise TransientStoreError("the connection broke")

        inner = Picky()

        async def work() -> None:
            store = Retrying(inner)  # type: ignore[arg-type]

            async def others() -> None:
                while True:
                    await store.put("good", b"", properties(b""), None)

            beside = asyncio.create_task(others())
            with pytest.raises(TransientStoreError):
                await store.put("bad", b"", properties(b""), None)
            beside.cancel()

        runner.run(work())
    assert module.MOST_FAILURES <= inner.calls <= module.MOST_FAILURES + 3


@pytest.mark.parametrize("request_", ["put", "commit"])
@pytest.mark.parametrize("attempts_before", [0, 1, 3])
def test_a_conflict_says_whether_it_may_be_our_own_work(request_, attempts_before):
    with pytest.raises(BlobConflict) as raised:
        once(Scripted(*[busy()] * attempts_before, BlobConflict("there")), request_)
    assert raised.value.repeated is (attempts_before > 0)


def test_requests_side_by_side_do_not_share_their_pauses_or_their_doubts():
    async def work() -> list:
        store = Retrying(inner, first_pause_s=PAUSE_S)
        return await asyncio.gather(
            store.get("a", 0, 1), store.put("b", b"", properties(b""), None), return_exceptions=True
        )

    inner = Scripted(busy(), BlobConflict("there"), b"data")
    first, second = asyncio.run(work())
    assert first == b"data"
    assert isinstance(second, BlobConflict)
    assert second.repeated is False


def test_cancelling_ends_the_pause():
    async def work() -> None:
        store = Retrying(Scripted(busy()), first_pause_s=3, patience_s=60)
        task = asyncio.create_task(store.head("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started_s = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - started_s < 1


def test_closing_closes_what_is_within():
    inner = Scripted(None)
    asyncio.run(Retrying(inner).close())
    assert inner.closed == 1


def test_a_retry_says_for_how_long_nothing_useful_came() -> None:
    told: list[Retry] = []

    async def outage() -> None:
        inner = Scripted(None, *[busy() for _ in range(8)], None)
        store = Retrying(inner, on_retry=told.append, first_pause_s=1.0)
        await REQUESTS["put"][0](store)
        await REQUESTS["put"][0](store)

    with virtual_time() as runner:
        runner.run(outage())
    *failed, over = told
    assert over == Retry("", 0.0, False, failed=False), "something got through, after more than ten seconds"
    silences = [retry.silent_s for retry in failed]
    assert silences == sorted(silences)
    assert silences[0] < 1
    assert sum(retry.wait_s for retry in failed[:-1]) == pytest.approx(silences[-1], abs=1)
