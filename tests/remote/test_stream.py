"""Whole files in one answer: over TLS too, at the pace of whoever takes them, and never as half a file."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.remote import Location, Wire, open_file, parse_link, pieces_of
from laden.values.errors import SourceError
from tests.remote.server import Play, Server
from tests.support.management.certificate import make_certificate

DATA = random.Random(16).randbytes(6_000_000)


@pytest.fixture(params=["http", "https"])
def there(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        if request.param == "https":
            certificate, key = make_certificate(tmp_path)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            server.secure(context)
        yield server


def test_a_file_comes_whole_however_slowly_it_is_taken(
    there: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laden.remote.stream._MOST_WAITING_BYTES", 64 << 10)
    link = parse_link(there.put("a.csv", DATA))
    assert b"".join(pieces_of(wire, Location(wire, link))) == DATA


def test_ranges_come_over_tls_too(there: Server, wire: Wire) -> None:
    file = open_file(wire, Location(wire, parse_link(there.put("a.zip", DATA))))
    assert file.read_at(3_000_000, 1_000_000) == DATA[1_000_000:4_000_000]


def test_one_that_breaks_off_is_no_file(server: Server, wire: Wire) -> None:
    link = parse_link(server.put("a.csv", DATA))
    server.play = lambda _: Play(cut_at=100_000)
    with pytest.raises(SourceError, match="before the file had ended"):
        list(pieces_of(wire, Location(wire, link)))
    assert len(server.calls) == 1


def test_weather_before_the_first_byte_passes(server: Server, wire: Wire) -> None:
    link = parse_link(server.put("a.csv", DATA))
    server.play = lambda call: Play(status=503) if call.number < 3 else None
    assert b"".join(pieces_of(wire, Location(wire, link))) == DATA


def test_one_that_is_longer_than_it_may_be_is_left(server: Server, wire: Wire) -> None:
    link = parse_link(server.put("a.csv", DATA))
    with pytest.raises(SourceError, match="more than it may"):
        list(pieces_of(wire, Location(wire, link), 1_000_000))


def test_who_stops_taking_leaves_nothing_behind(server: Server, wire: Wire) -> None:
    link = parse_link(server.put("a.csv", DATA))
    given = pieces_of(wire, Location(wire, link))
    next(given)
    given.close()
    assert b"".join(pieces_of(wire, Location(wire, link))) == DATA
