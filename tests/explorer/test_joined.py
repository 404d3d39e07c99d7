"""A row's labels are those of the image that the row means, and of no other file that is called alike."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from laden.explorer.looking import is_inverted
from laden.explorer.stored import StoredPlace
from laden.explorer.surveyed import SurveyedPlace
from laden.run.loop import run as run_loop
from laden.store import parse_destination
from laden.verbs.verify import verify
from tests.explorer.served import Asker, explored
from tests.support.dataset import make_dataset
from tests.support.places import ROWS, images, load, pack, profile, put, table, two_archives


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[str, str]:
    """A folder with the images of `two_archives`, and their profile."""
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    load(two_archives(tmp_path / "source"), str(tmp_path / "there"), profile=profiled)
    return str(tmp_path / "there"), profiled


def _seen(asker: Asker, condition: str) -> list[str]:
    return asker.names(asker.post("view", where=[condition]))


def _labels(asker: Asker, name: str) -> list[str]:
    return [row["values"][2] for row in asker.get("item", name=name)["rows"]]


def _lines(asker: Asker, form: str, **query: Any) -> list[str]:
    view = asker.post("view", **query)["view"]
    status, _, data = asker.raw("GET", f"/api/export?view={view}&form={form}&place=1")
    assert status == 200, data
    return data.decode().splitlines()


def test_a_row_is_that_of_its_own_image_alone(loaded: tuple[str, str]) -> None:
    place, profiled = loaded
    with explored(place, write=True, profile=profiled) as asker:
        for number, name, label in ROWS:
            assert _labels(asker, f"png/{number}/{name}") == [label]
            assert _seen(asker, f"Label = '{label}'") == [f"png/{number}/{name}"]
        told = {row["name"]: row["Label"] for row in csv.DictReader(_lines(asker, "csv"))}
        assert {name: label for name, label in told.items() if label} == {
            f"png/{number}/{name}": label for number, name, label in ROWS
        }
        view = asker.post("view", where=["Label = 'x'"])
        plan = asker.post("plan", action="delete", view=view["view"])
        assert (plan["count"], plan["names"]) == (1, ["png/0/a.bin"])


def test_a_strangers_file_and_a_replaced_image_have_no_row(loaded: tuple[str, str]) -> None:
    place, profiled = loaded
    put(Path(place) / "strange" / "b.bin", "not the load's")
    put(Path(place) / "png" / "1" / "b.bin", "nor this")
    with explored(place, write=True, profile=profiled) as asker:
        assert _seen(asker, "Label = 'y'") == ["png/0/b.bin"]
        put(Path(place) / "png" / "0" / "b.bin", "another image")
        asker.post("refresh")
        asker.ready()
        assert _seen(asker, "Label = 'y'") == []
        assert _seen(asker, "Label = 'x'") == ["png/0/a.bin"]
        (Path(place) / "png" / "0" / "a.bin").unlink()
        asker.post("refresh")
        asker.ready()
        assert asker.get("item", name="png/0/a.bin")["item"]["fate"] == "deleted"
        assert _seen(asker, "Label = 'x'") == [], "and those of its namesake are not its own"
        assert _seen(asker, "Label = 'z'") == ["png/1/a.bin"]


def test_a_row_of_a_source_is_that_of_the_member_in_its_archive(tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    source = two_archives(tmp_path / "source")
    # What lies where no row says is nobody's.
    pack(source / "2.zip", {"a.bin": "2/a"})
    with explored(str(source), profile=profiled) as asker:
        for number, name, label in ROWS:
            assert _labels(asker, f"{number}.zip/{name}") == [label]
            assert _seen(asker, f"Label = '{label}'") == [f"{number}.zip/{name}"]
        assert _labels(asker, "2.zip/a.bin") == []
        fates = {name: asker.get("item", name=name)["item"]["fate"] for name in ("1.zip/a.bin", "2.zip/a.bin")}
        assert fates == {"1.zip/a.bin": "named", "2.zip/a.bin": "stray"}
        (source / "2.zip").unlink()
        asker.post("refresh")
        asker.ready()
        assert _labels(asker, "1.zip/a.bin") == ["z"]


def test_a_source_whose_table_is_gone_has_no_labels(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2}, size=32)
    with explored(str(dataset.folder)) as asker:
        assert len(_seen(asker, "Projection IS NOT NULL")) == 2
        dataset.table.unlink()
        asker.post("refresh")
        asker.until(lambda: not asker.ready()["state"]["table"])
        assert asker.get("columns")["table"] == ""
        name = next(one for one in asker.names(asker.post("view")) if one.endswith(".png"))
        assert asker.get("item", name=name)["rows"] == []


def test_what_two_rows_of_a_source_may_mean_has_no_row(tmp_path: Path) -> None:
    profiled = profile(tmp_path, in_folder="{ImageDir}")
    source = tmp_path / "source"
    table(source, [("0", "a.bin", "x"), ("1", "a.bin", "z"), ("2", "b.bin", "y")])
    pack(source / "some.zip", {"a.bin": "nobody knows whose", "b.bin": "b"})
    with explored(str(source), profile=profiled) as asker:
        assert (_labels(asker, "some.zip/a.bin"), _labels(asker, "some.zip/b.bin")) == ([], ["y"])
        assert _seen(asker, "Label IN ('x', 'z')") == []


def test_rows_beside_images_that_no_manifest_names_are_theirs_where_nothing_is_in_doubt(tmp_path: Path) -> None:
    """A container that another tool filled: the table is known by its name and columns, and says where images lie."""
    dataset = make_dataset(tmp_path / "source", {"0": 2, "1": 2}, size=32)
    with dataset.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    there = tmp_path / "there"
    own, moved, doubled, missing = (row["ImageID"] for row in rows)
    put(there / "png" / rows[0]["ImageDir"] / own, "as a load would call it")
    put(there / "elsewhere" / own, "called alike")
    put(there / "elsewhere" / moved, "the only one of that name")
    for folder in ("one", "other"):
        put(there / folder / doubled, "one of two")
    shutil.copy(dataset.table, there / dataset.table.name)

    async def joined() -> dict[str, str]:
        place = StoredPlace(parse_destination(str(there)))
        try:
            await place.fill()
            return dict(place.relations.all("SELECT laden_name, ImageID FROM records WHERE laden_row IS NOT NULL"))
        finally:
            await place.close()

    (there / "_laden").mkdir()
    assert run_loop(joined()) == {f"png/{rows[0]['ImageDir']}/{own}": own, f"elsewhere/{moved}": moved}
    assert missing not in run_loop(joined()).values()


@pytest.mark.parametrize("said", [("MONOCHROME1", "MONOCHROME2"), ("MONOCHROME2", "MONOCHROME1")])
def test_an_image_is_inverted_by_its_own_row(tmp_path: Path, said: tuple[str, str]) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip", of_table='photometric = "Label"')
    source = tmp_path / "source"
    table(source, [("0", "a.bin", said[0]), ("1", "a.bin", said[1])])
    for number in "01":
        pack(source / f"{number}.zip", {"a.bin": number})

    async def found() -> list[bool]:
        place = SurveyedPlace(str(source), profiled)
        try:
            await place.fill()
            return [is_inverted(place, f"{number}.zip/a.bin") for number in "01"]
        finally:
            await place.close()

    assert run_loop(found()) == [one == "MONOCHROME1" for one in said]


def _named(tmp_path: Path, names: list[str]) -> tuple[str, str]:
    """A folder with images of these names, and their profile."""
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    source = tmp_path / "source"
    source.mkdir(parents=True)
    with (source / "t.csv").open("w", newline="", encoding="utf-8") as file:
        rows = ([0, name, f"label {number}"] for number, name in enumerate(names))
        csv.writer(file).writerows([["ImageDir", "ImageID", "Label"], *rows])
    pack(source / "0.zip", {name: f"{number}" for number, name in enumerate(names)})
    load(source, str(tmp_path / "there"), profile=profiled)
    return str(tmp_path / "there"), profiled


def _copied(asker: Asker, to: Path, *names: str) -> dict[str, str]:
    """What is in a place after images were copied there."""
    number = asker.post("copy", names=names, to=str(to))["number"]

    def asked() -> Any:
        job = next(one for one in asker.get("jobs")["jobs"] if one["number"] == number)
        return job if job["question"] or job["state"] != "running" else None

    assert f"{len(names)} image" in asker.until(asked)["question"]
    asker.post("answer", job=number, yes=True)
    job = asker.job(number)
    assert (job["state"], job["result"]["exit_code"]) == ("done", 0), job
    assert verify(str(to)).exit_code == 0
    return images(to)


def test_what_is_copied_is_what_was_chosen_and_not_what_is_called_alike(
    loaded: tuple[str, str], tmp_path: Path
) -> None:
    place, profiled = loaded
    with explored(place, write=True, profile=profiled) as asker:
        assert _copied(asker, tmp_path / "one", "png/0/a.bin") == {"png/0/a.bin": "0/a"}
        (landed,) = (tmp_path / "one").glob("t*.csv")
        assert landed.read_text().splitlines()[1:] == ["0,a.bin,x"], "its row alone"
    odd = ["a.bin", '"a.bin', 'a.bin"', "b.bin"]
    place, profiled = _named(tmp_path / "odd", odd)
    with explored(place, write=True, profile=profiled) as asker:
        for number, name in enumerate(odd):
            assert _copied(asker, tmp_path / f"odd {number}", f"png/0/{name}") == {f"png/0/{name}": f"{number}"}


def test_images_without_a_row_are_copied_too(tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    source, place = two_archives(tmp_path / "source"), str(tmp_path / "there")
    pack(source / "1.zip", {"a.bin": "1/a", "unnamed.bin": "no row names it"})
    load(source, place, profile=profiled, strays="send")
    with explored(place, write=True, profile=profiled) as asker:
        (name,) = (one for one in asker.names(asker.post("view")) if one.endswith("unnamed.bin"))
        assert _copied(asker, tmp_path / "copy", name) == {name: "no row names it"}
        # Beside one that has a row, whose table then lands.
        both = _copied(asker, tmp_path / "both", name, "png/0/a.bin")
        assert both == {name: "no row names it", "png/0/a.bin": "0/a"}


def test_a_list_of_keys_means_the_images_that_are_shown_or_is_refused(loaded: tuple[str, str], tmp_path: Path) -> None:
    place, profiled = loaded
    with explored(place, profile=profiled) as asker:
        assert _lines(asker, "keys", folder="png/") == ["a.bin", "b.bin"]
        assert _lines(asker, "keys", where=["Label = 'y'"]) == ["b.bin"]
        view = asker.post("view", where=["Label = 'x'"])["view"]
        assert asker.refused("GET", "export", view=view, form="keys") == (
            400,
            "1 key of these is those of images, too, that are not shown, as 'a.bin': a list of keys would mean these as"
            " well. Show them too, or export CSV",
        )
