"""Each verb on each kind of place: what it cannot do there is told in one sentence, and ends with 2."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import laden
from laden.cli import run_command
from tests.support.dataset import Dataset, make_dataset

ACCOUNT, LINK, BUCKET = "https://acct.blob.core.windows.net", "https://data.example.org/0.zip", "s3://bucket/prefix"
IN_AZURE = "https://acct.blob.core.windows.net/padchest"

# `{}` is the place, {source} a source, {out} a new path.
AT_DEST = {
    "load to": "load {source} {} --yes",
    "verify": "verify {}",
    "verify --at": "verify {} --at 1",
    "status": "status {}",
    "history": "history {}",
    "list": "list {}",
    "get": "get {} {out}",
    "labels": "labels export {} -o {out}",
    "prune": "prune {} {source} --plan {out}",
    "undelete": "undelete {}",
    "set": "set {} --metadata a=b --yes",
    "copy from": "copy {} {out} --yes",
    "copy to": "copy {source} {} --yes",
    "register": "register {} -g group -w workspace",
    "sas": "sas {}",
    "container": "container create {}",
}
AT_SOURCE = {
    "check": "check {}",
    "load": "load {} {out} --yes",
    "lock": "lock {} -o {out}",
    "fetch": "fetch {} {out}",
    "prune by": "prune {loaded} {} --plan {out}",
}
ON_DISK = {"init": "init {}", "select": "select {} -o {out}"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 2})


@pytest.fixture(scope="module")
def places(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("places")
    laden.load(dataset.folder, str(folder / "loaded"))
    laden.lock(dataset.folder, folder / "x.lock")
    return {
        "loaded": str(folder / "loaded"),
        "source": str(dataset.folder),
        "lock": str(folder / "x.lock"),
        "table": str(dataset.table),
        "archive": str(dataset.folder / "0.zip"),
        "account": ACCOUNT,
        "link": LINK,
        "bucket": BUCKET,
        "file": (folder / "loaded").as_uri(),
    }


def cannot() -> list[tuple[str, str, str]]:
    """Verb, kind of place, and part of the sentence."""
    found = [
        (verb, kind, sentence)
        for kind, sentence in (
            ("lock", "is a file, and no folder can be there|and 'T' is a folder|is a file|no load was completed"),
            ("table", "is a file, and no folder can be there|is a file"),
            ("archive", "is a file, and no folder can be there|is a file"),
            ("account", "names no container|no container"),
            ("link", "cannot be a container's name"),
            ("bucket", "is not a destination laden can load to"),
            ("file", "a folder is given as a path"),
        )
        for verb in AT_DEST
        if (verb, kind) != ("list", "account")
    ]
    found += [(verb, "account", "is an account: name a container in it") for verb in AT_SOURCE]
    found += [(verb, "lock", "is a lock file|is no link and no file of links") for verb in [*AT_SOURCE, *ON_DISK]]
    found += [
        (verb, kind, "and a link was given") for verb in ON_DISK for kind in ("account", "link", "bucket", "file")
    ]
    found += [(verb, "file", "is no source laden can read") for verb in AT_SOURCE]
    found += [
        ("undelete", "loaded", "is a folder, which keeps nothing of what was deleted"),
        ("register", "loaded", "a folder cannot be registered"),
        ("sas", "loaded", "is a folder"),
        ("container", "loaded", "a folder needs no container"),
        ("fetch", "loaded", "is no link"),
        ("load to", "source", "holds 0.zip, as a source does"),
        ("select", "source", "select takes the table itself"),
    ]
    found += [(verb, "source", "no load was completed") for verb in ("labels", "prune", "set", "copy from")]
    found += [("fetch", kind, "fetch brings what lies elsewhere") for kind in ("table", "archive")]
    return found


@pytest.mark.parametrize(("verb", "kind", "sentence"), cannot())
def test_what_a_verb_cannot_do_at_a_place_is_told_in_one_sentence(
    dataset: Dataset,
    places: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    kind: str,
    sentence: str,
) -> None:
    line = {**AT_DEST, **AT_SOURCE, **ON_DISK}[verb]
    before = sorted(path.name for path in Path(places["loaded"]).rglob("*"))
    words = {
        "{}": places[kind],
        "{source}": str(dataset.folder),
        "{out}": str(tmp_path / "out"),
        "{loaded}": places["loaded"],
    }
    assert run_command([words.get(word, word) for word in line.split(" ")]) == 2
    told = capsys.readouterr().err
    (said,) = [one for one in told.splitlines() if one.startswith("laden ")]
    assert re.search(sentence, said)
    assert "bug" not in told
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in Path(places["loaded"]).rglob("*")) == before
