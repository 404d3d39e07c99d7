"""What the pages promise is what the code says: codes, verbs, options and exit codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.dataset.images import STATES
from laden.values.errors import ExitCode
from tests.support.harness import run

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
RAISERS = {
    "_conflict",
    "Finding",
    "SourceError",
    "MemberDamaged",
    "refused",
    "_damaged",
    "BrokenTar",
    "BrokenGzip",
    "not_an_archive",
}


def parsed() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the package."""
    for path in (ROOT / "src" / "laden").rglob("*.py"):
        yield path, ast.parse(path.read_text("utf-8"))


def makes_findings(module: ast.Module) -> bool:
    return any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding" for node in ast.walk(module))


def literals(node: ast.AST) -> set[str]:
    """What looks like a code in there."""
    parts = [str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return {part for part in parts if CODE.fullmatch(part)}


def codes_of(module: ast.Module) -> Iterator[ast.expr]:
    """Expressions of codes: of findings, of whatever is called `code`, and of what a function takes as its `code`."""
    takers = {
        function.name: [one.arg for one in function.args.args if one.arg != "self"].index("code")
        for function in ast.walk(module)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        and any(one.arg == "code" for one in function.args.args)
    }
    takers["Finding"] = 0
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in takers and len(node.args) > takers[name]:
                yield node.args[takers[name]]
            yield from (given.value for given in node.keywords if given.arg == "code")
        elif isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "code" for one in node.targets):
            yield node.value


def codes_given() -> set[str]:
    """Every finding code that stands as a literal where findings and data errors are made."""
    found = set(STATES)
    for _, module in parsed():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISERS:
                found |= literals(node)
        for code in codes_of(module) if makes_findings(module) else ():
            found |= literals(code)
    return found


def test_no_code_is_made_of_parts() -> None:
    """Nobody could find those that are, neither here nor where somebody asks what one means."""
    made = [
        f"{path.name}:{code.lineno}"
        for path, module in parsed()
        if makes_findings(module)
        for code in codes_of(module)
        if any(isinstance(part, (ast.JoinedStr, ast.BinOp)) for part in ast.walk(code))
    ]
    assert made == []


def test_every_finding_is_explained() -> None:
    page = (ROOT / "docs" / "findings.md").read_text("utf-8")
    given = codes_given()
    assert {
        "image-missing",
        "member-crc",
        "archive-truncated",
        "png-truncated",
        "blob-conflict",
        "blob-left",
        "not-known",
    } <= given
    assert [code for code in sorted(given) if f"`{code}`" not in page] == []


def test_every_exit_code_is_explained() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    shown = run("--help").out
    for code in ExitCode:
        assert f"| {code.value} |" in page
        assert re.search(rf"^ *{code.value} +\S", shown, re.MULTILINE)


@pytest.mark.parametrize(
    "verb",
    [
        "get",
        "fetch",
        "list",
        "diff",
        "history",
        "load",
        "check",
        "verify",
        "select",
        "columns",
        "report",
        "profiles",
        "doctor",
        "register",
        "sas",
        "prune",
        "undelete",
        "set",
        "copy",
        "demo",
        "help",
        "init",
    ],
)
def test_every_verb_has_help_and_stands_in_the_readme(verb: str) -> None:
    ran = run(verb, "--help")
    assert ran.code == 0
    for option in re.findall(r"^  (?:-\w, )?(--[a-z-]+)", ran.out, re.MULTILINE):
        assert re.search(rf"{option}\b.*\S", ran.out), option
    assert f"laden {verb}" in (ROOT / "README.md").read_text("utf-8") or verb == "demo"


def test_the_page_on_architecture_names_every_room_and_none_that_is_not_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = page[page.index("| room |") : page.index("Imports point downwards")]
    rooms = [re.findall(r"`([a-z_]+)(?:/|\.py)`", row.split("|")[1]) for row in table.splitlines()[2:] if row]
    package = ROOT / "src" / "laden"
    there = {path.stem for path in package.iterdir() if path.suffix in ("", ".py") and not path.name.startswith("_")}
    assert {name for names in rooms for name in names} == there
    modules = {path.stem for path in package.rglob("*.py")} | {path.parent.name for path in package.rglob("*.py")}
    assert set(re.findall(r"`([a-z_]+)`", table)) <= modules


def test_every_promise_names_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)", page)
    assert len(named) > 50
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text("utf-8")]
    assert missing == []
