"""A loaded dataset as a file system of fsspec, read-only; imported only where fsspec is wanted.

`laden.open(DEST).filesystem()` gives one, and so does fsspec itself, by the name of the protocol:
`fsspec.open("laden://png/0/a.png", place=DEST)`. Paths are the blobs' names. Each file is read whole, and proved, when
it is opened.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractFileSystem

if TYPE_CHECKING:
    from laden.verbs.using import Dataset


_OF_FSSPEC = frozenset(
    {
        "asynchronous",
        "batch_size",
        "listings_expiry_time",
        "loop",
        "max_paths",
        "skip_instance_cache",
        "use_listings_cache",
    }
)
"""What fsspec itself takes, for each file system (https://filesystem-spec.readthedocs.io, AbstractFileSystem)."""


class _Opened(io.BytesIO):
    """A file's bytes, with the length that fsspec looks for."""

    @property
    def size(self) -> int:
        return self.getbuffer().nbytes


class LadenFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The images that were chosen, and the load's tables and documents."""

    protocol = "laden"
    cachable = False
    root_marker = ""

    def __init__(self, place: str | Path | None = None, dataset: Dataset | None = None, **options: Any) -> None:
        """Take a dataset that is open, or open the one at a place.

        Args:
            place: DEST, where no dataset is given.
            dataset: of `laden.open`.
            options: fsspec's own; and where no dataset is given, those of `laden.open`, as `where`.

        Raises:
            LadenError: the place cannot be read.
            TypeError: an option is neither's.
        """
        own = {name: value for name, value in options.items() if name in _OF_FSSPEC}
        super().__init__(**own)
        asked = {name: value for name, value in options.items() if name not in _OF_FSSPEC}
        if dataset is None:
            from laden.verbs.using import open_dataset

            dataset = open_dataset(place or "", **asked)
        elif asked:
            raise TypeError(f"{', '.join(asked)}: the dataset is open already, and is shown as it was opened")
        self._dataset = dataset
        self._files = dataset.files()
        self._folders: dict[str, set[str]] = {"": set()}
        for name in self._files:
            parts = name.split("/")
            for depth in range(len(parts)):
                self._folders.setdefault("/".join(parts[:depth]), set()).add("/".join(parts[: depth + 1]))

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        # fsspec's own takes `laden::` off, too, with which a name may begin.
        return str(path).removeprefix(f"{cls.protocol}://").strip("/")

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What lies in a folder; raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if path in self._files:
            found = [path]
        elif path in self._folders:
            found = sorted(self._folders[path])
        else:
            raise FileNotFoundError(path)
        return [self.info(name) for name in found] if detail else found

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name, size, type, and of a file its MD5; raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if path in self._folders:
            return {"name": path, "size": 0, "type": "directory"}
        if path not in self._files:
            raise FileNotFoundError(path)
        item = self._files[path]
        return {"name": path, "size": item.size_bytes, "type": "file", "md5": item.md5.hex() if item.md5 else ""}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> _Opened:
        if mode != "rb":
            raise PermissionError(f"{path} cannot be written: what was loaded is read here, and nothing else")
        path = self._strip_protocol(path)
        if path not in self._files:
            raise FileNotFoundError(path)
        return _Opened(self._dataset.read(path))
