"""Pages and findings as `laden help` shows them, and completion in four shells."""

import re
from pathlib import Path

import pytest

from laden.cli import run_command
from laden.values.pages import PAGES, findings, page
from laden.values.secrets import redact

DOCS = Path(__file__).parents[2] / "docs"


def shown(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, str, str]:
    code = run_command(["help", *line])
    return code, *capsys.readouterr()


def test_every_page_is_listed_and_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(PAGES) == {path.stem for path in DOCS.glob("*.md")} - {"reference"}
    code, out, _ = shown(capsys)
    assert code == 0
    for name in PAGES:
        assert f"  {name} " in out
        # Examples of addresses with a login are shown as any address is.
        assert shown(capsys, name) == (0, redact((DOCS / f"{name}.md").read_text("utf-8")), "")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_a_page_is_drawn_as_wide_as_that(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    for name in PAGES:
        assert run_command(["help", name]) == 0
        drawn = re.sub(r"\x1b(?:\[[0-9;]*m|\]8;.*?\x1b\\)", "", capsys.readouterr().out)
        assert max(map(len, drawn.splitlines())) <= width, name
        assert not re.search(r"\]\(|^#|^\| -|\*\*", drawn, re.MULTILINE), name
        # Words stay, whatever surrounded them.
        for word in re.findall(r"^## (\w+)", page(name), re.MULTILINE):
            assert word in drawn, (name, word)


def test_every_page_is_packed(capsys: pytest.CaptureFixture[str]) -> None:
    project = (DOCS.parent / "pyproject.toml").read_text("utf-8")
    assert [name for name in PAGES if f'"docs/{name}.md" = "laden/pages/{name}.md"' not in project] == []


@pytest.mark.parametrize("line", [["findings", "png-truncated"], ["png-truncated"]])
def test_what_a_finding_means(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = shown(capsys, *line)
    assert code == 0
    assert "png-truncated" in out.splitlines()[0]
    assert "it ends too early" in out
    assert "What to do: fetch it again" in out
    assert "--images structure" in out


def test_every_finding_has_an_entry_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(findings()) > 100
    assert findings()["archive-truncated"].severity == "error"
    assert [code for code, entry in findings().items() if not entry.meaning] == []
    assert page("findings").startswith("# Findings")


def test_what_is_like_nothing_is_told_without_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["help", "findings", "nope"], ["help", "nope"]):
        assert run_command(line) == 2
        assert "did you mean" not in capsys.readouterr().err


def test_what_is_not_there_is_told_with_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    for line, near in ((["findings", "png-trunkated"], "png-truncated"), (["finding"], "findings"), (["lod"], "load")):
        code, out, err = shown(capsys, *line)
        assert (code, out) == (2, "")
        assert near in err


def test_a_word_that_is_no_page_leads_to_those_that_tell_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for word, told in (
        ("credentials", " tell of it"),
        ("PyTorch", "laden help use tells of it"),
        ("explorer", "did you mean explore?"),
        ("notebook", "laden help lists the pages"),
    ):
        code, out, err = shown(capsys, word)
        assert (code, out) == (2, "")
        assert err.rstrip().endswith(told), word


def test_a_command_s_help_is_found_here_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = shown(capsys, "load")
    assert code == 0
    assert out.startswith("Usage: laden load [OPTIONS] SOURCE... DEST")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "_LADEN_COMPLETE" in out
    assert f"complete_{shell}" in out


@pytest.mark.parametrize(
    ("shell", "setting", "words", "found"),
    [
        ("bash", "COMP_WORDS", "laden lo", "load"),
        ("zsh", "_TYPER_COMPLETE_ARGS", "laden load --images-f", "--images-from"),
        ("fish", "_TYPER_COMPLETE_ARGS", "laden verify --dee", "--deep"),
        ("powershell", "_TYPER_COMPLETE_ARGS", "laden acc", "account"),
    ],
)
def test_a_shell_that_asks_is_answered(
    shell: str, setting: str, words: str, found: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("_LADEN_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv(setting, words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_WORD_TO_COMPLETE", words.split()[-1])
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert run_command([]) == 0
    assert found in capsys.readouterr().out
