"""`laden account`: the official clients against Resource Manager's stand-in, and the role against the Blob service."""

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from laden.azure import account as accounts
from laden.azure.clients import Session, resource_manager, session
from laden.azure.role import CONTRIBUTOR, assign_role
from laden.values.errors import AccessDenied, LadenError, StoreError, UsageError
from tests.support.harness import run
from tests.support.management import Management, tally
from tests.support.management.authorization import assignments
from tests.support.management.identity import OBJECT_ID
from tests.support.management.server import GROUP, SUBSCRIPTION
from tests.support.management.storage import NAME_READ, PROVIDERS_READ

ARGUMENTS = ("--resource-group", GROUP, "--location", "West Europe")
EMULATED = "devstoreaccount1"


def enter(azure: Management, monkeypatch: pytest.MonkeyPatch) -> Management:
    for name, value in azure.env.items():
        monkeypatch.setenv(name, value)
    return azure


@pytest.fixture
def here(azure: Management, monkeypatch: pytest.MonkeyPatch) -> Management:
    """This process is signed in."""
    return enter(azure, monkeypatch)


@pytest.fixture
def blobs_here(cloud: Management, monkeypatch: pytest.MonkeyPatch) -> Management:
    """This process is signed in, and the account `devstoreaccount1` will have blobs."""
    return enter(cloud, monkeypatch)


def ignore(_: str, __: float) -> None:
    pass


def made(opened: Session, name: str = "padchest", location: str = "westeurope") -> accounts.Account:
    return accounts.create(opened, name, GROUP, location, waiting=ignore)[0]


def puts(azure: Management) -> list[Any]:
    return [body for method, path, body in azure.bodies if method == "PUT" and "storageAccounts" in path]


def test_an_account_is_made_with_safe_defaults(azure: Management) -> None:
    azure.polls = 3
    ran = run("account", "create", "padchest", *ARGUMENTS, env=azure.env)
    assert ran.code == 0, ran.err
    assert puts(azure) == [
        {
            "kind": "StorageV2",
            "location": "westeurope",
            "sku": {"name": "Standard_LRS"},
            "properties": {
                "minimumTlsVersion": "TLS1_2",
                "supportsHttpsTrafficOnly": True,
                "allowBlobPublicAccess": False,
                "isHnsEnabled": False,
            },
        }
    ]
    assert "account padchest: created" in ran.out
    assert "https://padchest.blob.core.windows.net" in ran.out
    assert ran.err == "Creating padchest\n", "progress, and nothing to be concerned of"
    assert [path for method, path in azure.requests if path.endswith("checkNameAvailability")]


def test_an_account_that_is_there_is_left_as_it_is(azure: Management) -> None:
    key = azure.resource_id("Microsoft.Storage/storageAccounts/padchest")
    theirs = {
        "id": key,
        "name": "padchest",
        "type": "Microsoft.Storage/storageAccounts",
        "kind": "StorageV2",
        "location": "eastus",
        "sku": {"name": "Standard_RAGRS"},
        "properties": {
            "minimumTlsVersion": "TLS1_0",
            "supportsHttpsTrafficOnly": False,
            "allowBlobPublicAccess": True,
            "allowSharedKeyAccess": False,
            "isHnsEnabled": True,
            "networkAcls": {"defaultAction": "Deny"},
            "sasPolicy": {"sasExpirationPeriod": "1.00:00:00", "expirationAction": "Block"},
            "primaryEndpoints": {"blob": "https://padchest.blob.core.windows.net/"},
        },
    }
    azure.resources[key.lower()] = json.loads(json.dumps(theirs))
    ran = run("account", "create", "padchest", *ARGUMENTS, "--json", env=azure.env)
    assert ran.code == 0
    shown = ran.events[0]
    assert shown["state"] == "already there, left as it is"
    assert (shown["facts"]["sku"], shown["facts"]["location"]) == ("Standard_RAGRS", "eastus")
    assert puts(azure) == []
    assert azure.resources[key.lower()] == theirs
    warned = " ".join(event["message"] for event in ran.events if event["event"] == "warning")
    for words in (
        "made public",
        "without TLS",
        "older than 1.2",
        "hierarchical",
        "chosen networks",
        "no account keys",
        "1.00:00:00",
    ):
        assert words in warned


