"""What changes a place: with --write alone, by a plan, and what was listed; over Azurite and a folder."""

import asyncio
import hashlib
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from laden.demo.emulator import Emulator
from laden.explorer import acts, carrying
from laden.explorer.jobs import Jobs
from laden.store.manage.folder import FolderManage
from laden.values.errors import AccessDenied, Interrupted, UsageError
from laden.values.events import Event, Serving, Summary
from laden.verbs.explore import explore
from laden.verbs.verify import verify
from tests.explorer.served import Asker, explored, exploring
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, landed, sas


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3})


@pytest.fixture
def place(dataset: Dataset, container: str) -> str:
    begin(dataset.folder, container, archives="0,1")
    return container


@pytest.fixture
def asker(place: str) -> Iterator[Asker]:
    with explored(place, write=True) as found:
        yield found


def carried_out(asker: Asker, plan: dict[str, object]) -> dict[str, object]:
    job = asker.post("act", plan=plan["plan"], count=str(plan["count"]))
    found: dict[str, object] = asker.job(job["number"])
    asker.ready()
    return found


def test_without_write_there_is_nothing_to_ask(place: str, emulator: Emulator) -> None:
    before = landed(emulator, place)
    with explored(place) as asker:
        for name in ("plan", "act", "upload", "sas"):
            assert asker.raw("POST", f"/api/{name}", {"action": "delete"})[0] == 404
        assert not asker.get("status")["write"]
        asker.post("verify")
    assert landed(emulator, place) == before


def test_a_deletion_is_a_plan_with_its_count_typed_back(asker: Asker, place: str, emulator: Emulator) -> None:
    names = asker.names(asker.post("view", folder="png/0/"))[:2]
    plan = asker.post("plan", action="delete", names=names)
    assert plan["count"] == 2
    assert plan["bytes"] == sum(landed(emulator, place)[name].size_bytes for name in names)
    account, container = urlsplit(place).path.split("/")[1:3]
    assert plan["sentence"] == f"Delete 2 blobs in the container {container} of the account {account}"
    assert plan["undo"]
    for plan_id, count in (("made up", "2"), ("", ""), (plan["plan"], "2.")):
        assert asker.refused("POST", "act", plan=plan_id, count=count)[0] == 400
    assert set(names) <= set(landed(emulator, place))
    # A wrong count voids the plan.
    assert asker.refused("POST", "act", plan=plan["plan"], count="2")[0] == 400
    plan = asker.post("plan", action="delete", names=names)
    job = carried_out(asker, plan)
    assert job["result"]["outcomes"] == {"done": 2, "changed": 0, "gone": 0, "failed": 0}  # type: ignore[index]
    assert not set(names) & set(landed(emulator, place))
    assert asker.refused("POST", "act", plan=plan["plan"], count="2")[0] == 400
    view = asker.post("view", where=["laden_fate = 'deleted'"])
    assert sorted(asker.names(view)) == sorted(names)
    assert verify(place).deleted == 2


