"""Copies to another place, what was deleted and can be brought back, and views: asked as the page does."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.explorer.stored import StoredPlace
from laden.store import parse_destination
from laden.values.events import PlanReady
from laden.verbs.explore import _copying
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.explorer.served import Asker, explored, serving
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import landed
from tests.support.softdelete import SoftDelete

SAS = "?sv=2023-11-03&sig=xxxxxxxxxxxxxxxx&se=2100-01-01&sp=rwdl&sr=c"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 4, "1": 3})


@pytest.fixture(scope="module")
def place(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place") / "loaded"
    load(dataset.folder, str(folder), archives="0,1")
    return folder


@pytest.fixture
def asker(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    monkeypatch.chdir(tmp_path)
    with explored(str(place), write=True) as found:
        yield found


def asked(asker: Asker, number: int) -> dict[str, Any]:
    """Wait for a job's question, or for its end."""
    found: dict[str, Any] = asker.until(
        lambda: next(
            (
                j
                for j in asker.get("jobs")["jobs"]
                if j["number"] == number and (j["question"] or j["state"] != "running")
            ),
            None,
        )
    )
    return found


def test_a_selection_is_copied_to_another_place_when_somebody_says_yes(
    asker: Asker, container: str, emulator: Emulator
) -> None:
    names = sorted(name for name in asker.names(asker.post("view", folder="png/")))[:2]
    number = asker.post("copy", names=names, to=container)["number"]
    job = asked(asker, number)
    assert job["question"].startswith("Copy 2 images (")
    assert container.rpartition("/")[2] in job["question"]
    assert landed(emulator, container) == {}
    asker.post("answer", job=number, yes=True)
    assert asker.refused("POST", "answer", job=number, yes=True)[0] == 400
    job = asker.job(number)
    assert job["state"] == "done", job
    assert job["result"]["exit_code"] == 0
    assert job["result"]["counts"]["sent"] == 2
    there = landed(emulator, container)
    assert [name for name in there if name.endswith(".png")] == names
    assert verify(container).exit_code == 0
    # Again, and of all: only what is not there is copied.
    number = asker.post("copy", view=asker.post("view")["view"], to=container)["number"]
    assert "2 are there already" in asked(asker, number)["question"]
    asker.post("answer", job=number, yes=True)
    assert asker.job(number)["result"]["counts"]["already_there"] == 2
    assert verify(container).images == 7


