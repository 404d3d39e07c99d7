"""`laden profiles`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from laden.dataset.profile import Profile, builtin, open_profile, profile_text
from laden.values.errors import ExitCode, UsageError


def run_profiles(name: str | None) -> int:
    """Print the list of profiles, or one's TOML once it is found right; return the exit code."""
    try:
        if name is None:
            shown = "\n\n".join("\n".join(_described(profile)) for profile in builtin()) + "\n"
        else:
            open_profile(name)
            shown = profile_text(name)
    except UsageError as error:
        sys.stderr.write(f"laden profiles: {error}\n")
        return int(ExitCode.USAGE)
    sys.stdout.write(shown)
    return int(ExitCode.COMPLETE)


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
