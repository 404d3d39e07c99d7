"""What lies in a folder in the place of a file and is none: nobody waits for it, and it is told."""

import asyncio
import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laden.store import CREATE_ONLY, Properties
from laden.store.disk import BROKEN_LINK, LINK, SPECIAL
from laden.store.folder import FolderStore
from laden.store.journal import JOURNAL
from laden.values.errors import BlobMissing, LadenError, NameRefused
from laden.verbs.verify import verify
from tests.support.places import pack, profile, run, table

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with names")


def in_time(work: Callable[[], Any]) -> Any:
    """What it returns or raises; that it hangs is a failure, and its thread keeps no process from ending."""
    ended: list[tuple[Any, BaseException | None]] = []

    def ran() -> None:
        try:
            ended.append((work(), None))
        except LadenError as error:
            ended.append((None, error))

    thread = threading.Thread(target=ran, daemon=True)
    thread.start()
    thread.join(120)
    assert ended, "it waits for somebody who writes into a pipe"
    result, error = ended[0]
    if error is not None:
        raise error
    return result


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(path))


def piped(path: Path) -> None:
    os.mkfifo(f"{path}-pipe")
    path.symlink_to(f"{path}-pipe")


ODD: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "link to a pipe": piped,
    "socket": bound,
    "device": lambda path: path.symlink_to("/dev/full"),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_store_opens_only_regular_files(
    tmp_path: Path, odd: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FolderStore(tmp_path)
    odd(tmp_path / "a")
    for asked in (lambda: store.head("a"), lambda: store.get("a", 0, 10)):
        with pytest.raises(BlobMissing):
            in_time(lambda asked=asked: asyncio.run(asked()))
    properties = Properties(hashlib.md5(b"abc").digest(), "text/plain", {})
    for etag in (CREATE_ONLY, None):
        with pytest.raises(NameRefused, match="lies there"):
            in_time(lambda etag=etag: asyncio.run(store.put("a", b"abc", properties, etag)))
    page = asyncio.run(store.list_page())
    assert [blob.name for blob in page.blobs] == []
    assert dict(page.odd)["a"] in (SPECIAL, BROKEN_LINK)


def test_a_pipe_in_the_place_of_the_notes_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).parent.mkdir()
    os.mkfifo(tmp_path / JOURNAL)
    store = FolderStore(tmp_path)
    with pytest.raises(LadenError):
        in_time(lambda: asyncio.run(store.list_page()))


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[Path, Path, str]:
    source = tmp_path / "source"
    table(source, [("0", "a.bin", "x"), ("0", "b.bin", "y")])
    pack(source / "0.zip", {"a.bin": "0/a", "b.bin": "0/b"})
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    run(source, tmp_path / "there", profiled)
    return source, tmp_path / "there", profiled


@pytest.mark.parametrize("name", ["png/0/a.bin", "t.csv"])
def test_a_load_and_a_verification_tell_of_a_pipe_and_end(loaded: tuple[Path, Path, str], name: str) -> None:
    source, there, profiled = loaded
    (there / name).unlink()
    os.mkfifo(there / name)
    told = in_time(lambda: verify(str(there), deep="all"))
    assert (told.exit_code, told.findings["blob-special"]) == (3, 1)
    for options in ({"compare": "all"}, {"overwrite": "changed"}):
        told = in_time(lambda options=options: run(source, there, profiled, **options))
        assert (told.exit_code, told.findings["blob-special"]) == (3, 1)
    (there / name).unlink()
    assert run(source, there, profiled).exit_code == 0


def test_a_link_in_the_place_of_an_image_is_told(loaded: tuple[Path, Path, str], tmp_path: Path) -> None:
    source, there, profiled = loaded
    image = there / "png/0/a.bin"
    image.rename(tmp_path / "elsewhere")
    image.symlink_to(tmp_path / "elsewhere")
    assert verify(str(there), deep="all").findings == {"blob-link": 1}
    assert run(source, there, profiled).findings == {"blob-link": 1}
    assert dict(asyncio.run(FolderStore(there).list_page()).odd) == {"png/0/a.bin": LINK}