def test_nothing_is_copied_where_somebody_says_no_or_stops(asker: Asker, tmp_path: Path) -> None:
    view = asker.post("view", folder="png/0/")["view"]
    for answer in ("no", "stop"):
        number = asker.post("copy", view=view, to="./elsewhere")["number"]
        assert asked(asker, number)["question"].startswith("Copy 4 images")
        if answer == "no":
            asker.post("answer", job=number, yes=False)
        else:
            asker.post("stop", job=number)
        job = asker.job(number)
        assert not job["question"]
        assert "nothing was copied" in job["message"]
    assert not [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert asker.refused("POST", "answer", job=number, yes=True)[0] == 400
    assert asker.refused("POST", "answer", job=99, yes=True)[0] == 400


def test_a_file_of_others_is_no_image_of_the_load_whatever_its_name(asker: Asker, place: Path, tmp_path: Path) -> None:
    image = asker.names(asker.post("view", folder="png/0/"))[0]
    other = f"theirs/{image.rpartition('/')[2]}"
    (place / "theirs").mkdir()
    (place / other).write_bytes(b"another")
    try:
        asker.post("refresh")
        asker.ready()
        nothing = "nothing of what was chosen is an image of the load: other files can be downloaded"
        assert asker.refused("POST", "copy", names=[other], to="./elsewhere") == (400, nothing)
        assert asker.raw("GET", f"/api/export?form=keys&view={asker.post('view', folder='theirs/')['view']}")[2] == b""
    finally:
        shutil.rmtree(place / "theirs")


@pytest.mark.parametrize("secret", ["?sv=2024-11-04&sig=abcdefghijklmnopqrstuvwx%3D", "https://x/y?sig=hushhushhush"])
def test_a_secret_is_no_name(asker: Asker, secret: str, tmp_path: Path) -> None:
    view = asker.post("view")["view"]
    (tmp_path / "file").write_text("x")
    for refused in (
        asker.refused("POST", "download", view=view, folder=secret),
        asker.refused("POST", "upload", paths=["file"], prefix=secret),
        asker.refused("POST", "plan", action="copy", view=view, values={"prefix": secret}),
    ):
        assert refused[0] == 400
        assert "holds a secret" in refused[1]
        assert "hush" not in refused[1]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_where_a_copy_cannot_go_is_a_sentence_without_the_secret(asker: Asker, place: Path) -> None:
    view = asker.post("view")["view"]
    for to in ("", "  ", "https://x.blob.core.windows.net/UPPER", "https://x.blob.core.windows.net"):
        assert asker.refused("POST", "copy", view=view, to=to, sas="sig=hush")[0] == 400
    job = asker.job(asker.post("copy", view=view, to=str(place))["number"])
    assert job["state"] == "failed"
    assert "same place" in job["message"]
    told = asker.post("copy", view=view, to="http://127.0.0.1:9/account/there?sv=1&sig=hush", sas="")
    assert "hush" not in json.dumps(told)
    assert "hush" not in json.dumps(asker.get("jobs"))
    asker.post("stop", job=told["number"])


def test_without_write_nothing_is_copied_and_no_deleted_blob_is_listed(place: Path) -> None:
    with explored(str(place)) as reader:
        for name in ("copy", "answer"):
            assert reader.raw("POST", f"/api/{name}", {"to": "x"})[0] == 404
        assert reader.raw("GET", "/api/deleted")[0] == 404


@pytest.mark.parametrize("versions", [False, True])
def test_what_was_deleted_is_listed_and_brought_back(versions: bool, tmp_path: Path) -> None:
    with SoftDelete(versions=versions) as service:
        for name in ("a/1.png", "a/2.png", "b.png", "kept.png"):
            service.put(name, b"old")
            service.put(name, b"newer")

        def place() -> StoredPlace:
            return StoredPlace(parse_destination(service.url + SAS))

        with serving(place, tmp_path, write=True) as asker:
            assert asker.ready()["state"]["phase"] == "ready"
            assert asker.get("deleted") == {"deleted": [], "marker": ""}
            names = ["a/1.png", "a/2.png", "b.png"]
            plan = asker.post("plan", action="delete", names=names)
            assert "brought back" in plan["undo"]
            assert (
                asker.job(asker.post("act", plan=plan["plan"], count="3")["number"])["result"]["outcomes"]["done"] == 3
            )
            asker.ready()
            gone = asker.get("deleted")["deleted"]
            assert [one["name"] for one in gone] == names
            assert {one["bytes"] for one in gone} == {5}
            assert {one["days_left"] for one in gone} == {None if versions else 14}
            assert asker.names(asker.post("view")) == ["kept.png"]
            plan = asker.post("plan", action="undelete", names=names[:2])
            assert plan["sentence"].startswith("Bring back 2 blobs")
            asker.job(asker.post("act", plan=plan["plan"], count="2")["number"])
            asker.ready()
            assert asker.names(asker.post("view")) == ["a/1.png", "a/2.png", "kept.png"]
            assert [one["name"] for one in asker.get("deleted")["deleted"]] == ["b.png"]


LOOK = {"folder": "png/", "find": "1", "how": "part", "where": ["Age > 3"], "sort": "Age", "descending": True,
        "mode": "grid", "columns": ["Age"], "image": "never kept"}  # fmt: skip


def test_views_are_kept_for_this_place_and_forgotten(asker: Asker, tmp_path: Path) -> None:
    file = tmp_path / "laden-views.json"
    other = {"place": "elsewhere", "name": "x", "look": {"where": []}}
    file.write_text(json.dumps({"views": [other]}))
    assert asker.get("views") == {"views": [], "file": str(file)}
    asker.post("save", name=" <img onerror=x> ", look=LOOK)
    asker.post("save", name="b", look={})
    asker.post("save", name="b", look={**LOOK, "find": "2"})
    first, second = asker.get("views")["views"]
    assert first == {"name": "<img onerror=x>", **{key: value for key, value in LOOK.items() if key != "image"}}
    assert (second["name"], second["find"]) == ("b", "2")
    asker.post("forget", name="b")
    asker.post("forget", name="never there")
    assert [one["name"] for one in asker.get("views")["views"]] == ["<img onerror=x>"]
    assert [one["place"] for one in json.loads(file.read_text())["views"]].count("elsewhere") == 1


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb"])
def test_a_view_needs_a_name(asker: Asker, name: str) -> None:
    assert asker.refused("POST", "save", name=name, look={})[0] == 400


@pytest.mark.parametrize("look", [5, None, {"where": "x"}, {"where": [5]}, {"folder": 5}, {"columns": [None]}])
def test_what_is_no_look_is_not_kept(asker: Asker, look: Any, tmp_path: Path) -> None:
    assert asker.refused("POST", "save", name="x", look=look)[0] == 400
    assert not (tmp_path / "laden-views.json").exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"views": 5}', '{"views": [{"place": 1}]}', "\xff", "[" * 20000])
def test_a_file_that_holds_no_views_is_left_alone(asker: Asker, tmp_path: Path, text: str) -> None:
    file = tmp_path / "laden-views.json"
    file.write_text(text, "latin-1")
    assert "move it away" in asker.refused("GET", "views")[1]
    assert asker.refused("POST", "save", name="x", look={})[0] == 400
    assert asker.refused("POST", "forget", name="x")[0] == 400
    assert file.read_text("latin-1") == text


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (
            1,
            "1 image is meant, 1 is there already, 1 is there and has to be compared,"
            " 1 has other content there, and is left",
        ),
        (
            2,
            "2 images are meant, 2 are there already, 2 are there and have to be compared,"
            " 2 have other content there, and are left",
        ),
    ],
)
def test_what_a_copy_asks_is_said_of_one_and_of_many(count: int, told: str) -> None:
    ready = PlanReady(
        profile="padchest", table="", send=count, replace=0, compare=count, bytes_to_send=1, bytes_in_all=1,
        images=count, already_there=count, conflicts=count,
    )  # fmt: skip
    assert told in _copying(ready)
