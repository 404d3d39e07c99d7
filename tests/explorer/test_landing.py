"""What lands between a plan and its act is never touched: a load's, another explorer's, or a copy of equal length."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.explorer.served import ACTS, Asker, explored
from tests.support.harness import client, content, landed
from tests.support.places import pack, profile, table

NEW, KEPT = "png/0/a.bin", "png/0/b.bin"
NO_CHANGE_TIME = pytest.mark.skipif(sys.platform == "win32", reason="keeps no time of the last change of any kind")


class Source:
    """Three images, of one length whatever they hold; the second load brings another content of the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "source"
        self._profile = profile(folder, archive="{ImageDir}.zip")
        table(self._folder, [("0", "a.bin", "x"), ("0", "b.bin", "y"), ("0", "c.bin", "z")])

    def load(self, to: str, content_of_a: str) -> None:
        pack(self._folder / "0.zip", {"a.bin": content_of_a, "b.bin": "b-old", "c.bin": "c-old"})
        assert load(self._folder, to, profile=self._profile, overwrite="changed").exit_code == 0


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def planned(asker: Asker, action: str) -> dict[str, Any]:
    """A plan for the three images that are shown."""
    view = asker.post("view", folder="png/")
    plan: dict[str, Any] = asker.post("plan", action=action, view=view["view"], values=ACTS[action])
    assert plan["count"] == 3
    return plan


def carried_out(asker: Asker, plan: dict[str, Any]) -> dict[str, Any]:
    job = asker.job(asker.post("act", plan=plan["plan"], count="3")["number"])
    outcomes: dict[str, Any] = job["result"]["outcomes"]
    return outcomes


@pytest.mark.parametrize("action", list(ACTS))
def test_what_a_load_lands_after_the_plan_is_left(
    source: Source, container: str, emulator: Emulator, action: str
) -> None:
    source.load(container, "a-old")
    with explored(container, write=True) as asker:
        plan = planned(asker, action)
        source.load(container, "a-new")
        page = landed(emulator, container)[NEW]
        assert carried_out(asker, plan) == {"done": 2, "changed": 1, "gone": 0, "failed": 0}
        told = asker.get("properties", name=NEW)
    there = landed(emulator, container)
    assert there[NEW] == page
    assert content(emulator, container, NEW) == b"a-new"
    assert told["tags"] == {}
    assert not {"Cool", "application/x-test", "me"} & set(told["properties"].values())
    assert f"review/{NEW}" not in there
    assert (KEPT in there) == (action != "delete")


def test_what_another_explorer_changed_after_the_plan_is_left(
    source: Source, container: str, emulator: Emulator
) -> None:
    source.load(container, "a-old")
    with explored(container, write=True) as one, explored(container, write=True) as other:
        plan = planned(one, "delete")
        told = other.post("plan", action="metadata", names=[NEW], values={"metadata": {"needed": "yes"}})
        other.job(other.post("act", plan=told["plan"], count="1")["number"])
        assert carried_out(one, plan) == {"done": 2, "changed": 1, "gone": 0, "failed": 0}
    assert landed(emulator, container)[NEW].metadata["needed"] == "yes"


def test_what_a_load_lands_while_the_place_is_listed_is_of_no_plan_that_was_made_before(
    source: Source, container: str, emulator: Emulator
) -> None:
    """A plan holds the versions that its view showed, also where a Refresh has brought newer ones meanwhile."""
    source.load(container, "a-old")
    with explored(container, write=True) as asker:
        plan = planned(asker, "delete")
        source.load(container, "a-new")
        asker.post("refresh")
        asker.ready()
        assert carried_out(asker, plan) == {"done": 2, "changed": 1, "gone": 0, "failed": 0}
    assert content(emulator, container, NEW) == b"a-new"


def test_what_was_deleted_and_landed_again_is_left(source: Source, container: str, emulator: Emulator) -> None:
    source.load(container, "a-old")
    with explored(container, write=True) as asker:
        plan = planned(asker, "delete")
        with client(emulator, container) as opened:
            opened.delete_blob(NEW)
        source.load(container, "a-old")
        assert carried_out(asker, plan) == {"done": 2, "changed": 1, "gone": 0, "failed": 0}
    assert content(emulator, container, NEW) == b"a-old"


@pytest.mark.parametrize("action", ["delete", "metadata", "copy"])
@pytest.mark.parametrize("how", ["load", pytest.param("in place", marks=NO_CHANGE_TIME), "renamed"])
def test_in_a_folder_what_came_after_the_plan_is_left(source: Source, tmp_path: Path, action: str, how: str) -> None:
    folder = tmp_path / "there"
    source.load(str(folder), "a-old")
    with explored(str(folder), write=True) as asker:
        plan = planned(asker, action)
        if how == "load":
            source.load(str(folder), "a-new")
        else:
            replaced_alike(folder / NEW, rename=how == "renamed")
        assert carried_out(asker, plan) == {"done": 2, "changed": 1, "gone": 0, "failed": 0}
    assert (folder / NEW).read_bytes() == b"a-new"
    assert not (folder / "review" / NEW).exists()
    assert (folder / KEPT).exists() == (action != "delete")


def replaced_alike(path: Path, *, rename: bool) -> None:
    """Other bytes, of equal length and time, as `rsync -t`, `cp -p` and archives leave them."""
    there = path.stat()
    written = path.with_name("part") if rename else path
    written.write_bytes(b"a-new")
    os.utime(written, ns=(there.st_atime_ns, there.st_mtime_ns))
    written.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def test_a_load_that_is_proved_stays_so_beside_an_act(source: Source, container: str) -> None:
    source.load(container, "a-old")
    with explored(container, write=True) as asker:
        plan = planned(asker, "metadata")
        source.load(container, "a-new")
        carried_out(asker, plan)
    found = verify(container)
    assert (found.exit_code, found.images) == (0, 3)
