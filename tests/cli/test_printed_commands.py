"""Commands that laden tells a person to type next can be pasted as they stand, whatever is in a path."""

import ast
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import laden
from laden.cli.terminal import Terminal
from laden.store.slips import swapped
from laden.values.commands import command
from laden.values.events import Summary

ROOT = Path(laden.__file__).parent
AWKWARD = "/data/Ziel Ordner ä's $HOME"
_VERBS = (
    "load check verify status get fetch list diff history prune undelete set copy explore report select labels columns"
)
_VERBS += " profiles lock init doctor sas container account register"
_BEFORE_A_VALUE = re.compile(rf"(?<![\w-])laden (?:{_VERBS.replace(' ', '|')})(?: [^\s;:,.()]+)* $")


def test_words_come_back_as_they_were() -> None:
    words = ["load", AWKWARD, "DEST", "--where", 'a = "b" OR c', "--max", 3]
    assert shlex.split(command(*words)) == ["laden", *map(str, words)]
    assert command("verify", "./plain", "DEST") == "laden verify ./plain DEST"


def test_no_sentence_puts_a_value_into_a_command_by_itself() -> None:
    """What stands behind `laden VERB` in a sentence went through `command`."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for text, value in pairwise(node.values if isinstance(node, ast.JoinedStr) else []):
                if isinstance(text, ast.Constant) and isinstance(value, ast.FormattedValue):
                    assert not _BEFORE_A_VALUE.search(str(text.value)), f"{path}:{node.lineno}"


def test_the_next_command_after_a_load_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=False, verbose=False)
    terminal.show(Summary("load", destination=AWKWARD, complete=True, exit_code=0))
    assert shlex.split(capsys.readouterr().out.rpartition("Later: ")[2]) == ["laden", "verify", AWKWARD]


def test_the_right_order_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "of a person's"
    folder.mkdir()
    told = swapped(["https://a.blob.core.windows.net/c"], str(folder)).partition(": ")[2]
    assert shlex.split(told) == ["laden", "load", str(folder), "https://a.blob.core.windows.net/c"]


def test_python_runs_it_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "laden", "--version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert laden.__version__ in ran.stdout