def test_show_finds_it_in_any_group(azure: Management) -> None:
    run("account", "create", "padchest", *ARGUMENTS, env=azure.env)
    for options in ((), ("-g", GROUP)):
        ran = run("account", "show", "padchest", *options, env=azure.env)
        assert ran.code == 0
        assert "Standard_LRS" in ran.out
    for options in ((), ("-g", GROUP)):
        ran = run("account", "show", "other", *options, env=azure.env)
        assert (ran.code, ran.out) == (2, "")
        assert "there is no storage account 'other'" in ran.err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["ab", "a" * 25, "Pad", "pad-chest", "pädchest", "", "pad chest"])
def test_a_name_that_cannot_be_is_refused_before_anything_is_asked(here: Management, name: str) -> None:
    with session() as opened, pytest.raises(UsageError, match="3 to 24"):
        made(opened, name)
    assert here.requests == []


def test_a_name_that_is_taken_is_told(here: Management) -> None:
    here.taken.add("padchest")
    with session() as opened:
        with pytest.raises(UsageError, match="taken by somebody else in the world"):
            made(opened)
        theirs = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Other/providers/Microsoft.Storage/storageAccounts/mine"
        here.resources[theirs.lower()] = {
            "id": theirs,
            "name": "mine",
            "type": "Microsoft.Storage/storageAccounts",
            "location": "eastus",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {},
        }
        with pytest.raises(UsageError, match="in the resource group Other already"):
            made(opened, "mine")
    assert puts(here) == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("location", "near"), [("West Urope", "westeurope"), ("mars", ""), ("", "")])
def test_a_location_that_is_none_is_told(location: str, near: str) -> None:
    with session() as opened, pytest.raises(UsageError, match="is no location") as raised:
        made(opened, location=location)
    assert near in str(raised.value)


def registration(azure: Management) -> None:
    azure.registered.clear()


def rights(action: str) -> Any:
    return lambda azure: azure.forbidden.add(action)


def policy(azure: Management) -> None:
    azure.failure = ("RequestDisallowedByPolicy", "Resource was disallowed. Reasons: a tag.")


def quota(azure: Management) -> None:
    azure.failure = ("MaxStorageAccountsCountPerSubscriptionExceeded", "Subscription already has 250 accounts. Ask.")


def tenant(azure: Management) -> None:
    azure.subscriptions.clear()


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        (registration, UsageError, "az provider register --namespace Microsoft.Storage --wait"),
        (rights("Microsoft.Storage/storageAccounts/write"), AccessDenied, "Storage Account Contributor"),
        (rights("Microsoft.Storage/storageAccounts/read"), AccessDenied, "Microsoft.Storage/storageAccounts/read"),
        (policy, AccessDenied, "a policy of your organisation forbids it"),
        (quota, StoreError, "already has 250 accounts (MaxStorageAccounts"),
        (tenant, UsageError, "the subscription cannot be found"),
    ],
)
def test_what_azure_refuses_is_one_sentence(here: Management, trouble: Any, kind: type[LadenError], words: str) -> None:
    trouble(here)
    with session() as opened, pytest.raises(kind) as raised:
        made(opened)
    told = str(raised.value)
    assert words in told
    assert "\n" not in told
    assert type(raised.value) is kind
    assert not any("register" in path for method, path in here.requests if method == "POST"), (
        "nothing behind one's back"
    )


def test_a_role_in_the_group_alone_is_enough(here: Management) -> None:
    here.forbidden |= {PROVIDERS_READ, NAME_READ}
    with session() as opened:
        assert made(opened).location == "westeurope"
        here.taken.add("other")
        with pytest.raises(UsageError, match="somebody else has an account of that name"):
            made(opened, "other")
        with pytest.raises(UsageError, match="'mars' is not available"):
            made(opened, "third", "mars")
        here.registered.clear()
        here.forbidden.add("*/register/action")
        with pytest.raises(UsageError, match="az provider register --namespace"):
            made(opened, "third")


@pytest.mark.usefixtures("here")
def test_a_resource_group_that_is_not_there_is_told() -> None:
    with session() as opened, pytest.raises(UsageError, match="az group create"):
        accounts.create(opened, "padchest", "nowhere", "westeurope", waiting=ignore)


