"""Azure Blob Storage as a store: the contract against Azurite, every kind of SAS, and its refusals."""

import asyncio
import datetime as dt
import os
import subprocess
import sys
import traceback
import urllib.parse
from pathlib import Path

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)

from laden.demo.emulator import Emulator
from laden.store import CREATE_ONLY, Store, open_store, parse_destination
from laden.store.blob import BlobStore
from laden.store.credentials import find_credential
from laden.values.errors import AccessDenied, BlobConflict, LadenError, UsageError
from tests.conftest import EMULATOR_API_VERSION
from tests.contracts.store import StoreContract, listed, md5, properties
from tests.demo.test_emulator import self_signed

HOUR = dt.timedelta(hours=1)
LOAD_NEEDS = "rcwl"


def blob_store(place: str) -> BlobStore:
    destination = parse_destination(place)
    return BlobStore(destination, find_credential(destination))


class TestAzurite(StoreContract):
    @pytest.fixture
    def place(self, container: str) -> str:
        return container

    def open(self, place: str) -> Store:
        return blob_store(place)


@pytest.fixture
def account_sas(emulator):
    def make(permission=LOAD_NEEDS, *, start=-HOUR, end=HOUR, key=emulator.key, **more):
        now = dt.datetime.now(dt.UTC)
        allowed = AccountSasPermissions.from_string(permission)
        types = ResourceTypes(container=True, object=True)
        return generate_account_sas(emulator.account, key, types, allowed, now + end, start=now + start, **more)

    return make


@pytest.fixture
def container_sas(emulator, container):
    def make(permission=LOAD_NEEDS, *, start=-HOUR, end=HOUR, key=emulator.key, **more):
        now = dt.datetime.now(dt.UTC)
        return generate_container_sas(
            emulator.account,
            container.rpartition("/")[2],
            key,
            permission=ContainerSasPermissions.from_string(permission) if permission else None,
            expiry=now + end if permission else None,
            start=now + start if permission else None,
            **more,
        )

    return make


async def everything_load_needs(place: str) -> None:
    """List, create, find a conflict, compare, replace, blocks, read back: what a load and its proof ask for."""
    store = blob_store(place)
    try:
        assert await listed(store) == []
        await store.put("a", b"old", properties(b"old", v="1"), CREATE_ONLY)
        with pytest.raises(BlobConflict):
            await store.put("a", b"new", properties(b"new"), CREATE_ONLY)
        [blob] = await listed(store)
        assert blob == await store.head("a")
        await store.put("a", b"new", properties(b"new"), blob.etag)
        await store.put_block("big", "0000", b"block", md5(b"block"))
        await store.commit("big", ["0000"], properties(b"block"), CREATE_ONLY)
        assert await store.get("a", 0, 9) == b"new"
        assert [blob.md5 for blob in await listed(store)] == [md5(b"new"), md5(b"block")]
    finally:
        await store.close()


@pytest.mark.parametrize(
    "how", ["in the URL", "LADEN_SAS", "LADEN_SAS with ?", "LADEN_SAS as URL", "connection string"]
)
@pytest.mark.parametrize("kind", ["account", "container", "stored policy"])
def test_a_sas_that_reads_creates_writes_and_lists_is_enough(
    emulator, container, account_sas, container_sas, monkeypatch, how, kind
):
    sas = account_sas() if kind == "account" else container_sas()
    if kind == "stored policy":
        store_policy(emulator, container, "upload")
        sas = container_sas("", policy_id="upload")
    place = container
    if how == "in the URL":
        place = f"{container}?{sas}"
    elif how == "connection string":
        endpoint = container.rpartition("/")[0]
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"BlobEndpoint={endpoint};SharedAccessSignature={sas}")
    else:
        front = {"LADEN_SAS with ?": "?", "LADEN_SAS as URL": container + "?"}.get(how, "")
        monkeypatch.setenv("LADEN_SAS", f"{front}{sas}\n")
    # The emulator's well-known key would be found last: it must not be what lets the requests in.
    assert find_credential(parse_destination(place)).kind == "SAS"
    asyncio.run(everything_load_needs(place))


def store_policy(emulator, container: str, name: str) -> None:
    from azure.storage.blob import AccessPolicy

    now = dt.datetime.now(dt.UTC)
    policy = AccessPolicy(ContainerSasPermissions.from_string(LOAD_NEEDS), now + HOUR, now - HOUR)
    client = ContainerClient.from_container_url(container, emulator.key, api_version=EMULATOR_API_VERSION)
    with client:
        client.set_container_access_policy({name: policy})


