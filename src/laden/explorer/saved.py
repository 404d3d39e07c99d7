"""Looks that a person named, to come back to: `laden-views.json` in the working folder, of this machine alone.

A view is a name, what the page asks for (folder, name, conditions, order, list or pictures), and the columns of the
table that stand in the list. It holds no secret and no image. Those of other places are kept as they are. Read anew at
each change, while other servers in the folder wait, so that none loses what another one kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from laden.explorer.kept import KeptFile
from laden.values.errors import UsageError
from laden.values.told import from_json

FILE = "laden-views.json"
_MOST = 200
"""Of one file."""
_MOST_NAME = 100
_MOST_BYTES = 4 << 20
_TEXTS = ("folder", "find", "how", "sort", "mode")
_LISTS = ("where", "columns")


class SavedViews:
    """Those of one working folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._file = KeptFile(self.path, "views", _MOST_BYTES)

    def of(self, title: str) -> list[dict[str, Any]]:
        """The views of a place, by name; raises `UsageError` where the file is none of laden's."""
        own = [{"name": one["name"], **one["look"]} for one in self._read() if one["place"] == title]
        return sorted(own, key=lambda one: str(one["name"]).casefold())

    def save(self, title: str, name: str, look: dict[str, Any]) -> None:
        """Keep a look under a name, in the stead of another of that name."""
        name = name.strip()
        if not name or len(name) > _MOST_NAME or not name.isprintable():
            raise UsageError(f"give the view a name of at most {_MOST_NAME} characters")
        with self._file.alone():
            kept = self._without(title, name)
            if len(kept) >= _MOST:
                raise UsageError(f"{self.path} holds {_MOST} views already: forget one first")
            self._write([*kept, {"place": title, "name": name, "look": checked_look(look)}])

    def forget(self, title: str, name: str) -> None:
        """Let go of one."""
        with self._file.alone():
            self._write(self._without(title, name))

    def _without(self, title: str, name: str) -> list[dict[str, Any]]:
        return [one for one in self._read() if (one["place"], one["name"]) != (title, name)]

    def _read(self) -> list[dict[str, Any]]:
        if (data := self._file.read()) is None:
            return []
        try:
            views = from_json(data)["views"]
            return [
                {"place": str(one["place"]), "name": str(one["name"]), "look": checked_look(one["look"])}
                for one in views
            ]
        except (ValueError, KeyError, TypeError, UsageError):
            raise UsageError(f"{self.path} is there and holds no views of laden's: move it away first") from None

    def _write(self, views: list[dict[str, Any]]) -> None:
        self._file.write(json.dumps({"views": views}, indent=1, ensure_ascii=False).encode())


def checked_look(given: Any) -> dict[str, Any]:
    """What of a look is kept, and nothing else; raises `UsageError` where it is none."""
    if not isinstance(given, dict):
        raise UsageError("a view must be an object")
    look = {name: given.get(name, "") for name in _TEXTS} | {name: given.get(name, []) for name in _LISTS}
    texts = [look[name] for name in _TEXTS]
    for name in _LISTS:
        if not isinstance(look[name], list):
            raise UsageError(f"'{name}' must be a list of texts")
        texts += look[name]
    if not all(isinstance(text, str) for text in texts):
        raise UsageError("a view is made of texts")
    return {**look, "descending": given.get("descending") is True}
