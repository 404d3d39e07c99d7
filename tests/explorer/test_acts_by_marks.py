"""What is done by marks goes by those that are kept now: others may have taken them off, here or elsewhere."""

from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from tests.explorer.served import Asker, explored
from tests.support.harness import client, content, landed

BLOB = "_laden/marks/marks.csv"
EXCLUDED = ["laden_mark = 'exclude'"]
HEADER = "place,name,key,mark,note\n"


@pytest.fixture
def place(container: str, emulator: Emulator) -> str:
    with client(emulator, container) as opened:
        for number in range(4):
            opened.upload_blob(f"{number}.bin", b"x")
    return container


def excluded(asker: Asker) -> dict[str, Any]:
    """The view of what is marked, once it is made by the marks of now."""

    def asked() -> Any:
        view = asker.post("view", where=EXCLUDED)
        return None if view.get("stale") else view

    found: dict[str, Any] = asker.until(asked)
    return found


def test_a_mark_that_another_server_took_off_keeps_its_image_from_every_act(place: str, emulator: Emulator) -> None:
    with explored(place, write=True) as one, explored(place, write=True) as other:
        one.post("mark", names=["0.bin", "1.bin"], mark="exclude")
        view = excluded(one)
        assert one.names(view) == ["0.bin", "1.bin"]
        other.post("mark", names=["0.bin"], mark="", note="needed")
        # The page is told so, makes its view anew, and asks again.
        assert one.post("plan", action="delete", view=view["view"]) == {"stale": True}
        plan = one.post("plan", action="delete", view=excluded(one)["view"])
        assert plan["names"] == ["1.bin"]
        job = one.job(one.post("act", plan=plan["plan"], count="1")["number"])
        assert job["result"]["outcomes"]["done"] == 1
    assert {"0.bin", "2.bin", "3.bin"} <= set(landed(emulator, place))
    assert "1.bin" not in landed(emulator, place)


def test_a_view_by_marks_that_changed_elsewhere_is_stale_for_whatever_goes_by_it(place: str, tmp_path: Path) -> None:
    with explored(place, write=True) as one, explored(place, write=True) as other:
        one.post("mark", names=["0.bin", "1.bin"], mark="exclude")
        for name, asked, values in (
            ("0.bin", "plan", {"action": "delete"}),
            ("1.bin", "download", {"folder": "got"}),
            ("0.bin", "mark", {"mark": "look again"}),
            ("1.bin", "copy", {"to": str(tmp_path / "there")}),
        ):
            one.post("mark", names=["0.bin", "1.bin"], mark="exclude")
            view = excluded(one)
            other.post("mark", names=[name], mark="")
            assert one.post(asked, view=view["view"], **values) == {"stale": True}
            assert one.names(excluded(one)) == [other_of(name)]
    assert not (tmp_path / "got").exists()
    assert not (tmp_path / "there").exists()


def other_of(name: str) -> str:
    return {"0.bin": "1.bin", "1.bin": "0.bin"}[name]


@pytest.mark.parametrize("by", ["here", "another server", "hand"])
def test_a_plan_by_marks_is_void_once_these_have_changed(place: str, emulator: Emulator, by: str) -> None:
    with explored(place, write=True) as one, explored(place, write=True) as other:
        one.post("mark", names=["0.bin", "1.bin"], mark="exclude")
        plan = one.post("plan", action="delete", view=excluded(one)["view"])
        if by == "hand":
            with client(emulator, place) as opened:
                opened.upload_blob(BLOB, HEADER.encode(), overwrite=True)
        else:
            (one if by == "here" else other).post("mark", names=["0.bin"], mark="")
        status, told = one.refused("POST", "act", plan=plan["plan"], count="2")
        assert (status, "marks have changed" in told) == (400, True)
    assert {"0.bin", "1.bin"} <= set(landed(emulator, place))


def test_what_goes_by_names_or_no_marks_is_done_whatever_is_marked(place: str, emulator: Emulator) -> None:
    with explored(place, write=True) as one, explored(place, write=True) as other:
        named = one.post("plan", action="delete", names=["0.bin"])
        shown = one.post("plan", action="delete", view=one.post("view", find="1.bin")["view"])
        other.post("mark", names=["0.bin", "1.bin"], mark="exclude")
        for plan in (named, shown):
            one.job(one.post("act", plan=plan["plan"], count="1")["number"])
    assert not {"0.bin", "1.bin"} & set(landed(emulator, place))


def test_marks_that_no_mark_changed_keep_a_plan(place: str, emulator: Emulator) -> None:
    """Read anew, as at a Refresh, or where somebody wrote of another place into the same table."""
    with explored(place, write=True) as one:
        one.post("mark", names=["0.bin"], mark="exclude")
        plan = one.post("plan", action="delete", view=excluded(one)["view"])
        table = content(emulator, place, BLOB).decode() + "elsewhere,0.bin,,exclude,\r\n"
        with client(emulator, place) as opened:
            opened.upload_blob(BLOB, table.encode(), overwrite=True)
        one.post("refresh")
        one.ready()
        job = one.job(one.post("act", plan=plan["plan"], count="1")["number"])
        assert job["result"]["outcomes"]["done"] == 1


def test_marks_that_cannot_be_read_any_more_decide_nothing(place: str, emulator: Emulator) -> None:
    with explored(place, write=True) as one:
        one.post("mark", names=["0.bin"], mark="exclude")
        view = excluded(one)
        plan = one.post("plan", action="delete", view=view["view"])
        with client(emulator, place) as opened:
            opened.upload_blob(BLOB, b"no table", overwrite=True)
        assert "no table of laden's marks" in one.refused("POST", "plan", action="delete", view=view["view"])[1]
        assert "no table of laden's marks" in one.refused("POST", "act", plan=plan["plan"], count="1")[1]
        assert one.post("plan", action="delete", view=one.post("view")["view"])["count"] == 4
    assert "0.bin" in landed(emulator, place)


def test_marks_in_the_working_folder_are_read_anew_too(place: str, tmp_path: Path) -> None:
    with explored(place) as one, explored(place) as other:
        one.post("mark", names=["0.bin", "1.bin"], mark="exclude")
        view = excluded(one)
        other.post("mark", names=["0.bin"], mark="")
        assert one.post("download", view=view["view"], folder="got") == {"stale": True}
        job = one.job(one.post("download", view=excluded(one)["view"], folder="got")["number"])
        assert job["result"]["outcomes"] == {"came": 1}
        (tmp_path / "laden-marks.csv").unlink()
        assert one.post("download", view=view["view"], folder="more") == {"stale": True}
    assert [path.name for path in (tmp_path / "got").glob("*.bin")] == ["1.bin"]
