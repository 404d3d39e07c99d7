"""What the explorer keeps in the working folder, while others change it too, and where something odd lies there."""

import asyncio
import csv
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.explorer import kept
from laden.explorer.marks import Marks
from laden.explorer.saved import SavedViews
from laden.explorer.surveyed import SurveyedPlace
from laden.values.errors import UsageError
from tests.explorer.served import Asker, explored
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.harness import content

HEADER = "place,name,key,mark,note\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("places")
    for name in "ab":
        (root / name).mkdir()
        for number in range(3):
            (root / name / f"{number}.png").write_bytes(b"x")
    return root / "a", root / "b"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def marked(asker: Asker) -> dict[str, str]:
    asker.post("refresh")
    asker.ready()
    rows = asker.get("rows", view=asker.post("view")["view"], **{"from": 0, "n": 100})["rows"]
    return {row[1]: row[12] for row in rows if row[12]}


def test_two_explorers_in_one_folder_keep_each_others_marks(folders: tuple[Path, Path], here: Path) -> None:
    one, two = map(str, folders)
    with explored(one) as first, explored(two) as second, explored(one) as third:
        first.post("mark", names=["0.png"], mark="exclude", note="seen")
        second.post("mark", names=["1.png"], mark="look again")
        third.post("mark", names=["2.png"], mark="exclude")
        assert marked(first) == marked(third) == {"0.png": "exclude", "2.png": "exclude"}
        assert marked(second) == {"1.png": "look again"}
        # What another one took off does not come back, and a word that another one gave stays.
        third.post("mark", names=["2.png"], mark="")
        third.post("mark", names=["0.png"], mark="look again")
        first.post("mark", names=["1.png"], mark="exclude")
        assert marked(first) == marked(third) == {"0.png": "look again", "1.png": "exclude"}
    lines = (here / "laden-marks.csv").read_text().splitlines()
    assert lines[0] + "\n" == HEADER
    assert [line.split(",", 1)[0] for line in lines[1:]] == [one, one, two]
    assert lines[1].endswith(",look again,seen")


def test_what_somebody_wrote_into_the_file_is_what_holds(folders: tuple[Path, Path], here: Path) -> None:
    file, place = here / "laden-marks.csv", str(folders[0])
    other = "http://other/c,png/x.png,x,exclude,by hand\n"
    file.write_text(HEADER + other)
    with explored(place) as asker:
        asker.post("mark", names=["0.png"], mark="exclude")
        for _ in range(3):
            marked(asker)
        assert asker.post("mark", names=["1.png"], mark="exclude")
        assert file.read_text().count(other.strip()) == 1
        file.write_text(f"{HEADER}{place},2.png,mine,exclude,\n{other}odd\n")
        asker.post("mark", names=["1.png"], mark="look again")
        assert marked(asker) == {"1.png": "look again", "2.png": "exclude"}
        assert sorted(file.read_text().splitlines()) == sorted(
            [HEADER.strip(), other.strip(), "odd", f"{place},1.png,1.png,look again,", f"{place},2.png,mine,exclude,"]
        )
        file.unlink()
        assert marked(asker) == {}


def test_marks_beside_the_data_are_changed_by_their_etag(
    container: str, emulator: Emulator, tmp_path: Path, here: Path
) -> None:
    begin(make_dataset(tmp_path / "source", {"0": 3}).folder, container, archives="0")
    with explored(container, write=True) as first, explored(container, write=True) as second:
        names = first.names(first.post("view", folder="png/"))
        for asker, name in zip((first, second, first), names, strict=True):
            asker.post("mark", names=[name], mark="exclude")
        second.post("mark", names=names[:1], mark="", note="")
        assert marked(first) == marked(second) == dict.fromkeys(names[1:], "exclude")
    assert content(emulator, container, "_laden/marks/marks.csv").count(b"exclude") == 2


