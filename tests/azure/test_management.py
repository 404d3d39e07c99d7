"""The stand-in for Resource Manager: it answers as the service does, and its judge does reject."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.mgmt.storage import StorageManagementClient

from tests.support.management import Judge, Management, freeze, identity, tally
from tests.support.management.judge import COMMON, FROZEN, full_schemas
from tests.support.management.server import GROUP, SUBSCRIPTION

ACCOUNT = {
    "sku": {"name": "Standard_LRS"},
    "kind": "StorageV2",
    "location": "westeurope",
    "properties": {"minimumTlsVersion": "TLS1_2"},
}
API = "2026-04-01"
SCOPE = "https://management.azure.com"


class Signed:
    """A credential that holds one token."""

    def __init__(self, resource: str = SCOPE, life_s: int = 3600) -> None:
        self._token = identity.token(resource, life_s=life_s)

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def opened(azure: Management, credential: Any = None) -> StorageManagementClient:
    return StorageManagementClient(
        credential or Signed(),
        SUBSCRIPTION,
        base_url=azure.url,
        api_version=API,
        credential_scopes=[f"{SCOPE}/.default"],
        connection_verify=str(azure.certificate.certificate),
        retry_total=0,
    )


@pytest.fixture
def client(azure: Management) -> Iterator[StorageManagementClient]:
    with opened(azure) as one:
        yield one


def rejected(before: int) -> int:
    """How many were rejected since; taken off the tally again, because they were meant to be."""
    count = tally["rejected"] - before
    tally["rejected"] -= count
    tally["rejected on purpose"] += count
    return count


def test_an_account_is_made_after_a_while(azure: Management, client: StorageManagementClient) -> None:
    azure.polls = 3
    made = client.storage_accounts.begin_create(GROUP, "padchest", ACCOUNT).result()
    assert made.properties.provisioning_state == "Succeeded"
    assert [method for method, path in azure.requests if "asyncoperations" in path] == ["GET"] * 4
    assert client.storage_accounts.get_properties(GROUP, "padchest").sku.name == "Standard_LRS"
    again = client.storage_accounts.check_name_availability(
        {"name": "padchest", "type": "Microsoft.Storage/storageAccounts"}
    )
    assert (again.name_available, again.reason) == (False, "AlreadyExists")


def test_the_judge_rejects_what_no_schema_allows(azure: Management, client: StorageManagementClient) -> None:
    before = tally["rejected"]
    wrong = {**ACCOUNT, "properties": {"minimumTlsVersion": "TLS9_9"}}
    with pytest.raises(HttpResponseError, match="InvalidRequestContent") as raised:
        client.storage_accounts.begin_create(GROUP, "padchest", wrong)
    assert raised.value.status_code == 400
    assert "TLS9_9" in str(raised.value)
    assert azure.resources == {}
    assert rejected(before) == 1


@pytest.mark.parametrize("folder", [pytest.param(None, id="whole"), pytest.param(FROZEN, id="frozen")])
@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("storageAccounts/padchest", ACCOUNT, ""),
        ("storageAccounts/pad-chest", ACCOUNT, "name"),
        ("storageAccounts/padchest", {**ACCOUNT, "kind": "Bucket"}, "kind"),
        ("storageAccounts/padchest", {**ACCOUNT, "sku": {}}, "sku"),
        ("storageAccounts/padchest", {**ACCOUNT, "properties": {"isHnsEnabled": "no"}}, "properties"),
        (
            "storageAccounts/padchest/blobServices/default/containers/c1b",
            {"properties": {"publicAccess": "All"}},
            "prop",
        ),
        ("storageAccounts/padchest/blobServices/default/containers/c1a", {"properties": {"publicAccess": "None"}}, ""),
    ],
)
def test_whole_schemas_and_extract_judge_alike(folder: Any, path: str, body: Any, wrong: str) -> None:
    judge = Judge(folder or full_schemas() or FROZEN, Counter())
    found = judge.resource(
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/{path}", API, body
    )
    assert bool(found) is bool(wrong)
    assert all(text.startswith(wrong) for text in found)


def test_the_extract_is_what_microsoft_published() -> None:
    source = full_schemas()
    if source is None:
        pytest.skip("the whole schemas are not here: RESOURCE_MANAGER_SCHEMAS names their folder")
    assert sorted(path.stem for path in FROZEN.glob("*.json")) == sorted([*freeze.WANTED, COMMON.removesuffix(".json")])
    for name, wanted in freeze.WANTED.items():
        whole = json.loads((source / f"{name}.json").read_text("utf-8"))
        assert (FROZEN / f"{name}.json").read_text("utf-8") == freeze.text(freeze.extract(whole, wanted))
    assert json.loads((FROZEN / COMMON).read_text("utf-8")) == json.loads((source / COMMON).read_text("utf-8"))


def test_what_azure_refuses_is_refused(azure: Management, client: StorageManagementClient) -> None:
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        client.storage_accounts.begin_create("nowhere", "padchest", ACCOUNT)
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        client.storage_accounts.get_properties(GROUP, "padchest")
    azure.taken.add("padchest")
    with pytest.raises(HttpResponseError, match="StorageAccountAlreadyTaken"):
        client.storage_accounts.begin_create(GROUP, "padchest", ACCOUNT)
    azure.forbidden.add("Microsoft.Storage/storageAccounts/write")
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        client.storage_accounts.begin_create(GROUP, "other", ACCOUNT)


def test_an_operation_can_fail(azure: Management, client: StorageManagementClient) -> None:
    azure.failure = ("RequestDisallowedByPolicy", "A policy forbids it.")
    with pytest.raises(HttpResponseError, match="RequestDisallowedByPolicy"):
        client.storage_accounts.begin_create(GROUP, "padchest", ACCOUNT).result()
    assert azure.resources == {}


@pytest.mark.parametrize(
    "credential", [Signed("https://storage.azure.com"), Signed(life_s=-1)], ids=["wrong audience", "expired"]
)
def test_a_token_that_is_not_for_it_is_refused(azure: Management, credential: Signed) -> None:
    with opened(azure, credential) as client, pytest.raises(ClientAuthenticationError):
        client.storage_accounts.get_properties(GROUP, "padchest")