def test_nobody_answers(here: Management, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setenv("SSL_CERT_FILE", "")
    with session() as opened:
        opened.storage._config.retry_policy.total_retries = 0
        with pytest.raises(StoreError, match="cannot be reached"):
            made(opened)
    assert here.requests == []


def test_the_role_is_given_and_waited_for(cloud: Management) -> None:
    cloud.replication_refusals = 3
    ran = run("account", "create", EMULATED, *ARGUMENTS, "--assign-role", env=cloud.env)
    assert ran.code == 0, ran.err
    scope = cloud.resource_id(f"Microsoft.Storage/storageAccounts/{EMULATED}")
    (key,) = assignments(cloud, scope, CONTRIBUTOR, OBJECT_ID)
    assert cloud.resources[key]["properties"]["principalType"] == "ServicePrincipal"
    assert uuid.UUID(cloud.resources[key]["name"])
    assert cloud.replication_refusals < 0, "it was asked until it worked"
    assert "Waiting until the role works" in ran.err
    assert "role Storage Blob Data Contributor: works" in ran.out
    again = run("account", "create", EMULATED, *ARGUMENTS, "--assign-role", env=cloud.env)
    assert again.code == 0, "a role that is there is no error"


def test_a_person_is_given_the_role_as_one(blobs_here: Management) -> None:
    blobs_here.user = True
    with session() as opened:
        account = made(opened, EMULATED)
        assert assign_role(opened, account, waiting=ignore) == OBJECT_ID
    (key,) = assignments(blobs_here, account.id, CONTRIBUTOR, OBJECT_ID)
    assert blobs_here.resources[key]["properties"]["principalType"] == "User"


def test_a_role_that_does_not_come_is_told(blobs_here: Management) -> None:
    blobs_here.replication_refusals = 1000
    told: list[str] = []
    with session() as opened:
        account = made(opened, EMULATED)
        with pytest.raises(AccessDenied, match=r"does not work after \d+ s"):
            assign_role(opened, account, waiting=lambda what, _: told.append(what), limit_s=1.5)
    assert told
    assert blobs_here.replication_refusals < 1000


def test_a_role_that_may_not_be_given_is_told(blobs_here: Management) -> None:
    blobs_here.forbidden.add("Microsoft.Authorization/roleAssignments/write")
    with session() as opened:
        account = made(opened, EMULATED)
        with pytest.raises(AccessDenied, match="Role Based Access Control Administrator or Owner"):
            assign_role(opened, account, waiting=ignore)


def az_default(subscription: str) -> None:
    folder = Path("~/.azure").expanduser()
    folder.mkdir()
    profile = {"subscriptions": [{"id": str(uuid.uuid4())}, {"id": subscription, "isDefault": True}]}
    (folder / "azureProfile.json").write_text(json.dumps(profile), "utf-8-sig")


def test_the_order_in_which_a_subscription_is_found(here: Management, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, az = str(uuid.uuid4()), str(uuid.uuid4())
    az_default(az)
    with session(asked) as opened:
        assert opened.subscription == asked
    with session() as opened:
        assert opened.subscription == SUBSCRIPTION, "AZURE_SUBSCRIPTION_ID"
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID")
    with session() as opened:
        assert opened.subscription == az
    monkeypatch.setenv("AZURE_CONFIG_DIR", "/nowhere")
    with session() as opened:
        assert opened.subscription == SUBSCRIPTION, "the only one"
    here.subscriptions.append({"subscriptionId": az, "displayName": "Off", "state": "Disabled"})
    with session() as opened:
        assert opened.subscription == SUBSCRIPTION, "the only one that can be used"
    here.subscriptions.append({"subscriptionId": asked, "displayName": "Teaching", "state": "Enabled"})
    with pytest.raises(UsageError, match=r"2 subscriptions.*Teaching"), session():
        pass
    here.subscriptions.clear()
    with pytest.raises(AccessDenied, match="sees no subscription"), session():
        pass
    with pytest.raises(UsageError, match="az account list"), session("Research"):
        pass


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080", "https://user:pw@example.org", "https://", "ftp://x", "https://[::1"]
)
def test_resource_manager_is_only_asked_over_tls(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", address)
    with pytest.raises(UsageError, match="https://"):
        resource_manager()


def test_other_clouds_have_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resource_manager().resource_manager == "https://management.azure.com"
    monkeypatch.setenv("AZURE_SDK_CLOUD_CONF", "AZURE_US_GOVERNMENT")
    assert resource_manager().resource_manager == "https://management.usgovcloudapi.net"
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", "https://management.local.azurestack.external/")
    assert resource_manager().resource_manager == "https://management.local.azurestack.external"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("module", ["azure.mgmt.storage", "azure.mgmt"])
def test_without_the_extra_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    for name in [name for name in sys.modules if name.startswith("azure.mgmt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=r"pip install 'laden\[azure\]'"), session() as opened:
        assert opened.storage


def test_what_is_sent_is_well_formed(here: Management) -> None:
    before = dict(tally)
    with session() as opened:
        made(opened)
    assert tally["judged"] > before.get("judged", 0)
    assert tally["rejected"] == before.get("rejected", 0) == 0
    assert here.resources
