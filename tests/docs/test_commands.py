"""Every command, option, call and path that README and the pages show is there: nothing of them can drift."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import laden
from laden.cli.usage import all_verbs

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(laden [^`]+)`")
_COMMAND = re.compile(r"(?:^|[(\s\"'/])laden [a-z-].*")
_ENDS = re.compile(r"[;&|><()]+")
_OF_OTHERS = {"--backup-dir", "--checksum", "--delete-destination", "--export", "--max-delete", "--put-md5"}
_OF_OTHERS |= {"--require-hashes"}
"""Options of AzCopy, rclone, Slurm and pip that a page names."""


def shown(page: Path) -> Iterator[tuple[str, bool]]:
    """Each command line on a page; whether it stands in a block, as a person would type it."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    for language, block in _BLOCK.findall(text):
        if language in ("", "sh", "console"):
            yield from ((line, True) for line in whole_lines(block) if _COMMAND.search(line))
    yield from ((" ".join(line.split()), False) for line in _INLINE.findall(_BLOCK.sub("", text)))


def whole_lines(block: str) -> Iterator[str]:
    """The lines of a block; those that a quotation goes on over are one; beside prompts stands output."""
    begun, prompted = "", block.startswith("$ ")
    for line in block.splitlines():
        if prompted and not line.startswith("$ "):
            continue
        begun = f"{begun} {line}" if begun else line
        try:
            shlex.split(begun, comments=True)
        except ValueError:
            continue
        yield begun
        begun = ""
    yield from begun.splitlines()


def words_of(line: str) -> Iterator[list[str]]:
    """The words of each call of laden on a line, without remarks, pipes and what calls it."""
    lexer = shlex.shlex(line.replace("$(", " ; ").replace('"$', '"'), posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "#", True
    try:
        words = list(lexer)
    except ValueError:  # a quote that the call around it closes
        words = re.split(r"[\s\"]+", line.partition("#")[0])
    for start in [at for at, word in enumerate(words) if word == "laden" or word.endswith("/laden")]:
        rest = words[start + 1 :]
        end = next((at for at, word in enumerate(rest) if _ENDS.fullmatch(word)), len(rest))
        if not rest[0].endswith(":"):  # what laden says
            yield rest[:end]


@pytest.fixture(scope="module")
def verbs() -> Any:
    return all_verbs()


def parse(command: Any, words: list[str]) -> None:
    """Take the words as the command line does, and run nothing. Raises what typer raises."""
    context = command.make_context("laden", list(words))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def wrong(verbs: Any, words: list[str], *, typed: bool) -> str:
    """What typer says against the words; what a sentence names (not typed) may leave out its places."""
    try:
        parse(verbs, words)
    except Exception as error:
        told = type(error).__name__
        left_out = told in ("MissingParameter", "NoArgsIsHelpError") and not typed
        return "" if told == "Exit" or left_out else f"laden {shlex.join(words)}: {told}: {error}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_command_that_is_shown_is_one_that_there_is(verbs: Any, page: Path) -> None:
    calls = [(words, typed) for line, typed in dict.fromkeys(shown(page)) for words in words_of(line)]
    assert [told for words, typed in calls if (told := wrong(verbs, words, typed=typed))] == []


def test_commands_are_found_and_slips_in_them_too(verbs: Any) -> None:
    found = [words for page in PAGES for line, _ in shown(page) for words in words_of(line)]
    assert len(found) > 150
    assert ["check", "~/padchest", "--where", "list_contains(Labels, 'pneumonia')"] in found
    assert "NoSuchOption" in wrong(verbs, ["load", "a", "b", "--imagesfrom", "c"], typed=True)
    assert "MissingParameter" in wrong(verbs, ["load", "a"], typed=True)
    assert "UsageError" in wrong(verbs, ["lod", "a", "b"], typed=True)


def options(command: Any, context: Any = None) -> set[str]:
    """Every option of every verb."""
    if hasattr(command, "commands"):
        return set().union(*(options(each) for each in command.commands.values()), {"--help", "--version"})
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "benchmarks"], ids=lambda page: page.stem)
def test_each_option_that_a_sentence_names_is_one_of_laden_s(verbs: Any, page: Path) -> None:
    rest = _BLOCK.sub("", page.read_text("utf-8"))
    named = {
        name for code in re.findall(r"`(--[^`]*)`", rest) for name in re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", code)
    }
    assert named - options(verbs) - _OF_OTHERS == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_python_call_of_laden_fits_what_it_calls(page: Path) -> None:
    for language, block in _BLOCK.findall(page.read_text("utf-8")):
        for call in ast.walk(ast.parse(block)) if language == "python" else ():
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="laden"), attr=name)):
                    signature = inspect.signature(getattr(laden, name))
                    signature.bind_partial(*call.args, **{word.arg: None for word in call.keywords if word.arg})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_file_and_target_that_is_named_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(r"`((?:src|tests|docs|examples|bench)/[\w./-]+)(?:::\w+)?`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= set(targets)
    assert set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) <= set(targets)