def test_a_deletion_says_which_snapshots_go_with_it(
    asker: Asker, place: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = asker.names(asker.post("view", folder="png/0/"))[:3]
    assert "napshot" not in asker.post("plan", action="delete", names=names)["undo"]
    with client(emulator, place) as container:
        for name in (names[0], names[0], names[1]):
            container.get_blob_client(name).create_snapshot()
    asker.post("refresh")
    asker.ready()
    assert "2 of them have 3 snapshots, deleted too." in asker.post("plan", action="delete", names=names)["undo"]
    assert "1 of them has 1 snapshot, deleted too." in asker.post("plan", action="delete", names=names[1:])["undo"]
    monkeypatch.setattr(acts, "_LOOKED_AT", 2)
    told = asker.post("plan", action="delete", names=names)["undo"]
    assert "Snapshots that any of them have are deleted with them." in told


def test_what_changed_since_the_listing_is_left(asker: Asker, place: str, emulator: Emulator) -> None:
    names = asker.names(asker.post("view", folder="png/"))
    plan = asker.post("plan", action="delete", names=names[:3])
    with client(emulator, place) as container:
        container.upload_blob(names[0], b"newer", overwrite=True)
        container.delete_blob(names[1])
    job = carried_out(asker, plan)
    outcomes = job["result"]["outcomes"]  # type: ignore[index]
    # Of a blob that is gone, the service says that the condition failed, or that there is none.
    assert (outcomes["done"], outcomes["changed"] + outcomes["gone"], outcomes["failed"]) == (1, 2, 0)
    assert names[0] in landed(emulator, place)
    assert "changed since the listing" in str(job["message"])


@pytest.mark.parametrize(("action", "values"), [("tier", {"tier": "Cool"}), ("tags", {"tags": {"review": "yes"}})])
def test_what_was_replaced_since_gets_neither_tier_nor_tags(
    asker: Asker, place: str, emulator: Emulator, action: str, values: dict[str, object]
) -> None:
    names = asker.names(asker.post("view", folder="png/"))[:2]
    plan = asker.post("plan", action=action, names=names, values=values)
    with client(emulator, place) as container:
        container.upload_blob(names[0], b"newer", overwrite=True)
    outcomes = carried_out(asker, plan)["result"]["outcomes"]  # type: ignore[index]
    assert outcomes == {"done": 1, "changed": 1, "gone": 0, "failed": 0}
    told = asker.get("properties", name=names[0])
    assert told["tags"] == {}
    assert "Cool" not in told["properties"].values()


def test_half_a_character_is_a_sentence(asker: Asker) -> None:
    name = asker.names(asker.post("view", folder="png/"))[0]
    for asked, values in (
        ("view", {"find": "\ud800"}),
        ("save", {"name": "x", "look": {"find": "\udfff"}}),
        ("mark", {"names": [name, "\ud800"], "mark": "exclude"}),
        ("plan", {"action": "tags", "names": [name], "values": {"tags": {"\ud800": "x"}}}),
    ):
        status, told = asker.refused("POST", asked, **values)
        assert (status, "half a character" in told) == (400, True)
    assert asker.post("view", find="\U0001f600")["rows"] == 0


def test_tier_tags_metadata_and_type_of_many(asker: Asker, place: str, emulator: Emulator) -> None:
    view = asker.post("view", folder="png/1/")
    for action, values in (
        ("tier", {"tier": "Cool"}),
        ("tags", {"tags": {"review": "yes"}}),
        ("metadata", {"metadata": {"reader": "me"}}),
        ("type", {"type": "application/x-test"}),
    ):
        plan = asker.post("plan", action=action, view=asker.post("view", folder="png/1/")["view"], values=values)
        assert plan["count"] == view["rows"] == 3
        job = carried_out(asker, plan)
        assert job["result"]["outcomes"]["done"] == 3, job  # type: ignore[index]
    (name, *_) = asker.names(asker.post("view", folder="png/1/"))
    told = asker.get("properties", name=name)
    properties = {key.lower(): value for key, value in told["properties"].items()}
    assert properties["x-ms-access-tier"] == "Cool"
    assert properties["content-type"] == "application/x-test"
    assert properties["x-ms-meta-reader"] == "me"
    assert told["tags"] == {"review": "yes"}
    # laden's own metadata stay, so the load is still proved.
    assert "laden_crc32" in landed(emulator, place)[name].metadata
    assert verify(place).exit_code == 0


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("tier", {"tier": "Warm"}),
        ("tags", {"tags": {"<": "x"}}),
        ("tags", {"tags": {str(n): "x" for n in range(11)}}),
        ("tags", {"tags": "x"}),
        ("metadata", {"metadata": {"a b": "x"}}),
        ("metadata", {"metadata": {"laden_md5": "x"}}),
        ("metadata", {"metadata": {"a": "x\r\nIf-Match: *"}}),
        ("type", {"type": "text/html\r\nX: y"}),
        ("copy", {"prefix": "../up"}),
        ("copy", {"prefix": "/"}),
        ("format the disk", {}),
    ],
)
def test_what_cannot_be_meant_is_no_plan(asker: Asker, action: str, values: dict[str, object]) -> None:
    names = asker.names(asker.post("view", folder="png/"))[:1]
    assert asker.refused("POST", "plan", action=action, names=names, values=values)[0] == 400
    assert asker.refused("POST", "plan", action="delete", names=[])[0] == 400
    assert asker.refused("POST", "plan", action="delete", names=["not there"])[0] == 400


