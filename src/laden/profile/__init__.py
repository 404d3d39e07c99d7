"""Dataset shapes as data: which archives, which table, and where in the destination an image lands.

A profile is a TOML file; the built-in ones lie in `laden/profiles/`, and a user may bring another. `template`
is the notation of names, `shape` what a profile holds and how it is read, and here is the choice: by name, by
file, or by what a source holds. Nothing opens archives or tables, and no dataset is known by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from laden.errors import UsageError
from laden.profile.shape import COLUMN_TYPES, Profile, TableShape, close_match, parse_profile
from laden.profile.template import WHOLE_PATH, Template, parse_ranges

__all__ = [
    "COLUMN_TYPES",
    "WHOLE_PATH",
    "Profile",
    "TableShape",
    "Template",
    "builtin",
    "open_profile",
    "parse_ranges",
    "recognise",
]


@cache
def builtin() -> tuple[Profile, ...]:
    """Return the profiles that come with laden, by name; last the one without table, which fits anything."""
    folder = files("laden") / "profiles"
    texts = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml")}
    profiles = [parse_profile(texts[name], name) for name in sorted(texts)]
    return tuple(sorted(profiles, key=lambda profile: profile.table is None))


def open_profile(name_or_path: str) -> Profile:
    """Return the built-in profile of that name, or the one in that TOML file; raises UsageError."""
    known = {profile.name: profile for profile in builtin()}
    if name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        raise UsageError(
            f"there is no profile {name_or_path!r}{close_match(name_or_path, known)}; "
            f"name one of {', '.join(known)}, or a TOML file"
        )
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"the profile {path} cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the profile {path} is not UTF-8 text; save it as UTF-8") from error
    return parse_profile(text, str(path))


def recognise(archives: Sequence[str], tables: Mapping[str, Sequence[str]]) -> tuple[Profile, str | None]:
    """Return the built-in profile that fits a source, and the name of the table file that shows it.

    `tables` maps file names below the source root to their header columns. A table's file name decides; else
    its columns do, if they hold the key and all that the layout needs, and among several such profiles the
    one that more of the `archives` (file names) are called after; else it is the profile without table.
    """
    shapes = [(profile, profile.table) for profile in builtin() if profile.table is not None]
    for profile, shape in shapes:
        for name in sorted(tables):
            if shape.fits(name):
                return profile, name
    fitting = [
        (profile, name)
        for profile, shape in shapes
        for name in sorted(tables)
        if {shape.key, *profile.layout.fields} <= set(tables[name])
    ]
    if not fitting:
        return builtin()[-1], None
    return max(fitting, key=lambda fit: sum(_called_after(fit[0], archive) for archive in archives))


def _called_after(profile: Profile, archive: str) -> bool:
    """Tell whether the archive at that path is called as the profile's archives are."""
    return profile.archive is not None and profile.archive.match(archive.rpartition("/")[2]) is not None
