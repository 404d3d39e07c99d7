"""Which profiles there are, and which one fits a source: by name, by file, or by what the source holds.

Nothing opens archives or tables, and no dataset is known by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from laden.dataset.profile.parse import BUILTIN, close_match, parse_profile
from laden.dataset.profile.shape import Profile, TableShape
from laden.values.errors import UsageError


@cache
def builtin() -> tuple[Profile, ...]:
    """Return the profiles that come with laden, by name; last the one without table, which fits anything."""
    profiles = [parse_profile(text, name, BUILTIN) for name, text in _texts().items()]
    return tuple(sorted(profiles, key=lambda profile: (profile.table is None, profile.name)))


def known_profile(name: str) -> Profile | None:
    """Return the built-in profile of that name, if there is one."""
    return next((profile for profile in builtin() if profile.name == name), None)


def open_profile(name_or_path: str) -> Profile:
    """Return the built-in profile of that name, or the one in that TOML file; raises UsageError."""
    if (profile := known_profile(name_or_path)) is not None:
        return profile
    return parse_profile(profile_text(name_or_path), name_or_path, Path(name_or_path).parent)


def profile_text(name_or_path: str) -> str:
    """Return the TOML of the built-in profile of that name, or of that file, unchecked; raises UsageError."""
    texts = {name.removesuffix(".toml"): text for name, text in _texts().items()}
    if name_or_path in texts:
        return texts[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        raise UsageError(
            f"there is no profile {name_or_path!r}{close_match(name_or_path, texts)}; "
            f"name one of {', '.join(profile.name for profile in builtin())}, or a TOML file"
        )
    try:
        # Editors of Windows begin a file with the mark of its encoding, which TOML does not know.
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the profile {path} cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the profile {path} is not UTF-8 text; save it as UTF-8") from error


def has_telling_name(path: str) -> bool:
    """Tell whether a file is called as only one dataset's label table is."""
    return any(
        shape.fits(path) and not shape.recognised_by for profile in builtin() if (shape := profile.table) is not None
    )


def has_known_name(path: str) -> bool:
    """Tell whether a file is called as some dataset's label table is, be that name common or not."""
    return any(profile.table is not None and profile.table.fits(path) for profile in builtin())


def the_only(profile: Profile, names: Sequence[str]) -> str:
    """Return the table of several of a profile; a file and its compressed twin are one, else it raises UsageError."""
    plain = {name.lower().removesuffix(".gz"): name for name in reversed(names)}
    if len(plain) > 1:
        found = ", ".join(names)
        raise UsageError(
            f"several files look like the same table of '{profile.name}': {found}; name one with --table,"
            " or leave only one in the source"
        )
    return next(iter(plain.values()))


class _Fit(NamedTuple):
    """A table that may be a profile's, and how well it fits: the lower the rank, the better."""

    rank: int
    profile: Profile
    name: str


def recognise(archives: Sequence[str], tables: Mapping[str, Sequence[str]]) -> tuple[Profile, str | None]:
    """Return the built-in profile that fits a source, and the name of the table file that shows it.

    `tables` maps file names below the source root to their header columns. First come tables whose name and columns
    are a profile's, then those whose columns are, then those whose name is one that only one dataset has. Of several
    profiles that of which more `archives` (file names) are there is meant. Without any it is the profile without table.

    Raises UsageError where the source could be several datasets, or has several tables of one.
    """
    fits = [fit for profile in builtin() if profile.table for fit in _fits(profile, profile.table, tables)]
    best = [fit for fit in fits if fit.rank == min(fit.rank for fit in fits)]
    counts = {fit.profile.name: sum(map(fit.profile.is_called_after, archives)) for fit in best}
    best = [fit for fit in best if counts[fit.profile.name] == max(counts.values())]
    if not best:
        return builtin()[-1], None
    if len({fit.profile.name for fit in best}) > 1:
        found = " and ".join(f"{fit.name} (as of '{fit.profile.name}')" for fit in best)
        raise UsageError(f"the source could be several datasets, for it holds {found}: say which with --profile")
    return best[0].profile, the_only(best[0].profile, [fit.name for fit in best])


def _fits(profile: Profile, shape: TableShape, tables: Mapping[str, Sequence[str]]) -> Iterable[_Fit]:
    signs = {shape.key, *profile.layout_of(shape).fields, *shape.recognised_by}
    for name in sorted(tables):
        called, has_signs = shape.fits(name), signs <= set(tables[name])
        if called or has_signs:
            rank = 0 if called and has_signs else 1 if has_signs else 2
            if rank < 2 or not shape.recognised_by:
                yield _Fit(rank, profile, name)


@cache
def _texts() -> dict[str, str]:
    return {entry.name: entry.read_text("utf-8") for entry in BUILTIN.iterdir() if entry.name.endswith(".toml")}
