"""Links that lead on, and end: the same bytes come from a fresh one, and nobody's login goes to somebody else."""

from __future__ import annotations

import base64
import itertools
import random
from pathlib import Path

import pytest

from laden.remote import Link, Location, Wire, open_file, parse_link
from laden.remote.login import refuse_many_hosts
from laden.values.errors import SourceError, UsageError
from tests.remote.server import Call, Play, Server

DATA = random.Random(15).randbytes(200_000)


@pytest.fixture
def target(server: Server) -> Server:
    """A second host, to which the first one redirects."""
    with Server() as other:
        other.put("real.zip", DATA)
        yield other  # type: ignore[misc]


def leading(target: Server) -> Play:
    return Play(status=302, headers=(("Location", target.url("real.zip?sig=0123456789abcdef")),))


def test_a_redirect_is_followed_once_and_remembered(server: Server, target: Server, wire: Wire) -> None:
    server.play = lambda _: leading(target)
    file = open_file(wire, Location(wire, parse_link(server.url("download/1"))))
    assert file.name == "real.zip"
    assert file.read_at(50_000, 100_000) == DATA[100_000:150_000]
    assert len(server.calls) == 1
    assert len(target.calls) == 2


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_link_that_ends_is_had_anew_by_one_request_for_all(
    server: Server, target: Server, wire: Wire, status: int
) -> None:
    made = itertools.count()
    uses: dict[str, int] = {}

    def redirect(_: Call) -> Play:
        return Play(status=302, headers=(("Location", target.url(f"real.zip?turn={next(made)}")),))

    def ends(call: Call) -> Play | None:
        turn = call.path.partition("?")[2]
        uses[turn] = uses.get(turn, 0) + 1
        return Play(status=status) if uses[turn] > 3 else None

    server.play, target.play = redirect, ends
    file = open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    spans = [(at, at + 10_000) for at in range(0, 200_000, 10_000)]
    for start, end in spans:
        assert file.read_at(end - start, start) == DATA[start:end]
    assert max(target.bytes_of("real.zip")[8192:]) == 1, "a byte was read twice"
    refused = [call for call in target.calls if call.status == status]
    assert len(server.calls) == len(refused) + 1


def test_many_that_wait_take_one_fresh_link(server: Server, target: Server, wire: Wire) -> None:
    server.play = lambda _: Play(status=302, headers=(("Location", target.url(f"real.zip?n={len(server.calls)}")),))
    target.play = lambda call: Play(status=403) if call.path.endswith("n=1") and call.number > 1 else None
    file = open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    spans = [(at, at + 1_000) for at in range(10_000, 200_000, 50_000)]
    # Far apart by the shelf's measure: each is a request of its own.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laden.remote.shelf.GAP_BYTES", 0)
        file.expect(spans)
    for start, end in spans:
        assert file.read_at(end - start, start) == DATA[start:end]
    assert len(server.calls) == 2


def test_an_expired_token_is_known_though_it_is_called_a_bad_request(
    server: Server, target: Server, wire: Wire
) -> None:
    server.play = lambda _: Play(status=302, headers=(("Location", target.url(f"real.zip?n={len(server.calls)}")),))
    expired = Play(status=400, body=b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>")
    target.play = lambda call: expired if call.path.endswith("n=1") and call.number > 1 else None
    file = open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    assert file.read_at(1000, 100_000) == DATA[100_000:101_000]


def test_a_link_that_is_refused_every_time_is_told_with_what_to_do(server: Server, target: Server, wire: Wire) -> None:
    server.play, target.play = lambda _: leading(target), lambda _: Play(status=403)
    with pytest.raises(SourceError, match="refused with 403") as caught:
        open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    assert "--link-command" in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)
    assert len(target.calls) <= 4