@pytest.mark.parametrize("how", ["emulator", "AZURE_STORAGE_KEY", "connection string"])
def test_an_account_key_is_enough(emulator, container, monkeypatch, how):
    if how == "AZURE_STORAGE_KEY":
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", emulator.account)
        monkeypatch.setenv("AZURE_STORAGE_KEY", emulator.key)
    elif how == "connection string":
        fields = f"DefaultEndpointsProtocol=http;AccountName={emulator.account};AccountKey={emulator.key};"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", fields)
    asyncio.run(everything_load_needs(container))


_OVER_HTTPS = """
import asyncio, datetime as dt, sys, time
import jwt
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient, generate_container_sas
from laden.store.credentials import Credential, Grant
from tests.store import test_blob as tests
from tests.conftest import EMULATOR_API_VERSION

url, certificate, how = sys.argv[1:]
now = int(time.time())
claims = {"iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/", "aud": "https://storage.azure.com",
          "iat": now - 9, "nbf": now - 9, "exp": now + 3600, "oid": "23657296-5cd5-45b0-a809-d972a7f4dfe1",
          "tid": "dd0d0df1-06c3-436c-8034-4b9a153097ce"}
token = jwt.encode(claims, "k" * 32, "HS256")

class SignedIn:
    def get_token(self, *scopes, **_):
        return AccessToken(token, now + 3600)

account, _, container = url.rpartition("/")
with BlobServiceClient(account, SignedIn(), api_version=EMULATOR_API_VERSION, connection_verify=certificate) as service:
    service.create_container(container)
    start, end = dt.datetime.now(dt.UTC) - tests.HOUR, dt.datetime.now(dt.UTC) + tests.HOUR
    key = service.get_user_delegation_key(start, end)
if how == "user delegation SAS":
    url += "?" + generate_container_sas("devstoreaccount1", container, user_delegation_key=key,
                                        permission=tests.LOAD_NEEDS, expiry=end, start=start)
else:
    tests.find_credential = lambda _: Credential("sign-in", lambda _: Grant("", f"Bearer {token}", now + 3600))
asyncio.run(tests.everything_load_needs(url))
print("done")
"""


@pytest.mark.parametrize("how", ["user delegation SAS", "bearer token"])
def test_signed_in_people_need_no_key(tmp_path, how):
    certificate, key = self_signed(tmp_path)
    with Emulator(https=(certificate, key)) as running:
        # A process of its own: certificates are read when the HTTP library is imported.
        done = subprocess.run(
            [sys.executable, "-c", _OVER_HTTPS, running.url("cont"), str(certificate), how],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "SSL_CERT_FILE": str(certificate)},
        )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


REQUESTS = {
    "list": lambda store: store.list_page(),
    "read": lambda store: store.head("a"),
    "get": lambda store: store.get("a", 0, 1),
    "write": lambda store: store.put("a", b"x", properties(b"x"), CREATE_ONLY),
    "block": lambda store: store.put_block("a", "0000", b"x", md5(b"x")),
    "commit": lambda store: store.commit("a", ["0000"], properties(b"x"), CREATE_ONLY),
    "delete": lambda store: store.delete("a"),
    "create": lambda store: store.create(),
}


def refused(place: str, request: str, secret: str) -> AccessDenied:
    """Make one request as load does, through the wrapper that repeats; the secret must be nowhere in its error."""

    async def work() -> None:
        store = open_store(parse_destination(place), connections=1)
        try:
            await REQUESTS[request](store)
        finally:
            await store.close()

    with pytest.raises(AccessDenied) as raised:
        asyncio.run(work())
    assert_silent(raised.value, secret)
    return raised.value


def assert_silent(error: LadenError, secret: str) -> None:
    shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
    for form in (secret, urllib.parse.unquote(secret), urllib.parse.quote(secret, safe="")):
        assert form not in shown
    assert str(error).count("\n") == 0


def signature(sas: str) -> str:
    return urllib.parse.parse_qs(sas)["sig"][0]


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("kind", ["account", "container"])
def test_an_expired_sas_is_told_with_its_times(container, account_sas, container_sas, kind, request_):
    make = account_sas if kind == "account" else container_sas
    sas = make(start=-3 * HOUR, end=-2 * HOUR)
    ended = (dt.datetime.now(dt.UTC) - 2 * HOUR).strftime("%Y-%m-%d %H:")
    error = refused(f"{container}?{sas}", request_, signature(sas))
    assert f"it ended at {ended}" in str(error)
    assert f"clock says {dt.datetime.now(dt.UTC):%Y-%m-%d }" in str(error)
    assert "make a new one" in str(error)


