"""Does what a person does in the first hour: README's first two commands, then each of docs/start.md, in order.

In a fresh clone, in an empty home, with nothing of this person's settings. The commands are taken from the pages, so
that these cannot say anything else; a remark `exit code N` on a page is what that command has to end with, 0 where it
says none. Python blocks are run too. Ends with 1 at the first command that ends otherwise.

`make test` is not run (it takes minutes, and runs this): it is named and passed over. With `--installed`, nor is the
environment made that `make demo` begins with: this interpreter's is taken in its place, and the emulator that is there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PASSED_OVER = "make test"
_SERVES = "laden explore "
_DEADLINE_S = 60


def main(arguments: list[str]) -> int:
    """Run them, and return 0 when all ended as the pages say."""
    if arguments[:1] == ["--serving"]:
        return _serving(arguments[1:])
    installed = arguments == ["--installed"]
    with tempfile.TemporaryDirectory() as name:
        clone, home = Path(name, "laden"), Path(name, "home")
        home.mkdir()
        _clone(clone)
        if installed:
            _borrow_environment(clone / ".venv")
        script = "".join(_typed(clone, *step) for step in steps(clone))
        environment = _environment(home, clone if installed else None)
        done = subprocess.run(["bash", "-c", script], cwd=clone, env=environment, stdin=subprocess.DEVNULL, check=False)
    return done.returncode


def steps(root: Path) -> Iterator[tuple[str, str, int]]:
    """Language, text and exit code of each command, in order, as the pages in that folder show them."""
    readme, start = (Path(root, *names).read_text("utf-8") for names in (("README.md",), ("docs", "start.md")))
    blocks = [next(_BLOCK.finditer(readme)), *_BLOCK.finditer(start)]
    for block in blocks:
        if block[1] == "python":
            yield "python", block[2], 0
            continue
        for line in block[2].splitlines():
            command, _, remark = line.partition(" #")
            code = re.search(r"exit code (\d+)", remark)
            yield "sh", command.strip(), int(code[1]) if code else 0


def _typed(clone: Path, language: str, command: str, code: int) -> str:
    """What bash is given for a command: it is shown, run, and held to its exit code."""
    shown = f"printf '\\n> %s\\n' {shlex.quote(command)}\n"
    if command == _PASSED_OVER:
        return f"{shown}echo 'passed over: it takes minutes'\n"
    if command.startswith(_SERVES):
        command = f"{shlex.join([sys.executable, __file__, '--serving'])} {command} --no-open --json"
    elif language == "python":
        command = f"{clone / '.venv/bin/python'} -c {shlex.quote(command)}"
    return (
        f'{shown}{command}\nended=$?\n[ $ended = {code} ] || {{ echo "exit code $ended, and not {code}"; exit 1; }}\n'
    )


def _clone(clone: Path) -> None:
    """What is committed, with what was changed since on top: what a clone would be after the next commit."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=_ROOT, check=True, capture_output=True, text=True).stdout

    git("clone", "--quiet", "--no-hardlinks", str(_ROOT), str(clone))
    names = git("diff", "--name-only", "-z", "HEAD") + git("ls-files", "--others", "--exclude-standard", "-z")
    for name in filter(None, names.split("\0")):
        (clone / name).unlink(missing_ok=True)
        if (_ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_ROOT / name, clone / name)


def _borrow_environment(folder: Path) -> None:
    """Make the clone's environment of links into this interpreter's, and have make take it for ready."""
    folder.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != "ready":
            (folder / path.name).symlink_to(path)
    (folder / "ready").touch()


def _environment(home: Path, clone: Path | None) -> dict[str, str]:
    """An empty home; of this person's settings only those without which nothing is found or fetched."""
    kept = (
        "PATH",
        "LANG",
        "TMPDIR",
        "SSL_",
        "NODE_EXTRA_CA_CERTS",
        "HTTP_",
        "HTTPS_",
        "NO_PROXY",
        "PIP_",
        "npm_config_",
    )
    settings = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    if clone is not None:
        settings |= {"PYTHONPATH": str(clone / "src"), "LADEN_CACHE": os.environ["LADEN_CACHE"]}
    return {**settings, "HOME": str(home), "LC_ALL": "C.UTF-8"}


def _serving(command: list[str]) -> int:
    """Start a command that serves a page, open the page, and end it as Ctrl-C does."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            with urllib.request.urlopen(url, timeout=_DEADLINE_S) as answer:
                print(f"the page answers {answer.status}")
                return int(answer.status != 200)
        finally:
            process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
