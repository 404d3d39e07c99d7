"""Uploads look at the store when they begin: nothing goes where a load lies, begins, or left images without a page."""

import shutil
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.stages.loadpage import LOAD, Planned, write_unfinished_page
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.explorer.served import Asker, explored
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, landed


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2})


@pytest.fixture
def more(tmp_path: Path) -> Path:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "more" / "deep" / "a.txt").write_bytes(b"one")
    return tmp_path / "more"


def refused(asker: Asker, *prefixes: str) -> str:
    said = ""
    for prefix in prefixes:
        status, said = asker.refused("POST", "upload", paths=["more"], prefix=prefix)
        assert status == 400, said
    return said


def uploaded(asker: Asker, prefix: str) -> None:
    job = asker.job(asker.post("upload", paths=["more"], prefix=prefix)["number"])
    assert job["state"] == "done", job
    asker.ready()


def test_a_load_that_came_after_the_page_looked_is_not_taken_over(
    dataset: Dataset, container: str, more: Path, emulator: Emulator
) -> None:
    with explored(container, write=True) as asker:
        begin(dataset.folder, container, archives="0,1")
        before = landed(emulator, container)
        assert "take over" in refused(asker, "")
        assert "Refresh" in refused(asker, "png", "png/0", "extra")
        assert landed(emulator, container) == before
        asker.post("refresh")
        asker.ready()
        assert "take over" in refused(asker, "png", "png/0", "")
        uploaded(asker, "extra")
        more.joinpath("deep", "b.txt").write_bytes(b"two")
        uploaded(asker, "extra")
    assert verify(container).exit_code == 0


def test_shares_protect_what_they_sent(dataset: Dataset, container: str, more: Path, emulator: Emulator) -> None:
    with explored(container, write=True) as asker:
        load(dataset.folder, container, share="1/2")
        before = landed(emulator, container)
        assert LOAD not in before
        folder = next(name for name in before if name.endswith(".png")).rpartition("/")[0]
        assert "a part of one" in refused(asker, "", "png", folder)
        assert landed(emulator, container) == before
        uploaded(asker, "extra")


