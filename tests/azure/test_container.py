"""`laden container`: private always, and what anybody may read is said."""

import uuid

import pytest

from laden.azure.container import account_address
from laden.demo.emulator import Emulator
from laden.store.account import Privacy, _account_allows
from laden.store.destination import Destination
from laden.store.http import Answer
from laden.values.errors import UsageError
from tests.support.harness import client, run, sas


def fresh(emulator: Emulator) -> str:
    return emulator.url(f"made-{uuid.uuid4().hex}")


def test_a_container_is_made_private(emulator: Emulator) -> None:
    url = fresh(emulator)
    ran = run("container", "create", f"{url}/pre/fix", "--json")
    assert ran.code == 0, ran.out
    assert ran.events[0]["state"] == "created"
    assert ran.events[0]["facts"]["public"] == "nothing"
    with client(emulator, url) as opened:
        assert opened.get_container_access_policy()["public_access"] is None
    again = run("container", "create", url)
    assert again.code == 0
    assert "already there" in again.out


def test_one_that_anybody_can_read_is_no_success(emulator: Emulator) -> None:
    url = fresh(emulator)
    with client(emulator, url) as opened:
        opened.create_container(public_access="container")
    ran = run("container", "create", url)
    assert ran.code == 3
    assert "anybody can read" in ran.err
    assert "its account allows public containers" in ran.err


def test_a_containers_own_sas_cannot_make_it(emulator: Emulator) -> None:
    url = fresh(emulator)
    signature = sas(emulator, url)
    ran = run("container", "create", f"{url}?{signature}")
    assert ran.code == 4
    assert "a container's own SAS cannot make it" in ran.err
    assert signature.rpartition("sig=")[2] not in ran.out + ran.err


def test_a_folder_needs_none() -> None:
    ran = run("container", "create", "./folder")
    assert ran.code == 2
    assert "a folder needs no container" in ran.err


def test_the_list_tells_what_is_public(emulator: Emulator) -> None:
    names = {access: fresh(emulator) for access in ("", "blob", "container")}
    for access, url in names.items():
        with client(emulator, url) as opened:
            opened.create_container(public_access=access or None)
    ran = run("container", "list", emulator.url().rstrip("/"), "--json")
    assert ran.code == 0
    told = {event["facts"]["name"]: event["facts"]["public"] for event in ran.events if event["event"] == "shown"}
    for access, url in names.items():
        assert told[url.rpartition("/")[2]] == (access or "nothing")
    warned = next(event["message"] for event in ran.events if event["event"] == "warning")
    assert names["blob"].rpartition("/")[2] in warned
    assert names[""].rpartition("/")[2] not in warned
    for url in names.values():
        with client(emulator, url) as opened:
            opened.delete_container()


def test_a_containers_own_sas_cannot_list_the_others(emulator: Emulator, container: str) -> None:
    ran = run("container", "list", f"{emulator.url().rstrip('/')}?{sas(emulator, container)}")
    assert (ran.code, ran.out) == (4, "")
    assert "cannot list the others" in ran.err


def test_a_long_list_has_pages(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from laden.run.loop import run as finish
    from laden.store import parse_destination
    from laden.store.account import _containers, list_containers
    from laden.store.blob import BlobStore
    from laden.store.credentials import find_credential

    made = sorted(fresh(emulator) for _ in range(5))
    for url in made:
        with client(emulator, url) as opened:
            opened.create_container()
    asked: list[str] = []
    whole = BlobStore.request

    async def two_at_once(self: BlobStore, method: str, name: str, ok: tuple[int, ...], may: str, query: str) -> Answer:
        asked.append(query)
        return await whole(self, method, name, ok, may, f"{query}&maxresults=2")

    monkeypatch.setattr(BlobStore, "request", two_at_once)
    place = parse_destination(made[0])
    assert isinstance(place, Destination)
    found = finish(list_containers(place.endpoint, place.account, find_credential(place)))
    names = [container.name for container in found]
    assert len(asked) >= 3
    assert names == sorted(set(names))
    assert {url.rpartition("/")[2] for url in made} <= set(names)
    assert _containers(b"<EnumerationResults><Containers/></EnumerationResults>") == ([], "")


@pytest.mark.parametrize(
    ("typed", "endpoint", "account"),
    [
        ("padchest", "https://padchest.blob.core.windows.net", "padchest"),
        ("https://padchest.blob.core.windows.net", "https://padchest.blob.core.windows.net", "padchest"),
        ("https://padchest.blob.core.windows.net/", "https://padchest.blob.core.windows.net", "padchest"),
        ("https://padchest.blob.core.windows.net/some/where", "https://padchest.blob.core.windows.net", "padchest"),
        ("http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1"),
    ],
)
def test_an_account_may_be_typed_in_many_ways(typed: str, endpoint: str, account: str) -> None:
    found = account_address(typed)
    assert (found.endpoint, found.account) == (endpoint, account)
    assert account_address(f"https://{account}.blob.core.windows.net?sig=x").sas == "sig=x"


def test_an_account_of_another_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SDK_CLOUD_CONF", "AZURE_CHINA_CLOUD")
    assert account_address("padchest").endpoint == "https://padchest.blob.core.chinacloudapi.cn"


@pytest.mark.parametrize(
    "typed", ["", "Pad Chest", "./folder", "http://example.org", "https://a@b.blob.core.windows.net"]
)
def test_what_is_no_account_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        account_address(typed)


@pytest.mark.parametrize(
    ("status", "code", "public", "allows"),
    [
        (409, b"PublicAccessNotPermitted", "", False),
        (404, b"ResourceNotFound", "", True),
        (200, b"", "container", True),
        (403, b"AuthorizationFailure", "", None),
        (401, b"NoAuthenticationInformation", "", None),
    ],
)
def test_what_a_stranger_is_answered_tells_of_the_account(
    status: int, code: bytes, public: str, allows: bool | None
) -> None:
    answer = Answer(status, ((b"x-ms-error-code", code),), b"")
    assert Privacy(public, _account_allows(answer, public)).account_allows is allows
