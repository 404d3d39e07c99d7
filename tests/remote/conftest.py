"""A server of ranges, and a wire to it whose pauses are short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from laden.remote import Wire
from tests.remote.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)
    with Wire() as wire:
        yield wire


@pytest.fixture(autouse=True)
def no_logins(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nobody's own logins take part in a test."""
    for name in ("LADEN_HTTP_TOKEN", "LADEN_HTTP_USER", "LADEN_HTTP_PASSWORD", "NETRC", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