def test_a_load_that_begins_or_broke_off_protects_what_it_will_send(more: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    (dest / "_laden").mkdir(parents=True)
    page = dest / LOAD
    page.write_bytes(
        write_unfinished_page(
            profile="padchest", layout="png/{ImageDir}/{ImageID}", rows=0, planned=Planned("2026-01-01", 9, 9)
        )
    )
    with explored(str(dest / ""), write=True) as asker:
        assert "take over" in refused(asker, "")
        assert "under way" in refused(asker, "png/0")
        page.write_bytes(b"{}")
        assert "cannot be read" in refused(asker, "", "png/0")
        page.unlink()
        uploaded(asker, "png/0")


def test_nothing_goes_among_ladens_own_or_into_another_upload(dataset: Dataset, more: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    begin(dataset.folder, str(dest), archives="0,1")
    with explored(str(dest), write=True) as asker:
        assert "own notes" in refused(asker, "_laden", "_laden/x", "extra/_laden", "extra/_laden/x")
        name = asker.names(asker.post("view", find=".png"))[0]
        assert asker.refused("POST", "plan", action="copy", names=[name], values={"prefix": "_laden/x"})[0] == 400
        uploaded(asker, "extra")
        assert "another load" in refused(asker, "extra/deep")
        # A load of a prefix is one as well.
        load(dataset.folder, str(dest / "ward"), archives="0,1")
        assert "take over" in refused(asker, "ward")
    assert not (dest / "_laden" / "x").exists()


def test_a_load_below_is_no_reason_to_upload_nothing_beside_it(dataset: Dataset, more: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    load(dataset.folder, str(dest / "ward"), archives="0,1")
    shutil.copytree(more, dest / "_laden")
    page = dest / LOAD
    page.write_text("{}")
    with explored(str(dest), write=True) as asker:
        page.unlink()
        uploaded(asker, "")
    assert verify(str(dest / "ward")).exit_code == 0


def test_no_upload_follows_a_link(dataset: Dataset, more: Path, tmp_path: Path) -> None:
    dest, outside = tmp_path / "dest", tmp_path / "outside"
    begin(dataset.folder, str(dest), archives="0,1")
    outside.mkdir()
    (dest / "link").symlink_to(dest / "png" / "0", target_is_directory=True)
    (dest / "out").symlink_to(outside, target_is_directory=True)
    (dest / "real").mkdir()
    before = sorted(path for path in dest.rglob("*"))
    with explored(str(dest), write=True) as asker:
        assert "link" in refused(asker, "link", "link/deeper", "out", "out/new")
        assert sorted(path for path in dest.rglob("*")) == before
        uploaded(asker, "real")
    assert list(outside.iterdir()) == []


def test_no_copy_below_a_prefix_goes_among_images(dataset: Dataset, container: str, emulator: Emulator) -> None:
    begin(dataset.folder, container, archives="0,1")
    before = landed(emulator, container)
    with explored(container, write=True) as asker:
        view = asker.post("view")["view"]
        for prefix in ("png", "png/0/", "/png/"):
            status, said = asker.refused("POST", "plan", action="copy", view=view, values={"prefix": prefix})
            assert (status, "lie images of the load" in said) == (400, True)
        asker.post("plan", action="copy", view=view, values={"prefix": "review/"})
    assert landed(emulator, container) == before


ODD = ["png ", "%70ng", "png%2F0", "png?x", "png\u00a0"]
"""What is another folder than `png`, and was once taken for it, or for nothing, when its address was read again."""


def test_uploads_go_to_the_folder_that_is_named_and_to_no_other(
    dataset: Dataset, container: str, more: Path, emulator: Emulator
) -> None:
    begin(dataset.folder, container, archives="0,1")
    before = set(landed(emulator, container))
    with explored(container, write=True) as asker:
        for prefix in ODD:
            uploaded(asker, prefix)
    new = set(landed(emulator, container)) - before
    assert {name for name in new if "_laden" not in name} == {f"{prefix}/deep/a.txt" for prefix in ODD}
    assert {name.partition("/")[0] for name in new} == set(ODD)
    assert verify(container).exit_code == 0


@pytest.mark.parametrize("prefix", ODD)
def test_in_a_folder_too(prefix: str, dataset: Dataset, more: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    begin(dataset.folder, str(dest), archives="0,1")
    with explored(str(dest), write=True) as asker:
        uploaded(asker, prefix)
    assert (dest / prefix / "deep" / "a.txt").read_bytes() == b"one"
    assert verify(str(dest)).exit_code == 0


def test_what_is_asked_of_a_place_is_not_answered_by_one_of_another_writing(
    dataset: Dataset, container: str, tmp_path: Path
) -> None:
    """`a%20b` is another prefix than `a b`."""
    load(dataset.folder, f"{container}/a%20b", archives="0,1")
    load(dataset.folder, f"{container}/a%2520b", archives="0")
    target = tmp_path / "copy"
    with explored(f"{container}/a%2520b", write=True) as asker:
        job = asker.job(asker.post("verify")["number"])
        assert (job["state"], job["result"]["counts"]["images"]) == ("done", 3)
        number = asker.post("copy", view=asker.post("view", folder="png/")["view"], to=str(target))["number"]
        asker.until(lambda: next(job for job in asker.get("jobs")["jobs"] if job["number"] == number)["question"])
        asker.post("answer", job=number, yes=True)
        assert asker.job(number)["state"] == "done"
    assert len(list(target.rglob("*.png"))) == 3


def test_beside_a_blob_that_only_says_that_there_is_the_prefix(container: str, emulator: Emulator) -> None:
    """Whatever was asked of it was asked of the container, and refused."""
    with client(emulator, container) as there:
        for name in ("ward/", "ward/a", "ward/b"):
            there.upload_blob(name, b"")
    with explored(f"{container}/ward", write=True) as asker:
        assert asker.names(asker.post("view")) == ["a", "b"]
        plan = asker.post("plan", action="delete", names=["a"])
        job = asker.job(asker.post("act", plan=plan["plan"], count="1")["number"])
        assert job["message"] == "1 of 1 blob is done"
    assert set(landed(emulator, container)) == {"ward/", "ward/b"}


def test_no_link_leads_an_upload_among_images_or_out_of_what_is_shown(
    dataset: Dataset, more: Path, tmp_path: Path
) -> None:
    dest, outside = tmp_path / "dest", tmp_path / "outside"
    load(dataset.folder, str(dest), archives="0,1")
    outside.mkdir()
    (dest / "plain").mkdir()
    links = {
        "among": "png/0",
        "above": "png",
        "plain/deep": "../png/0",
        "out": str(outside),
        "nothing": "nowhere",
        "again": "out",
        "round": ".",
    }
    for name, to in links.items():
        (dest / name).symlink_to(to, target_is_directory=True)
    before = _files(tmp_path)
    with explored(str(dest), write=True) as asker:
        for prefix in [*links, "above/0", "out/new", "plain/deep/new", "nothing/new", "again/new", "round/new"]:
            assert "is a link" in refused(asker, prefix), prefix
        assert _files(tmp_path) == before
        uploaded(asker, "plain")
    assert (dest / "plain" / LOAD).is_file()


def test_a_shown_folder_that_is_itself_a_link_takes_uploads(dataset: Dataset, more: Path, tmp_path: Path) -> None:
    load(dataset.folder, str(tmp_path / "real"), archives="0,1")
    shown = tmp_path / "shown"
    shown.symlink_to("real", target_is_directory=True)
    with explored(str(shown), write=True) as asker:
        uploaded(asker, "extra")
    assert (tmp_path / "real" / "extra" / "deep" / "a.txt").read_bytes() == b"one"


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