def test_a_sas_that_has_not_begun_is_told_with_its_times(container, container_sas):
    sas = container_sas(start=2 * HOUR, end=3 * HOUR)
    begins = (dt.datetime.now(dt.UTC) + 2 * HOUR).strftime("%Y-%m-%d %H:")
    assert f"it only begins at {begins}" in str(refused(f"{container}?{sas}", "list", signature(sas)))


@pytest.mark.parametrize("request_", ["write", "block", "commit"])
@pytest.mark.parametrize("kind", ["account", "container"])
def test_a_read_only_sas_is_told_at_the_first_put(container, account_sas, container_sas, kind, request_):
    sas = (account_sas if kind == "account" else container_sas)("rl")
    error = refused(f"{container}?{sas}", request_, signature(sas))
    assert "to write in" in str(error)
    assert "permission 'write'" in str(error)


@pytest.mark.parametrize("request_", ["list", "read", "get", "write"])
@pytest.mark.parametrize("kind", ["account", "container"])
def test_a_sas_that_lacks_one_permission_is_told_which(container, account_sas, container_sas, kind, request_):
    make = account_sas if kind == "account" else container_sas
    lacking = {"list": "l", "read": "r", "get": "r", "write": "wc"}[request_]
    sas = make("".join(letter for letter in LOAD_NEEDS if letter not in lacking))
    word = "read" if request_ == "get" else request_
    assert f"permission '{word}'" in str(refused(f"{container}?{sas}", request_, signature(sas)))


def test_a_container_s_own_sas_cannot_make_it_and_says_what_can(container, container_sas):
    sas = container_sas()
    error = refused(f"{container}?{sas}", "create", signature(sas))
    assert "cannot make it" in str(error)
    assert "az storage container create" in str(error)


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("change", ["key", "signature", "permission"])
def test_a_signature_that_is_not_right_is_told(container, container_sas, change, request_):
    sas = (
        container_sas("rl") if change == "permission" else container_sas(**({"key": "AAAA"} if change == "key" else {}))
    )
    if change == "signature":
        sas = sas.replace("sig=", "sig=Abc")
    if change == "permission":
        assert "sp=rl" in sas
        sas = sas.replace("sp=rl", "sp=rcwl")
    error = refused(f"{container}?{sas}", request_, signature(sas))
    assert "signature is not right" in str(error)
    assert "the SAS" in str(error)


def test_a_wrong_account_key_is_told(emulator, container, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", emulator.account)
    monkeypatch.setenv("AZURE_STORAGE_KEY", "d3Jvbmcga2V5")
    error = refused(container, "list", "d3Jvbmcga2V5")
    assert "refused the account key" in str(error)
    assert "check the key" in str(error)


def test_an_account_key_that_is_none_is_told(emulator, container, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", emulator.account)
    monkeypatch.setenv("AZURE_STORAGE_KEY", "half-of-a-key")
    with pytest.raises(UsageError, match="key is not valid") as raised:
        asyncio.run(everything_load_needs(container))
    assert_silent(raised.value, "half-of-a-key")


def test_a_sas_for_https_only_is_told(container, container_sas):
    sas = container_sas(protocol="https")
    assert "asks for https" in str(refused(f"{container}?{sas}", "list", signature(sas)))


def test_the_container_is_made_private(emulator, container):
    place = container + "-new"

    async def work() -> None:
        store = blob_store(place)
        try:
            assert await store.create()
        finally:
            await store.close()

    asyncio.run(work())
    with ContainerClient.from_container_url(place, emulator.key, api_version=EMULATOR_API_VERSION) as client:
        assert client.get_container_properties().public_access is None


def test_the_service_keeps_what_the_sdk_reads(emulator, container):
    async def work() -> None:
        store = blob_store(container)
        try:
            await store.put("a.png", b"bytes", properties(b"bytes", laden_size="5"), CREATE_ONLY)
            await store.put_block("b.png", "0000", b"bytes", md5(b"bytes"))
            await store.commit("b.png", ["0000"], properties(b"bytes", laden_size="5"), CREATE_ONLY)
        finally:
            await store.close()

    asyncio.run(work())
    with ContainerClient.from_container_url(container, emulator.key, api_version=EMULATOR_API_VERSION) as client:
        for name in ("a.png", "b.png"):
            kept = client.get_blob_client(name).get_blob_properties()
            assert kept.content_settings.content_type == "image/png"
            assert bytes(kept.content_settings.content_md5) == md5(b"bytes")
            assert kept.metadata == {"laden_size": "5"}
            assert kept.blob_type == "BlockBlob"
