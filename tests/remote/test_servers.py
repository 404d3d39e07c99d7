"""Servers that misbehave: each way ends right, or is refused with its sentence, in a counted number of requests."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from laden.remote import Location, RemoteFile, Wire, open_file, parse_link, pieces_of
from laden.values.errors import SourceError
from tests.remote.server import PAGE, Call, Play, Server

DATA = random.Random(14).randbytes(300_000)
PLACES = [(0, 5), (100_000, 50_000), (250_000, 50_000), (9_000, 200_000)]


def opened(server: Server, wire: Wire, told: list[str] | None = None, **more: object) -> RemoteFile:
    link = parse_link(server.put("a.zip", DATA, **more))
    return open_file(wire, Location(wire, link), tell=(told if told is not None else []).append)


def read_all(file: RemoteFile) -> None:
    for at, count in PLACES:
        assert file.read_at(count, at) == DATA[at : at + count]
    assert not file.changed()


def from_then_on(number: int, play: Play) -> Callable[[Call], Play | None]:
    return lambda call: play if call.number >= number else None


def only_at(number: int, play: Play) -> Callable[[Call], Play | None]:
    return lambda call: play if call.number == number else None


def refusal(server: Server, wire: Wire, play: Callable[[Call], Play | None], **more: object) -> SourceError:
    server.play = play
    with pytest.raises(SourceError) as caught:
        read_all(opened(server, wire, **more))
    return caught.value


def test_a_server_that_behaves_is_asked_with_get_alone_for_bounded_ranges(server: Server, wire: Wire) -> None:
    read_all(opened(server, wire))
    assert {call.method for call in server.calls} == {"GET"}
    assert all(call.range and call.range[1] < 1 << 50 for call in server.calls)
    assert all(call.headers["accept-encoding"] == "identity" for call in server.calls)
    assert all(call.headers["user-agent"].startswith("laden/") for call in server.calls)
    assert all(call.headers["if-match"] == server.files["a.zip"].tag for call in server.calls[1:])


@pytest.mark.parametrize(
    "more", [{"weak": True}, {"etag": ""}, {"modified_s": 0.0}, {"etag": "", "modified_s": 0.0}], ids=str
)
def test_whatever_validators_a_server_has_are_held_to(server: Server, wire: Wire, more: dict[str, object]) -> None:
    told: list[str] = []
    read_all(opened(server, wire, told, **more))
    conditions = {name for call in server.calls for name in call.headers if name.startswith("if-")}
    modified = more.get("modified_s") != 0.0
    strong = "etag" not in more and "weak" not in more
    assert conditions == ({"if-match"} if strong else {"if-unmodified-since"} if modified else set())
    assert len(told) == (not modified and "etag" in more)


def test_a_server_without_ranges_is_told_from_the_first_answer(server: Server, wire: Wire) -> None:
    error = refusal(server, wire, from_then_on(1, Play(whole=True)))
    assert error.code == "source-no-ranges"
    assert "laden fetch" in str(error)
    assert len(server.calls) == 1
    assert b"".join(pieces_of(wire, Location(wire, parse_link(server.url("a.zip"))))) == DATA


def test_a_range_that_is_ignored_now_and_then_is_asked_for_again(server: Server, wire: Wire) -> None:
    server.play = only_at(2, Play(whole=True))
    read_all(opened(server, wire))
    assert [call.status for call in server.calls].count(200) == 1


def test_a_server_that_stops_giving_ranges_is_left_after_some_answers(server: Server, wire: Wire) -> None:
    assert refusal(server, wire, from_then_on(2, Play(whole=True))).code == "source-no-ranges"
    assert len(server.calls) == 7


@pytest.mark.parametrize(
    "play",
    [Play(shift=3), Play(status=200, body=PAGE), Play(status=206, body=PAGE)],
    ids=["beside", "page", "page-as-range"],
)
def test_an_answer_about_something_else_is_never_taken(server: Server, wire: Wire, play: Play) -> None:
    server.play = only_at(2, play)
    read_all(opened(server, wire))


def test_an_error_page_as_200_is_known_as_a_page(server: Server, wire: Wire) -> None:
    page = Play(status=200, headers=(("Content-Type", "text/html"),), body=PAGE)
    error = refusal(server, wire, from_then_on(1, page))
    assert error.code == "archive-html"
    assert "web page" in str(error)


def test_a_file_that_changes_midway_is_refused_for_good(server: Server, wire: Wire) -> None:
    file = opened(server, wire)
    file.read_at(10, 100_000)
    server.change("a.zip", data=DATA[::-1], etag='"other"', modified_s=1_700_000_000.0)
    for _ in range(2):
        with pytest.raises(SourceError, match="changed") as caught:
            file.read_at(10, 200_000)
        assert caught.value.code == "archive-changed"
    assert file.changed()


def test_a_file_that_changes_its_length_or_ends_before_the_range_is_refused(server: Server, wire: Wire) -> None:
    for data in (DATA[:200_000], DATA + b"more"):
        server.play = lambda _: Play(unconditional=True)
        file = opened(server, wire, etag="", modified_s=0.0)
        server.change("a.zip", data=data)
        with pytest.raises(SourceError, match="changed"):
            file.read_at(10, 210_000)


def test_a_changed_file_is_known_also_where_conditions_are_ignored(server: Server, wire: Wire) -> None:
    server.play = lambda _: Play(unconditional=True)
    file = opened(server, wire)
    server.change("a.zip", data=DATA[::-1], etag='"other"', modified_s=1_700_000_000.0)
    with pytest.raises(SourceError, match="changed"):
        file.read_at(10, 200_000)


@pytest.mark.parametrize("unconditional", [True, False])
@pytest.mark.parametrize("kinds", [2, 1000])
def test_etags_that_differ_for_one_content_give_way_to_time_and_length(
    server: Server, wire: Wire, kinds: int, unconditional: bool
) -> None:
    server.play = lambda call: Play(etag=f'"node-{call.number % kinds}"', unconditional=unconditional)
    told: list[str] = []
    read_all(opened(server, wire, told))
    assert len(told) == 1
    assert "several ETags" in told[0]


def test_one_other_etag_that_stays_is_a_change(server: Server, wire: Wire) -> None:
    # Two versions within one second, of one length.
    assert refusal(server, wire, from_then_on(3, Play(etag='"new"'))).code == "archive-changed"


def test_a_server_that_refuses_its_own_etag_is_read_without_conditions(server: Server, wire: Wire) -> None:
    server.play = lambda call: Play(status=412) if "if-match" in call.headers else None
    read_all(opened(server, wire))


def test_head_is_never_needed(server: Server, wire: Wire) -> None:
    server.play = lambda call: Play(status=403) if call.method == "HEAD" else None
    read_all(opened(server, wire))


@pytest.mark.parametrize(
    "headers",
    [(("Retry-After", "0"),), (("X-RateLimit-Reset", "0"),), (), (("X-RateLimit-Remaining", "0"),)],
    ids=["retry-after", "reset", "bare", "remaining"],
)
def test_a_server_that_has_too_much_to_do_is_asked_again(
    server: Server, wire: Wire, headers: tuple[tuple[str, str], ...]
) -> None:
    status = 403 if headers and headers[0][0] == "X-RateLimit-Remaining" else 429
    server.play = lambda call: Play(status=status, headers=headers) if call.number in (1, 3, 4) else None
    read_all(opened(server, wire))


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_weather_passes(server: Server, wire: Wire, status: int) -> None:
    server.play = lambda call: Play(status=status) if call.number in (1, 3, 4) else None
    read_all(opened(server, wire))


def test_a_body_that_is_cut_goes_on_where_it_was_cut(server: Server, wire: Wire) -> None:
    server.play = lambda call: Play(cut_at=7_001) if call.number > 1 else None
    file = opened(server, wire)
    assert file.read_at(60_000, 100_000) == DATA[100_000:160_000]
    assert max(server.bytes_of("a.zip")[100_000:160_000]) == 1


def test_a_body_that_stalls_goes_on_where_it_stalled(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laden.store.connection._STALL_S", 0.2)
    server.play = only_at(2, Play(stall_at=20_000))
    file = opened(server, wire)
    assert file.read_at(60_000, 100_000) == DATA[100_000:160_000]
    assert max(server.bytes_of("a.zip")[100_000:160_000]) == 1


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_packed_on_the_way_is_refused(server: Server, wire: Wire, whole: bool) -> None:
    assert refusal(server, wire, from_then_on(1, Play(packed=True, whole=whole))).code == "source-no-ranges"


def test_azure_is_asked_with_a_version(server: Server, wire: Wire) -> None:
    server.play = lambda call: None if "x-ms-version" in call.headers else Play(whole=True)
    server.put("devstoreaccount1/raw/a.zip", DATA)
    link = parse_link(server.url("devstoreaccount1/raw/a.zip?sv=2019-02-02&sp=r&sig=c2lnbmF0dXJl"))
    read_all(open_file(wire, Location(wire, link)))


def test_answers_that_grow_slower_are_waited_for(server: Server, wire: Wire) -> None:
    server.play = lambda call: Play(delay_s=0.01 * call.number)
    read_all(opened(server, wire))


class Sparse:
    """Five gigabytes that no machine has to hold."""

    def __len__(self) -> int:
        return 5 << 30

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(len(self))
        return b"".join((at % 251).to_bytes(1, "big") for at in range(start, min(stop, start + (1 << 20))))


def test_beyond_four_gigabytes_places_are_right(server: Server, wire: Wire) -> None:
    sparse = Sparse()
    file = open_file(wire, Location(wire, parse_link(server.put("big.zip", sparse))))
    assert file.size_bytes == 5 << 30
    at = (4 << 30) + 12_345
    assert file.read_at(1000, at) == sparse[at : at + 1000]


def test_an_empty_file_has_no_bytes(server: Server, wire: Wire) -> None:
    file = open_file(wire, Location(wire, parse_link(server.put("a.zip", b""))))
    assert (file.size_bytes, file.read_at(10, 0)) == (0, b"")


def test_what_is_not_there_is_told_with_its_address_alone(server: Server, wire: Wire) -> None:
    link = parse_link(server.url("none.zip?X-Amz-Signature=0123456789abcdef0123"))
    with pytest.raises(SourceError, match="nothing is at") as caught:
        open_file(wire, Location(wire, link))
    assert "none.zip" in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)


@pytest.mark.parametrize("seed", range(6))
def test_any_mixture_ends_right(server: Server, wire: Wire, seed: int) -> None:
    """Every fault that passes, in any order, on half of all requests."""
    drawn = random.Random(seed)
    faults = [
        Play(status=503),
        Play(status=429, headers=(("Retry-After", "0"),)),
        Play(cut_at=drawn.randrange(5_000)),
        Play(whole=True),
        Play(shift=drawn.randrange(1, 50)),
        Play(status=200, body=PAGE),
        Play(etag='"another"', unconditional=True),
        Play(delay_s=0.01),
    ]
    server.play = lambda call: drawn.choice(faults) if call.number > 1 and drawn.random() < 0.3 else None
    file = opened(server, wire)
    spans = [(at, min(at + drawn.randrange(1, 9_000), len(DATA))) for at in range(0, len(DATA), 10_000)]
    file.expect(spans)
    for start, end in spans:
        assert file.read_at(end - start, start) == DATA[start:end]
