"""What somebody else wrote among laden's notes: nobody is led elsewhere by it, and no command ends as a bug."""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import laden
from laden.remote.link import Link
from laden.stages.fetching.record import Record
from laden.stages.history import HISTORY
from laden.stages.loadpage import LOAD
from laden.stages.pruning import PLAN_START
from laden.values.errors import SourceError, StoreError, UsageError
from laden.values.events import Event, Found
from laden.values.ownfiles import FETCHED_NAME
from laden.values.told import MOST_DEPTH, from_json
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset

DEEP = [b"[" * 200_000 + b"]" * 200_000, b'{"state":' * 900 + b"1" + b"}" * 900, b"[" * 40 + b"]" * 40]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 2})


@pytest.fixture
def there(dataset: Dataset, tmp_path: Path) -> Path:
    begin(dataset.folder, tmp_path / "there")
    return tmp_path / "there"


VERBS: dict[str, Callable[[Path, Dataset, Path], object]] = {
    "load": lambda there, dataset, _: laden.load(dataset.folder, there),
    "update": lambda there, dataset, _: laden.load(dataset.folder, there, update=True),
    "verify": lambda there, *_: laden.verify(there),
    "status": lambda there, *_: laden.status(there),
    "list": lambda there, *_: laden.list(there),
    "history": lambda there, *_: laden.history(there),
    "get": lambda there, _, tmp: laden.get(there, tmp / "got"),
    "copy": lambda there, _, tmp: laden.copy(there, tmp / "copied"),
    "diff": lambda there, dataset, _: laden.diff(dataset.folder, there),
    "labels": lambda there, _, tmp: laden.export_labels(there, tmp / "labels.csv"),
    "prune": lambda there, dataset, tmp: laden.plan_prune(there, dataset.folder, plan_file=tmp / "plan"),
    "open": lambda there, *_: laden.open(there),
}


@pytest.mark.parametrize("which", ["page", "record"])
@pytest.mark.parametrize(
    ("verb", "deep"),
    [*((verb, DEEP[0]) for verb in VERBS), *((verb, deep) for verb in ("load", "history") for deep in DEEP[1:])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_nested_deeply_is_told_as_other_garbage_is(
    there: Path, dataset: Dataset, tmp_path: Path, verb: str, which: str, deep: bytes
) -> None:
    (there / (LOAD if which == "page" else f"{HISTORY}00000001.json")).write_bytes(deep)
    # Any other error, or one that means a bug, fails the test.
    with suppress(UsageError, SourceError, StoreError):
        VERBS[verb](there, dataset, tmp_path)


def test_no_plan_is_nested_deeply(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_bytes(PLAN_START + b',"source":' + DEEP[0] + b"}\n")
    with pytest.raises(UsageError, match="no plan of 'laden prune'"):
        laden.prune(plan)


def test_values_as_deep_as_may_be() -> None:
    assert from_json("[" * MOST_DEPTH + "]" * MOST_DEPTH)
    for text in ("[" * (MOST_DEPTH + 2) + "]" * (MOST_DEPTH + 2), *DEEP, b"\xff", b"", b"{", "1" * 5_000):
        with pytest.raises(ValueError):  # noqa: PT011 - what json says is its own matter
            from_json(text)


@pytest.mark.parametrize("verb", ["load", "folder", "zip", "tar-shards"])
@pytest.mark.parametrize("name", ["_laden/folder.jsonl", "_laden/staging", "_laden"])
def test_nothing_is_written_through_a_link_among_the_notes(
    there: Path, dataset: Dataset, tmp_path: Path, verb: str, name: str
) -> None:
    led = tmp_path / "led"
    precious, target = tmp_path / "precious", led / name
    target.parent.mkdir(parents=True)
    if name.endswith(".jsonl"):
        precious.write_text("mine")
    else:
        precious.mkdir()
    target.symlink_to(precious)
    told: list[Event] = []
    try:
        if verb == "load":
            laden.load(dataset.folder, led, observer=told.append)
        else:
            laden.get(there, led, form=verb, observer=told.append)  # type: ignore[arg-type]
    except StoreError as error:
        said = str(error)
    else:
        said = " ".join(event.finding.message for event in told if isinstance(event, Found))
    assert "is a link" in said
    assert precious.read_text() == "mine" if precious.is_file() else not any(precious.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes pipes")
@pytest.mark.parametrize(
    ("form", "name"),
    [("zip", "images.zip"), ("tar-shards", "images-000000.tar"), ("tar-shards", "images-index.parquet")],
)
def test_nobody_waits_at_a_pipe_in_the_place_of_an_archive(there: Path, tmp_path: Path, form: str, name: str) -> None:
    into = tmp_path / "into"
    into.mkdir()
    os.mkfifo(into / name)
    summary = laden.get(there, into, form=form)  # type: ignore[arg-type]
    assert summary.exit_code == 3
    assert summary.findings.keys() <= {"get-conflict", "get-index"}
    assert (into / name).is_fifo()


@pytest.mark.parametrize(
    "changed",
    [{"made_s": "x"}, {"made_s": 10**400}, {"destination": 5}, {"blobs": 0}, {"blobs": True}, {"bytes": 1}, {"new": 1}],
    ids=str,
)
def test_a_plan_that_was_made_up_is_none_however_well_sealed(tmp_path: Path, changed: dict[str, object]) -> None:
    about = {
        "destination": str(tmp_path),
        "source": "s",
        "made_s": 1,
        "page_md5": "",
        "images": 9,
        "blobs": 1,
        "bytes": 5,
    }
    going = {"blob": "a", "size_bytes": 5, "md5": "", "etag": "", "archive": "", "member": ""}
    lines = [json.dumps({"laden_prune": 1, **about, **changed}), json.dumps(going)]
    seal = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    plan = tmp_path / "plan"
    plan.write_text("".join(f"{line}\n" for line in (*lines, json.dumps({"end": 1, "sha256": seal}))))
    with pytest.raises(UsageError, match="no plan of 'laden prune'"):
        laden.prune(plan)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes pipes")
def test_nobody_waits_at_a_pipe_in_the_place_of_the_record_of_links(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FETCHED_NAME)
    record = Record(tmp_path)
    record.note("a.zip", Link("https://example.org/a.zip"))
    assert not record.origins
