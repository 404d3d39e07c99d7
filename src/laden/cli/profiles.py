"""`laden profiles`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from laden.cli.lines import plain_console, say
from laden.cli.text import escaped
from laden.dataset.profile import Profile, builtin, open_profile, profile_text
from laden.values.commands import command
from laden.values.errors import ExitCode, LadenError
from laden.values.units import amount, plural


def run_profiles(name: str | None, folder: Path | None) -> int:
    """Print the list of profiles, or one's TOML once it is found right, or what it matches; return the exit code."""
    errors = plain_console(errors=True)
    try:
        if name is None:
            sys.stdout.write("\n\n".join("\n".join(_described(profile)) for profile in builtin()) + "\n")
        elif folder is not None:
            return _tried(name, folder)
        else:
            profile = open_profile(name)
            sys.stdout.write(profile_text(name))
            sys.stdout.flush()
            # Beside the text, which may go into a file.
            say(errors, escaped(_right(name, profile)), 2)
    except LadenError as error:
        say(errors, f"laden profiles: {escaped(str(error))}", 2)
        return int(error.exit_code)
    return int(ExitCode.COMPLETE)


def _right(name: str, profile: Profile) -> str:
    """That it is right, and what it says in a few words."""
    if profile.table is None:
        return f"{name} is right: files land under {profile.layout}"
    shape = profile.table
    told = [f"a table {shape.name} of {plural(len(shape.columns), 'column')}", f"whose {shape.key} names images"]
    if profile.archive is not None:
        told.append(f"archives called {profile.archive}")
    told.append(f"images land as {profile.layout_of(shape)}")
    return f"{name} is right: {', '.join(told)}. {command('profiles', name, 'FOLDER')} tries it."


def _tried(name: str, folder: Path) -> int:
    """Say what a profile matches in a folder: the table against the archives' directories."""
    from laden.verbs.check import check

    open_profile(name)
    tried = check(folder, profile=name, phi="off")
    console = plain_console()
    rows = f"{amount(tried.rows)} rows = {amount(tried.matched)} matched + {amount(tried.missing)} missing"
    images, strays = plural(tried.images, "image"), plural(tried.stray, "stray")
    say(console, escaped(f"{name} is right, and in {folder} it finds {rows}; {images}, {strays}."), 2)
    for code, count in sorted(tried.findings.items()):
        say(console, f"  {amount(count)} {code}", 4)
    return tried.exit_code


def _described(profile: Profile) -> Iterator[str]:
    yield f"{profile.name:<16}{profile.title}"
    if profile.archive is not None:
        count = f" ({len(profile.expected)})" if profile.expected else ""
        yield f"{'':<16}archives  {profile.archive}{count}"
    for shape in profile.tables:
        yield f"{'':<16}table     {shape.name}"
    yield f"{'':<16}lands as  {profile.layout}"
    for number, line in enumerate(profile.obtain):
        yield f"{'':<16}{'' if number else 'to get it':<10}{line}"
