"""What the name of an archive, a member or a file says of an image: its key, its place, and what it is called there.

By the profile alone: nothing is read, and no row is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from laden.dataset.profile import Profile
from laden.values.names import problem, reserved

_NOTHING: Mapping[str, str] = {}


class Described:
    """What names of one dataset say; of each archive's it is worked out once."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._places = profile.place_fields
        self._archives: dict[str, tuple[str | None, dict[str, str]]] = {}

    def of(self, archive: str, members: Sequence[str]) -> dict[str, object]:
        """Columns `key`, `home`, `blob` and `place` that names make: a list of values, or one for all of them.

        Args:
            archive: they are members of; empty for plain files.
            members: their names, or paths.
        """
        return self._of_members(archive, members) if archive else self._of_files(members)

    def _of_members(self, archive: str, members: Sequence[str]) -> dict[str, object]:
        home, values = self.of_archive(archive)
        if not all(field in values for field in self._places):
            # Their paths may tell what the archive's name does not.
            return self._each(members, home, values)
        blobs = self._blobs(members, values)
        place = self._profile.place(values, self._places)
        return {"key": self._keys(members), "home": home, "blob": blobs, "place": place}

    def _of_files(self, paths: Sequence[str]) -> dict[str, object]:
        if self._profile.table is None:
            return {"key": self._keys(paths), "home": None, "blob": self._blobs(paths, {}), "place": ""}
        return self._each(paths, None, {})

    def _each(self, paths: Sequence[str], home: str | None, values: Mapping[str, str]) -> dict[str, object]:
        """The same, each path by itself; of a field that both show, both say the same (`_is_misplaced`)."""
        known = [self.values(path, values) for path in paths]
        placed = [self.of_place(one) for one in known]
        return {
            "key": self._keys(paths),
            "home": [home or own for own, _ in placed],
            "blob": [self._blobs([path], one)[0] for path, one in zip(paths, known, strict=True)],
            "place": [place for _, place in placed],
        }

    def _keys(self, paths: Sequence[str]) -> list[str]:
        shape = self._profile.table
        return list(paths) if shape is None else [shape.entry_key(path) for path in paths]

    def _blobs(self, paths: Sequence[str], values: Mapping[str, str]) -> list[str | None]:
        """Destinations; None where there is none that may be."""
        blobs = self._profile.blobs(self._profile.table, paths, values)
        return [blob if blob and problem(blob) is None and reserved(blob) is None else None for blob in blobs]

    def values(self, path: str, values: Mapping[str, str] = _NOTHING) -> dict[str, str]:
        """What the end of a path says, and what is known of it already."""
        return {**(self._profile.folder_values(path) or {}), **values}

    def of_place(self, values: Mapping[str, str]) -> tuple[str | None, str]:
        """The archive that such values stand for, and the place that they are."""
        profile = self._profile
        archive = profile.archive if profile.places_rows else None
        whole = archive is not None and all(field in values for field in archive.fields)
        return archive.render(values) if archive and whole else None, profile.place(values, self._places)

    def of_archive(self, archive: str) -> tuple[str | None, dict[str, str]]:
        """What an archive's name says of its members: their home, and values for their names; asked once for each."""
        if archive not in self._archives:
            home = self._profile.home(archive) if self._profile.places_rows else None
            self._archives[archive] = home, self._profile.archive_values(archive) or {}
        return self._archives[archive]
