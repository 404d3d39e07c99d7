"""Draws docs/session.svg: a load at a terminal of 80 columns that Ctrl-C stops, its status, the same again, verify.

Sample and emulator are the demo's; a cap on what is sent (`--limit`) makes the load last long enough to be stopped. Of
the line that moves, the last state is kept where it tells of bytes.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from laden.demo.emulator import Emulator
from laden.demo.sample import write

_COLUMNS, _ROWS = 80, 50
_DEADLINE_S = 120
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-LN-Zac-ln-z]|\x1b\]8;[^\x1b]*\x1b\\")

_MOVING = re.compile("(?:\x1b\\[[0-9;]*m)*[\u2801-\u28ff] (?!.* of )")
"""The line that moves, where it tells of no bytes."""


def main() -> None:
    """Run the session, and write the picture beside this file."""
    with tempfile.TemporaryDirectory() as name, Emulator() as emulator:
        home = Path(name)
        write(_made(home / "padchest"))
        place = emulator.url("padchest")
        load = f"laden load padchest {place} --archives 0,1,54 --report none"
        _typed(home, f"laden container create {place}")
        shown = _typed(home, f"{load} --limit 20M", answer=b"y\n", interrupt="left")
        shown += _typed(home, f"laden status {place}")
        shown += _typed(home, f"{load} --yes")
        shown += _typed(home, f"laden verify {place}")
        shown = (
            shown.replace(place, "https://ACCOUNT.blob.core.windows.net/padchest")
            .replace(emulator.account, "ACCOUNT")
            .replace(name, "~")
        )
    console = Console(record=True, width=_COLUMNS + 12, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text.from_ansi(shown.strip()))
    svg = console.export_svg(title="laden")
    # Any monospaced font will do; a picture must not fetch one from somewhere.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
    Path(__file__).with_name("session.svg").write_text(svg, encoding="utf-8")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _typed(home: Path, line: str, *, answer: bytes = b"", interrupt: str = "") -> str:
    """What a terminal shows of a command; answered when it asks, interrupted once it shows that word."""
    words = shlex.split(line)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.environ |= {"TERM": "xterm-256color"}
        os.execv(Path(sys.executable).with_name(words[0]), words)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    told = b""
    until_s = time.monotonic() + _DEADLINE_S
    while time.monotonic() < until_s:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            told += os.read(terminal, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if answer and b"[Y/n]" in told:
            os.write(terminal, answer)
            answer = b""
        if interrupt and re.search(rb"\d s " + interrupt.encode(), told):
            os.kill(pid, signal.SIGINT)
            interrupt = ""
    os.waitpid(pid, 0)
    os.close(terminal)
    return f"$ {line}\n{_kept(told.decode(errors='replace'))}\n\n"


def _kept(text: str) -> str:
    """Lines as they stand in the end: of one that was written anew, the last state; of the moving line, one."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    lines = [line.rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(line for line in lines if line.strip() and not _MOVING.match(line))


if __name__ == "__main__":
    main()
