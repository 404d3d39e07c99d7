"""A cap: as people write it, and as connections keep to it, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from datetime import datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.run.loop import run
from laden.store import cap as module
from laden.store import open_store, parse_destination
from laden.store.cap import Cap, Span, Throttle, parse_cap
from laden.store.http import HttpClient
from laden.values.errors import UsageError

DAY = parse_cap("08:00-18:00=5M,20M")


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [("20M", 20e6), ("20m", 20e6), ("1.5G", 1.5e9), ("500k", 5e5), ("2000", 2000), ("20MB", 20e6), ("20 MB/s", 20e6)],
)
def test_a_rate(text, bytes_per_s):
    assert parse_cap(text) == Cap(bytes_per_s)


@pytest.mark.parametrize(
    ("cap", "moment", "bytes_per_s"),
    [
        (DAY, "07:59", 20e6),
        (DAY, "08:00", 5e6),
        (DAY, "17:59", 5e6),
        (DAY, "18:00", 20e6),
        (parse_cap("08:00-18:00=5M"), "20:00", None),
        (parse_cap("22:00-06:00=20M,1M"), "23:00", 20e6),
        (parse_cap("22:00-06:00=20M,1M"), "05:59", 20e6),
        (parse_cap("22:00-06:00=20M,1M"), "12:00", 1e6),
        (parse_cap("12:00-13:00=1M,08:00-18:00=5M,20M"), "12:30", 1e6),
        (parse_cap("00:00-00:00=1M,20M"), "12:30", 1e6),
    ],
)
def test_times_of_day(cap, moment, bytes_per_s):
    assert cap.at(time.fromisoformat(moment)) == bytes_per_s


@pytest.mark.parametrize(
    "text",
    ["", "fast", "0", "-5M", "20T", "20M,5M", "08:00-25:00=5M", "08:00=5M", "8-18=5M", "500", "08:00-18:00=", "1e9"],
)
def test_what_is_no_cap_is_refused(text):
    with pytest.raises(UsageError, match="--limit"):
        parse_cap(text)


@pytest.mark.parametrize(
    ("cap", "size_bytes", "begin", "seconds"),
    [
        (parse_cap("10k"), 90_000_000, "12:34", 9000),
        (parse_cap("10k"), 0, "12:34", 0),
        (DAY, 60_000_000, "09:00", 12),
        (DAY, 20_000_000 * 60 + 5_000_000, "07:59", 61),
        (parse_cap("08:00-18:00=5M"), 10**12, "17:00", 3600),
        (parse_cap("08:00-18:00=5M"), 10**12, "19:00", 0),
        (parse_cap("22:00-06:00=20M,1M"), 16 * 3600 * 10**6 + 20_000_000, "06:00", 16 * 3600 + 1),
        (parse_cap("1k"), 86_400_000 * 10_000, "23:59", 864_000_000),
    ],
)
def test_how_long_it_takes(cap, size_bytes, begin, seconds):
    assert cap.seconds(size_bytes, time.fromisoformat(begin)) == pytest.approx(seconds)


@given(
    st.builds(
        Cap,
        st.floats(1e3, 1e9),
        st.lists(st.builds(Span, st.times(), st.times(), st.floats(1e3, 1e9)), max_size=3).map(tuple),
    ),
    st.integers(0, 10**12),
    st.times(),
)
def test_it_takes_no_longer_than_by_the_lowest_and_no_less_than_by_the_highest(cap, size_bytes, begin):
    rates = [cap.bytes_per_s, *(span.bytes_per_s for span in cap.spans)]
    told_s = cap.seconds(size_bytes, begin)
    assert size_bytes / max(rates) * (1 - 1e-9) <= told_s <= size_bytes / min(rates) * (1 + 1e-9)


@given(st.text(max_size=30))
def test_whatever_is_written_is_a_cap_or_refused(text):
    try:
        cap = parse_cap(text)
    except UsageError:
        return
    assert cap.bytes_per_s is None or cap.bytes_per_s >= 1000


def test_a_folder_has_none(tmp_path: Path):
    with pytest.raises(UsageError, match="--limit"):
        open_store(parse_destination(str(tmp_path)), connections=None, cap=Cap(1e6))


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.day = datetime(2026, 1, 1, 7, 59, 30)

    def __call__(self) -> float:
        return self.now_s


def sent_by(throttle: Throttle, clock: Clock, connections: int, until_s: float) -> int:
    """Bytes that so many connections have sent by then, each writing its next piece when its turn comes."""
    turns = [clock.now_s] * connections
    sent_bytes = 0
    while (now_s := min(turns)) < until_s:
        clock.now_s = now_s
        at = turns.index(now_s)
        piece_bytes = throttle.piece_bytes()
        turns[at] = now_s + throttle.wait_s(piece_bytes)
        if turns[at] < until_s:
            sent_bytes += piece_bytes
        turns[at] += 1e-6
    return sent_bytes


@pytest.mark.parametrize("connections", [1, 8, 64])
@pytest.mark.parametrize("bytes_per_s", [10_000, 1_000_000, 20_000_000, 1_000_000_000])
def test_all_connections_together_keep_to_it(bytes_per_s: float, connections: int) -> None:
    clock = Clock()
    throttle = Throttle(Cap(bytes_per_s), clock, lambda: clock.day)
    assert sent_by(throttle, clock, connections, 160) == pytest.approx(60 * bytes_per_s, rel=0.02)


def test_processes_share_it() -> None:
    shares = [DAY.shared(4) for _ in range(4)]
    for moment in (time(7), time(12)):
        assert sum(share.at(moment) or 0 for share in shares) == DAY.at(moment)
    assert parse_cap("08:00-18:00=5M").shared(3).at(time(7)) is None


def test_it_changes_with_the_time_of_day() -> None:
    clock = Clock()
    throttle = Throttle(DAY, clock, lambda: clock.day)
    assert sent_by(throttle, clock, 4, 110) == pytest.approx(10 * 20e6, rel=0.03)
    clock.day = datetime(2026, 1, 1, 8)
    clock.now_s = 110
    assert sent_by(throttle, clock, 4, 130) == pytest.approx(20 * 5e6, rel=0.1)


def test_time_without_work_is_not_saved_up() -> None:
    clock = Clock()
    throttle = Throttle(Cap(1e6), clock, lambda: clock.day)
    sent_by(throttle, clock, 1, 101)
    clock.now_s = 1000
    assert sent_by(throttle, clock, 8, 1010) == pytest.approx(10e6, rel=0.05)


def test_it_holds_while_turns_are_given_away_ahead() -> None:
    clock = Clock()
    throttle = Throttle(Cap(1e6), clock, lambda: clock.day)
    assert not throttle.holds
    for _ in range(10):
        throttle.wait_s(1_000_000)
    assert throttle.holds
    clock.now_s += 9.5
    assert throttle.holds
    clock.now_s += 1
    assert not throttle.holds
    free = Throttle(Cap(None, DAY.spans), clock, lambda: datetime(2026, 1, 1, 20))
    free.wait_s(10**9)
    assert not free.holds


def test_an_opened_store_says_whether_its_cap_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = parse_destination("https://acct.blob.core.windows.net/cont?sv=2023-11-03&sp=rcwl&se=2999-01-01&sig=c2ln")
    capped, free = (open_store(place, connections=1, cap=cap) for cap in (Cap(1e6), None))
    assert not capped.capped()
    monkeypatch.setattr(Throttle, "holds", property(lambda _: True))
    assert capped.capped()
    assert not free.capped()
    assert not open_store(parse_destination(str(tmp_path / "there")), connections=1).capped()


def test_what_goes_over_a_socket_was_given_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte of bodies and heads is counted, whatever their sizes, and arrives in order."""
    counted: list[int] = []
    real = Throttle.wait_s
    monkeypatch.setattr(
        module.Throttle, "wait_s", lambda self, size_bytes: counted.append(size_bytes) or real(self, size_bytes)
    )
    bodies = [b"", b"x", bytes(range(256)) * 4000, b"y" * 100_000]
    came: list[bytes] = []
    heads: list[int] = []

    async def work() -> None:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for body in bodies:
                heads.append(len(await reader.readuntil(b"\r\n\r\n")))
                came.append(await reader.readexactly(len(body)))
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = HttpClient(url, Throttle(Cap(20e6)))
        for body in bodies:
            await client.request("PUT", "/", {}, body, most_bytes=10)
        await client.close()
        server.close()

    run(work())
    assert came == bodies
    assert sum(counted) == sum(heads) + sum(map(len, bodies))