def test_what_gives_links_is_asked_for_another_one(server: Server, wire: Wire) -> None:
    server.put("a.zip", DATA)
    server.play = lambda call: Play(status=403) if "old" in call.path else None
    fresh: list[Link] = []

    def renew() -> Link:
        fresh.append(parse_link(server.url("a.zip?new=1")))
        return fresh[-1]

    file = open_file(wire, Location(wire, parse_link(server.url("a.zip?old=1")), renew=renew))
    assert file.read_at(1000, 100_000) == DATA[100_000:101_000]
    assert len(fresh) == 1


def test_redirects_without_end_are_left(server: Server, wire: Wire) -> None:
    server.play = lambda _: Play(status=302, headers=(("Location", server.url("a.zip")),))
    with pytest.raises(SourceError, match="without end"):
        open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    assert len(server.calls) == 10


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/a", "http://me:secret@127.0.0.1/a", "", "http://[/"])
def test_a_redirect_to_no_proper_address_is_refused(server: Server, wire: Wire, to: str) -> None:
    server.play = lambda _: Play(status=302, headers=(("Location", to),))
    with pytest.raises(SourceError, match=r"not followed|without end"):
        open_file(wire, Location(wire, parse_link(server.url("a.zip"))))


def test_logins_stay_with_their_host(
    server: Server, target: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADEN_HTTP_USER", "someone")
    monkeypatch.setenv("LADEN_HTTP_PASSWORD", "s3cret-words")
    server.play = lambda _: leading(target)
    open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    expected = "Basic " + base64.b64encode(b"someone:s3cret-words").decode()
    assert server.calls[0].headers["authorization"] == expected
    assert all("authorization" not in call.headers for call in target.calls)


def test_netrc_gives_a_host_its_own_login_and_nobody_the_default(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.put("a.zip", DATA)
    netrc = tmp_path / "logins"
    netrc.write_text("default login all password wrong-for-you\nmachine example.org login b password another-one\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    assert "authorization" not in server.calls[-1].headers
    netrc.write_text("machine 127.0.0.1 login me password for-you-alone\n" + netrc.read_text())
    open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    assert server.calls[-1].headers["authorization"] == "Basic " + base64.b64encode(b"me:for-you-alone").decode()


def test_a_broken_netrc_is_a_sentence_without_its_content(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "logins").write_text("machine x login y password\nnonsense top-secret-word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "logins"))
    with pytest.raises(UsageError, match="cannot be read") as caught:
        Location(wire, parse_link("https://example.org/a.zip"))
    assert "top-secret" not in str(caught.value)


def test_one_login_of_the_environment_is_not_sent_to_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    links = [parse_link("https://one.example.org/a.zip"), parse_link("https://two.example.org/b.zip")]
    refuse_many_hosts(links)
    monkeypatch.setenv("LADEN_HTTP_TOKEN", "a-token-of-somebody")
    refuse_many_hosts(links[:1])
    with pytest.raises(UsageError, match="netrc"):
        refuse_many_hosts(links)


def test_a_login_that_is_wrong_is_named_by_its_place(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.play = lambda _: Play(status=401)
    with pytest.raises(SourceError, match=r"netrc"):
        open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    monkeypatch.setenv("LADEN_HTTP_TOKEN", "a-token-of-somebody")
    with pytest.raises(SourceError, match="check the login in LADEN_HTTP_TOKEN") as caught:
        open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    assert "a-token" not in str(caught.value)


def test_the_name_is_the_hosts_word_where_the_link_has_none(server: Server, wire: Wire) -> None:
    server.put("static/1x2y.gz", DATA)
    server.play = lambda _: Play(headers=(("Content-Disposition", 'attachment; filename="images_001.tar.gz"'),))
    assert open_file(wire, Location(wire, parse_link(server.url("static/1x2y.gz")))).name == "images_001.tar.gz"


def test_a_closed_wire_ends_what_waits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put("a.zip", DATA)
    server.play = lambda call: Play(stall_at=10) if call.number > 1 else None
    wire = Wire()
    file = open_file(wire, Location(wire, parse_link(server.url("a.zip"))))
    file.expect([(100_000, 150_000)])
    wire.close()
    from laden.values.errors import Interrupted

    with pytest.raises(Interrupted):
        file.read_at(50_000, 100_000)
