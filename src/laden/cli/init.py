"""`laden init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laden.cli.lines import plain_console, say
from laden.cli.text import escaped
from laden.values.commands import command
from laden.values.errors import ExitCode, LadenError
from laden.values.units import amount, plural

if TYPE_CHECKING:
    from laden.verbs.init import Proposed


def run_init(folder: Path, output: Path | None) -> int:
    """Write a profile, say what was guessed and whether it works; return the exit code."""
    from laden.verbs.init import init

    try:
        proposed = init(folder, output=output)
    except LadenError as error:
        say(plain_console(errors=True), f"[red]laden init:[/] {escaped(str(error))}", 2)
        return int(error.exit_code)
    console = plain_console()
    for line in told(proposed):
        say(console, escaped(line), 2)
    say(console, f"It is in {escaped(str(proposed.path))}, with what each line rests on. Look at it, then:", 2)
    named = ("--profile", proposed.path)
    say(console, f"  {escaped(command('check', folder, *named))}", 4)
    say(console, f"  {escaped(command('load', folder, 'DEST', *named, '--dry-run'))}", 4)
    return int(ExitCode.COMPLETE if proposed.tried.matched else ExitCode.FINDINGS)


def told(proposed: Proposed) -> list[str]:
    """What was guessed, and what came of it."""
    guessed, tried = proposed.guess, proposed.tried
    how = {"name": "by file name", "stem": "by file name without ending", "path": "by path"}[guessed.key.match]
    lines = [f"The table is {guessed.key.place}: its column {guessed.key.column} names the images, {how}"]
    if guessed.archive:
        lines.append(f"An archive is called {guessed.archive.template}")
    if guessed.folder:
        lines.append(f"The folder of an image is called {guessed.folder.template}")
    lines.append(f"Images land as {guessed.layout}")
    lines.append(
        f"Tried: {amount(tried.rows)} rows = {amount(tried.matched)} matched + {amount(tried.missing)} missing;"
        f" {plural(tried.images, 'image')}, {plural(tried.stray, 'stray')}"
    )
    if tried.findings:
        codes = ", ".join(f"{amount(count)} {code}" for code, count in sorted(tried.findings.items()))
        lines.append(f"What the check found: {codes} (laden help findings CODE)")
    return lines