def test_copies_go_below_a_prefix_and_replace_nothing(asker: Asker, place: str, emulator: Emulator) -> None:
    names = asker.names(asker.post("view", folder="png/"))[:2]
    first = carried_out(asker, asker.post("plan", action="copy", names=names, values={"prefix": "review"}))
    again = carried_out(asker, asker.post("plan", action="copy", names=names, values={"prefix": "review"}))
    assert first["result"]["outcomes"]["done"] == 2  # type: ignore[index]
    assert again["result"]["outcomes"] == {"done": 0, "changed": 0, "gone": 0, "failed": 0, "there": 2}  # type: ignore[index]
    assert again["message"] == "0 of 2 blobs are done; 2 are there already: nothing was done to these"
    there = landed(emulator, place)
    assert all(there[f"review/{name}"] == there[name] for name in names)


def test_files_of_this_machine_are_uploaded_and_nothing_is_overwritten(
    asker: Asker, place: str, emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "more" / "deep" / "a.txt").write_bytes(b"one")
    job = asker.job(asker.post("upload", paths=["more"], prefix="extra/")["number"])
    assert job["state"] == "done", job
    names = [name for name in landed(emulator, place) if name.startswith("extra/")]
    assert [name for name in names if name.endswith("a.txt")]
    asker.ready()
    assert set(names) <= set(asker.names(asker.post("view", folder="extra/")))
    # What lies there belongs to a load, which stays what it is.
    page = landed(emulator, place)["_laden/load.json"]
    for prefix in ("", "png/0", "png", "/"):
        assert "a folder of its own" in asker.refused("POST", "upload", paths=["more"], prefix=prefix)[1]
    assert asker.refused("POST", "upload", paths=["more"], prefix="../up")[0] == 400
    assert landed(emulator, place)["_laden/load.json"] == page
    assert verify(place).exit_code == 0
    assert asker.refused("POST", "upload", paths=["nothing here"])[0] == 400
    assert asker.refused("POST", "upload", paths=[])[0] == 400


def test_a_sas_is_shown_once_and_may_only_read(asker: Asker, place: str, emulator: Emulator) -> None:
    url = asker.post("sas", hours=1)["url"]
    query = urlsplit(url).query
    assert "sp=rl" in query
    with explored(url) as reader:
        assert reader.get("status")["items"] > 5
        told = str(reader.get("status")) + str(reader.post("view"))
        assert "sig=" not in told
    assert asker.refused("POST", "sas", hours=100)[0] == 400