def test_nothing_is_lost_where_all_mark_and_save_at_once(folders: tuple[Path, Path], here: Path) -> None:
    async def marking() -> None:
        places = [SurveyedPlace(folder) for folder in (*folders, *folders)]
        try:
            each = [Marks(place, here, write=False) for place in places]
            await asyncio.gather(
                *(marks.put([f"{n}-{k}"], "exclude", None) for k in range(5) for n, marks in enumerate(each))
            )
        finally:
            for place in places:
                await place.close()

    asyncio.run(marking())
    assert (here / "laden-marks.csv").read_text().count("exclude") == 20

    def saving(name: str) -> None:
        views = SavedViews(here)
        for n in range(10):
            views.save("x", f"{name}{n}", {})

    threads = [threading.Thread(target=saving, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(SavedViews(here).of("x")) == 40
    assert sorted(path.name for path in here.iterdir()) == ["laden-marks.csv", "laden-views.json"]


def test_who_keeps_the_folder_locked_keeps_nobody_waiting_for_ever(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(kept, "_PATIENCE_S", 0)
    folder = os.open(here, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"keeps .* locked, so the views there were not changed: try again"):
            SavedViews(here).save("x", "a", {})
    finally:
        os.close(folder)
    SavedViews(here).save("x", "a", {})


def _zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)


@pytest.mark.parametrize(
    ("lay", "why"),
    [
        (os.mkfifo, "a pipe, a socket or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, a socket or a device"),
        (Path.mkdir, "Is a directory"),
        (_zeros, "MiB, so it is not read"),
        (lambda path: path.write_bytes(b"\xff"), "is there and"),
    ],
    ids=["pipe", "device", "folder", "long", "strange"],
)
def test_what_is_no_file_of_ladens_is_told_and_never_waited_for(
    lay: Callable[[Path], object], why: str, folders: tuple[Path, Path], here: Path
) -> None:
    for name in ("laden-marks.csv", "laden-views.json"):
        lay(here / name)
    before = [(here / name).lstat() for name in ("laden-marks.csv", "laden-views.json")]
    with explored(str(folders[0])) as asker:
        asker.post("refresh")
        asker.ready()
        assert str(asker.get("status")["state"]["notes"]).count(why) == 1
        assert why in asker.refused("GET", "views")[1]
        assert why in asker.refused("POST", "mark", names=["0.png"], mark="exclude")[1]
        assert why in asker.refused("POST", "save", name="x", look={})[1]
        assert why in asker.refused("POST", "forget", name="x")[1]
    after = [(here / name).lstat() for name in ("laden-marks.csv", "laden-views.json")]
    assert [(one.st_mode, one.st_size, one.st_ino) for one in before] == [
        (one.st_mode, one.st_size, one.st_ino) for one in after
    ]


def test_nothing_is_written_through_a_link(folders: tuple[Path, Path], here: Path, tmp_path: Path) -> None:
    precious, table, views = (tmp_path / name for name in ("precious", "table", "views"))
    precious.write_text("precious")
    table.write_text(HEADER)
    views.write_text('{"views": []}')
    for name in (".laden-marks.csv.part", ".laden-views.json.part"):
        (here / name).symlink_to(precious)
    with explored(str(folders[0])) as asker:
        asker.post("mark", names=["0.png"], mark="exclude")
        asker.post("save", name="x", look={})
        assert precious.read_text() == "precious"
        for name, file in (("laden-marks.csv", table), ("laden-views.json", views)):
            (here / name).unlink()
            (here / name).symlink_to(file)
        assert "is a link" in asker.refused("POST", "mark", names=["0.png"], mark="exclude")[1]
        assert "is a link" in asker.refused("POST", "save", name="x", look={})[1]
    assert table.read_text() == HEADER
    assert json.loads(views.read_text()) == {"views": []}


def test_what_is_kept_can_be_read_again(folders: tuple[Path, Path], here: Path) -> None:
    look = {"where": ["laden_name = '" + "x" * 1_500_000 + "'"]}
    with explored(str(folders[0])) as asker:
        asker.post("save", name="a", look=look)
        asker.post("save", name="b", look=look)
        assert "4 MiB of views at most" in asker.refused("POST", "save", name="c", look=look)[1]
        assert [one["name"] for one in asker.get("views")["views"]] == ["a", "b"]
        asker.post("forget", name="a")
        asker.post("save", name="c", look=look)
        asker.post("mark", names=["0.png"], mark="exclude")
        assert "too long" in asker.refused("POST", "mark", names=["x" * 200_000], mark="exclude")[1]
        assert marked(asker) == {"0.png": "exclude"}


def test_no_spreadsheet_runs_a_mark_and_every_word_comes_back(tmp_path: Path, here: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    words = {"=cmd()": "=1+1", "+a.png": "'=quoted", "-b.png": "@sum", "c.png": "plain"}
    for name in words:
        (folder / name).write_bytes(b"x")
    with explored(str(folder)) as asker:
        for name, word in words.items():
            asker.post("mark", names=[name], mark="exclude", note=word)
    with (here / "laden-marks.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    with explored(str(folder)) as asker:
        assert {name: asker.get("item", name=name)["item"]["note"] for name in words} == words
        assert asker.post("view", where=["laden_note = '=1+1'"])["rows"] == 1
