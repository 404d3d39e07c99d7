"""A place as the first load of a source left it: loaded once in a process, and written down again for each other test.

In order: source, profile and options are looked at; the first time, they are loaded for real, into the folder or the
container that the test gave; every other time, what was there then is written: files down to the times of change, by
which laden knows a file again; blobs with all that the load gave them, and the record of the history with the time of
now. So no test shares anything with another, and what is begun with is never what is tested.
"""

import hashlib
import http.client
import os
import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from azure.storage.blob import BlobProperties, ContainerClient

from laden.demo.emulator import Emulator
from laden.stages.history import HISTORY
from laden.verbs.load import load
from tests.support.harness import client, sas

_TIMELESS = {".zip", ".csv", ".txt", ".pdf"}
"""Files whose content alone matters to a load; of others, an image's time of change lands with it."""


class _File(NamedTuple):
    data: bytes
    changed_ns: int


class _Blob(NamedTuple):
    data: bytes
    content_type: str
    metadata: dict[str, str]


class _Place(Protocol):
    def is_new(self) -> bool: ...
    def look(self) -> object: ...
    def write(self, kept: object) -> None: ...


_kept: dict[object, object] = {}


def begin(source: Path, there: Path | str, profiled: str = "", *, code: int = 0, **options: object) -> None:
    """As a load of that source, into a place where nothing is yet.

    Args:
        source: its folder.
        there: a folder that is to be made, or the address of a container of the emulator, which need not exist; no
            prefix, no signature.
        profiled: file of a profile; an empty text has laden find the profile out.
        code: the exit code with which the load has to end.
        options: of `laden.load`, beside `profile`.
    """
    place: _Place = _Container(there) if isinstance(there, str) and "://" in there else _Folder(Path(there))
    assert place.is_new(), "it is no beginning where something is"
    content = {
        name: file._replace(changed_ns=0) if Path(name).suffix in _TIMELESS else file
        for name, file in _files(source).items()
    }
    profile = Path(profiled).read_bytes() if profiled else b""
    key = (type(place), source.name, tuple(sorted(content.items())), profile, repr(sorted(options.items())))
    if (kept := _kept.get(key)) is None:
        asked = {**options, "profile": profiled} if profiled else options
        assert load(source, str(there), **asked).exit_code == code  # type: ignore[arg-type]
        _kept[key] = place.look()
    else:
        place.write(kept)


def _files(folder: Path) -> dict[str, _File]:
    return {
        path.relative_to(folder).as_posix(): _File(path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def is_new(self) -> bool:
        return not self._path.exists()

    def look(self) -> object:
        folders = [path.relative_to(self._path) for path in sorted(self._path.rglob("*")) if path.is_dir()]
        return folders, _files(self._path)

    def write(self, kept: object) -> None:
        folders, files = kept  # type: ignore[misc]
        self._path.mkdir(parents=True)
        for name in folders:
            (self._path / name).mkdir()
        for name, file in files.items():
            (self._path / name).write_bytes(file.data)
            os.utime(self._path / name, ns=(file.changed_ns, file.changed_ns))


class _Container:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        port = parts.port
        assert port is not None
        assert (parts.scheme, parts.path.count("/"), parts.query) == ("http", 2, ""), "no container of the emulator"
        self._url, self._path, self._emulator = url, parts.path, Emulator(port=port)

    def is_new(self) -> bool:
        with client(self._emulator, self._url) as opened:
            return not opened.exists() or next(iter(opened.list_blobs()), None) is None

    def look(self) -> object:
        with client(self._emulator, self._url) as opened:
            # What tells of images comes after them, as it came from the load.
            found = sorted(opened.list_blobs(include=["metadata", "tags"]), key=lambda blob: "_laden/" in blob.name)
            return {blob.name: _looked_at(opened, blob) for blob in found}

    def write(self, kept: object) -> None:
        with client(self._emulator, self._url) as opened:
            if not opened.exists():
                opened.create_container()
        signature = sas(self._emulator, self._url, "cw")
        with closing(http.client.HTTPConnection("127.0.0.1", self._emulator.port, timeout=60)) as connection:
            for name, blob in kept.items():  # type: ignore[attr-defined]
                data = _with_this_time(blob.data) if name.startswith(HISTORY) else blob.data
                connection.request("PUT", f"{self._path}/{quote(name)}?{signature}", data, _headers(blob))
                with connection.getresponse() as answer:
                    assert (answer.status, answer.read()) == (201, b""), name


def _looked_at(opened: ContainerClient, blob: BlobProperties) -> _Blob:
    about = blob.content_settings
    data = opened.download_blob(blob.name).readall()
    others = (about.cache_control, about.content_encoding, about.content_language, about.content_disposition, blob.tags)
    written = (blob.blob_type, blob.blob_tier_inferred, about.content_md5, any(others))
    assert written == ("BlockBlob", True, hashlib.md5(data).digest(), False), "it would be written otherwise"
    return _Blob(data, about.content_type or "", dict(blob.metadata or {}))


def _headers(blob: _Blob) -> dict[str, str]:
    metadata = {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
    return {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": blob.content_type, **metadata}


def _with_this_time(record: bytes) -> bytes:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    changed, count = re.subn(rb'(?<="when": ")[^"]*', now, record)
    assert count == 1, "a record has one time"
    return changed