def test_a_folder_is_changed_the_same_way_and_says_that_nothing_comes_back(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "dest"
    begin(dataset.folder, str(folder), archives="0")
    with explored(str(folder), write=True) as asker:
        names = asker.names(asker.post("view", folder="png/"))[:1]
        plan = asker.post("plan", action="delete", names=names)
        assert "cannot be undone" in plan["undo"]
        carried_out(asker, plan)
        assert not (folder / names[0]).exists()
        job = carried_out(
            asker, asker.post("plan", action="tier", names=asker.names(asker.post("view"))[:1], values={"tier": "Cool"})
        )
        assert job["result"]["outcomes"]["failed"] == 1  # type: ignore[index]


def test_an_act_that_the_end_of_the_server_breaks_off_is_told(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dest"
    begin(dataset.folder, str(folder), archives="0")
    ending, told, stop = asyncio.Event(), threading.Event(), threading.Event()
    delete, close = FolderManage.delete, Jobs.close
    calls: list[str] = []

    async def waits(self: FolderManage, name: str, etag: str) -> None:
        calls.append(name)
        if len(calls) == 2:
            stop.set()
            await ending.wait()
        await delete(self, name, etag)

    async def closes(self: Jobs) -> None:
        for job in self.all():
            job.stopping = True
        ending.set()
        await close(self)

    monkeypatch.setattr(carrying, "_AT_ONCE", 1)
    monkeypatch.setattr(FolderManage, "delete", waits)
    monkeypatch.setattr(Jobs, "close", closes)

    def act(url: str) -> None:
        asker = Asker(url)
        asker.sign_in()
        asker.ready()
        plan = asker.post("plan", action="delete", names=asker.names(asker.post("view", folder="png/")))
        asker.post("act", plan=plan["plan"], count="4")
        asker.close()
        told.set()

    events: list[Event] = []

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, Serving):
            threading.Thread(target=act, args=(event.url,), daemon=True).start()

    with pytest.raises(Interrupted, match=r"stopped while this ran: Delete .*: 2 of 4 blobs are done"):
        explore(
            str(folder), open_page=False, write=True, observer=observe, stopping=lambda: stop.is_set() and told.is_set()
        )
    summary = events[-1]
    assert isinstance(summary, Summary)
    assert (summary.exit_code, summary.acted, summary.complete) == (130, 2, False)
    assert len(list(folder.rglob("*.png"))) == 2


def test_marks_beside_the_data_survive_the_server(place: str, emulator: Emulator) -> None:
    with explored(place, write=True) as asker:
        names = asker.names(asker.post("view", folder="png/"))[:3]
        asker.post("mark", names=names[:2], mark="exclude", note="a device, or not")
        asker.post("mark", names=names[2:], mark="look again")
        asker.post("mark", names=names[:1], mark="", note="")
    assert "_laden/marks/marks.csv" in landed(emulator, place)
    with explored(place, write=True) as asker:
        assert asker.names(asker.post("view", where=["laden_mark = 'exclude'"])) == names[1:2]
        assert asker.names(asker.post("view", where=["laden_note LIKE '%device%'"])) == names[1:2]
        assert asker.names(asker.post("view", where=["laden_mark IS NOT NULL"])) == names[1:]
    assert verify(place).exit_code == 0


def test_marks_without_write_lie_in_the_working_folder(place: str, tmp_path: Path, emulator: Emulator) -> None:
    with explored(place) as asker:
        names = asker.names(asker.post("view", folder="png/"))[:2]
        asker.post("mark", names=names, mark="exclude")
        assert asker.refused("POST", "mark", names=names, mark="burn")[0] == 400
        assert asker.refused("POST", "mark", names=names, mark="", note="x" * 501)[0] == 400
    assert "_laden/marks/marks.csv" not in landed(emulator, place)
    lines = (tmp_path / "laden-marks.csv").read_text().splitlines()
    assert lines[0] == "place,name,key,mark,note"
    assert len(lines) == 3
    with explored(place) as asker:
        assert asker.post("view", where=["laden_mark = 'exclude'"])["rows"] == 2


def test_a_strange_file_of_that_name_is_never_replaced(place: str, tmp_path: Path) -> None:
    (tmp_path / "laden-marks.csv").write_text("mine")
    with explored(place) as asker:
        assert "no table of laden's marks" in str(asker.get("status")["state"]["notes"])
        names = asker.names(asker.post("view", folder="png/"))[:1]
        assert asker.refused("POST", "mark", names=names, mark="exclude")[0] == 400
    assert (tmp_path / "laden-marks.csv").read_text() == "mine"


def test_a_download_is_finished_by_the_next_and_says_what_came(place: str, dataset: Dataset, tmp_path: Path) -> None:
    with explored(place) as asker:
        view = asker.post("view", folder="png/")["view"]
        job = asker.job(asker.post("download", view=view, folder="got")["number"])
        assert job["result"]["outcomes"] == {"came": 7}
        got = tmp_path / "got"
        assert {str(p.relative_to(got)): p.read_bytes() for p in got.rglob("*.png")} == dataset.blobs
        first, second, *_ = sorted(got.rglob("*.png"))
        first.unlink()
        second.write_bytes(b"mine")
        job = asker.job(asker.post("download", view=view, folder="got")["number"])
        assert job["result"]["outcomes"] == {"came": 1, "there": 5, "conflict": 1}
        assert second.read_bytes() == b"mine"
        assert hashlib.md5(first.read_bytes()).digest() in dataset.md5s.values()
        assert "conflict" in (got / "laden-downloads.csv").read_text()
        for folder in ("", "got/laden-downloads.csv", "~nobody-here/x"):
            assert asker.refused("POST", "download", view=view, folder=folder)[0] == 400


def test_damaged_members_of_a_source_are_never_brought(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3}, corrupt=1)
    with explored(str(dataset.folder)) as asker:
        view = asker.post("view", find=".png")["view"]
        job = asker.job(asker.post("download", view=view, folder="got")["number"])
        assert job["result"]["outcomes"] == {"came": 2, "damaged": 1}
        checked = asker.job(asker.post("check")["number"])
        assert checked["state"] == "done"
        assert asker.refused("POST", "verify")[0] == 400


