"""Dataset shapes as data: which archives, which tables, and where in the destination an image lands.

A profile is a TOML file; the built-in ones lie in `laden/profiles/`, and a user may bring another. `template` is the
notation of names, `shape` what a profile holds, `parse` how it is read (`lines` finds the line of a mistake, `suspects`
reads the list of images known as broken), and `catalogue` chooses: by name, by file, or by what a source holds.
"""

from __future__ import annotations

from laden.dataset.profile.catalogue import (
    builtin,
    has_known_name,
    has_telling_name,
    known_profile,
    open_profile,
    profile_text,
    recognise,
    the_only,
)
from laden.dataset.profile.parse import close_match
from laden.dataset.profile.shape import COLUMN_TYPES, NO_PLACE, PLACE_SEPARATOR, WHICH_FOLDER, Profile, TableShape
from laden.dataset.profile.template import ANYTHING, MAX_SHOWN, WHOLE_PATH, Template, parse_layout, parse_ranges

__all__ = [
    "ANYTHING",
    "COLUMN_TYPES",
    "MAX_SHOWN",
    "NO_PLACE",
    "PLACE_SEPARATOR",
    "WHICH_FOLDER",
    "WHOLE_PATH",
    "Profile",
    "TableShape",
    "Template",
    "builtin",
    "close_match",
    "has_known_name",
    "has_telling_name",
    "known_profile",
    "open_profile",
    "parse_layout",
    "parse_ranges",
    "profile_text",
    "recognise",
    "the_only",
]
