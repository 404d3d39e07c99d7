"""Signed links and tokens of shares: none leaves by any door, whatever becomes of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from laden.cli import run_command
from tests.remote.server import Call, Play, Server
from tests.remote.test_load import serve
from tests.support.dataset import make_dataset

SECRET = "kZ81xQw07vTrB52yLm44"
QUERY = "&".join(
    [
        f"sv=2023-11-03&sr=c&sp=rl&sig={SECRET}",
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1{SECRET}",
        f"X-Goog-Expires=259200&X-Goog-Signature=2{SECRET}",
        f"access_token=3{SECRET}",
    ]
)


@pytest.mark.parametrize("end", ["right", "refused", "redirect"])
def test_nothing_of_a_signed_link_leaves(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    dataset = make_dataset(tmp_path / "source")
    links = [f"{link}?{QUERY}" for link in serve(server, dataset)]
    server.files["hidden/0.zip"] = server.files["0.zip"]
    (tmp_path / "links.txt").write_text("\n".join(links[1:]))

    def play(call: Call) -> Play | None:
        if "0.zip" not in call.path or end == "right":
            return None
        if end == "redirect":
            there = Play(status=302, headers=(("Location", server.url(f"hidden/0.zip?{QUERY}")),))
            return Play(status=403) if "hidden" in call.path and call.number > 5 else there
        return Play(status=403)

    server.play = play
    given = [links[0], str(tmp_path / "links.txt")]
    run_command(["check", *given, "--json", "--log", str(tmp_path / "log")])
    run_command(["load", *given, str(tmp_path / "there"), "--verbose"])
    out = "".join(capsys.readouterr())
    assert "a signed link on the command line" in out
    assert SECRET not in out
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "links.txt" and not path.is_relative_to(dataset.folder):
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_login_in_a_link_is_refused_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", f"https://me:{SECRET}@example.org/0.zip"]) == 2
    out = "".join(capsys.readouterr())
    assert ".netrc" in out
    assert SECRET not in out


@pytest.mark.parametrize("token", ["Qw3rTy7uIoP9aSd", "short1"])
def test_the_token_of_a_share_is_not_shown(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path, token: str
) -> None:
    server.play = lambda _: Play(status=404)
    assert run_command(["check", server.url(f"index.php/s/{token}"), "--log", str(tmp_path / "log")]) == 5
    assert token not in "".join(capsys.readouterr())
    assert token not in (tmp_path / "log").read_text()
    assert not [path for path in tmp_path.iterdir() if token in path.name]