def test_verify_is_begun_and_watched(asker: Asker, place: str, emulator: Emulator, dataset: Dataset) -> None:
    name = next(iter(dataset.blobs))
    with client(emulator, place) as container:
        container.delete_blob(name)
    job = asker.job(asker.post("verify")["number"])
    assert job["state"] == "done"
    (kind,) = [one for one in job["findings"] if one["code"] == "blob-deleted"]
    assert kind["count"] == 1
    assert kind["examples"][0]["blob"] == name
    assert kind["advice"]


def test_a_sas_that_ends_while_somebody_browses_is_a_sentence(place: str, emulator: Emulator) -> None:
    with explored(f"{place}?{sas(emulator, place, 'rl')}") as asker:
        name = asker.names(asker.post("view", folder="png/"))[0]
        assert asker.raw("GET", f"/api/pixels?name={name}")[0] == 200
        with client(emulator, place) as container:
            container.delete_container()
        status, told = asker.refused("GET", "pixels", name=name)
        assert status in (403, 404, 502)
        assert "sig=" not in told
        assert asker.get("status")["items"] > 0


def test_the_account_shows_its_containers_and_marks_loads(dataset: Dataset, emulator: Emulator) -> None:
    # Of containers of other tests there may be more than are marked; this one's name comes first.
    place = emulator.url(f"0-{uuid.uuid4().hex}")
    begin(dataset.folder, place, archives="0,1")
    account = place.rpartition("/")[0]
    with exploring(account) as asker:
        asker.sign_in()
        found = {one["name"]: one for one in asker.get("containers")["containers"]}
        mine = found[place.rpartition("/")[2]]
        assert mine["load"] is True
        asker.post("open", container=mine["name"])
        assert asker.ready()["place"]["title"] == place
        assert asker.refused("POST", "open", container="No Such Name")[0] == 400


def test_what_cannot_be_opened_is_told_before_anything_is_served(tmp_path: Path, container: str) -> None:
    with pytest.raises(UsageError), exploring(str(tmp_path / "nothing")):
        pass
    with pytest.raises(UsageError), exploring("https://x.blob.core.windows.net/UPPER"):
        pass
    with pytest.raises(AccessDenied), exploring(f"{container}?sv=2023-11-03&sp=w&sig=x&se=2100-01-01&sr=c"):
        pass
