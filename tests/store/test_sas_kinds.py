"""Every kind of SAS, made by laden and held against the emulator, which checks signatures, times and policies."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import (
    AccessPolicy,
    AccountSasPermissions,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    Services,
    generate_account_sas,
)

from laden.demo.emulator import Emulator
from tests.conftest import EMULATOR_API_VERSION
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import Ran, client, run
from tests.support.management import Management
from tests.support.management.certificate import make_certificate

ACCOUNT = "signedinacct"
ACCOUNT_KEY = base64.b64encode(b"the key of an account that nobody here knows").decode()


class EmulatorOfOthers(Emulator):
    """Azurite with an account whose key laden does not know, so that it takes a sign-in to use it."""

    def _command(self, installed: Path) -> list[str]:
        return ["env", f"AZURITE_ACCOUNTS={ACCOUNT}:{ACCOUNT_KEY}", *super()._command(installed)]

    def url(self, container: str = "") -> str:
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}/{container}"


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Emulator]]:
    folder = tmp_path_factory.mktemp("others")
    with EmulatorOfOthers(https=make_certificate(folder)) as running:
        yield folder, running


@pytest.fixture
def signed_in(others: tuple[Path, Emulator]) -> Iterator[dict[str, str]]:
    """The environment of somebody who is signed in, through a managed identity."""
    folder, running = others
    with Management(folder, running) as azure:
        yield {name: value for name, value in azure.env.items() if name != "AZURE_RESOURCE_MANAGER_URL"}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 3})


def loaded(dataset: Dataset, place: str, **env: str) -> Ran:
    return run("load", dataset.folder, place, "--yes", "--json", env=env)


def made(*arguments: object, **env: str) -> str:
    """The query string of a SAS that `laden sas` made."""
    ran = run("sas", *arguments, env=env)
    assert ran.code == 0, ran.err
    assert parse_qs(urlsplit(ran.out).query)["sig"][0] not in ran.err
    return urlsplit(ran.out.strip()).query


def tampered(query: str) -> str:
    """The same, with one more permission than was signed."""
    assert "sp=rcwl" in query
    return query.replace("sp=rcwl", "sp=rcwdl")


def test_a_user_delegation_sas(others: tuple[Path, Emulator], signed_in: dict[str, str], dataset: Dataset) -> None:
    place = others[1].url("delegated")
    by_token = loaded(dataset, place, **signed_in)
    assert by_token.code == 0, by_token.out + by_token.err
    query = made(place, **signed_in)
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    assert {"skoid", "sktid", "skt", "ske"} <= fields.keys()
    assert (fields["spr"], fields["sp"], fields["sr"]) == ("https", "rcwl", "c")
    trusted = {"SSL_CERT_FILE": signed_in["SSL_CERT_FILE"]}
    again = loaded(dataset, place, LADEN_SAS=query, **trusted)
    assert (again.code, again.summary["already_there"]) == (0, 3)
    verified = run("verify", place, "--json", "--deep", "all", env={"LADEN_SAS": query, **trusted})
    assert verified.code == 0
    refused = loaded(dataset, place, LADEN_SAS=tampered(query), **trusted)
    assert refused.code == 4
    assert "its signature is not right" in refused.summary["message"]
    assert fields["sig"] not in refused.out + refused.err


def test_the_longest_one_holds_no_longer_than_its_key(others: tuple[Path, Emulator], signed_in: dict[str, str]) -> None:
    fields = {
        name: values[0] for name, values in parse_qs(made(others[1].url("any"), "--hours", 168, **signed_in)).items()
    }
    start, end = (datetime.fromisoformat(fields[name]) for name in ("skt", "ske"))
    assert end - start <= timedelta(days=7)
    assert datetime.fromisoformat(fields["se"]) <= end


def test_over_plain_http_nobody_signs_in() -> None:
    ran = run("sas", "http://127.0.0.1:1/someone/cont")
    assert ran.code == 2
    assert "https" in ran.err


def test_a_service_sas(container: str, dataset: Dataset) -> None:
    query = made(container, "--hours", 1)
    assert loaded(dataset, container, LADEN_SAS=query).code == 0
    refused = loaded(dataset, container, LADEN_SAS=tampered(query))
    assert refused.code == 4
    assert "its signature is not right" in refused.summary["message"]


def account_sas(emulator: Emulator, life_s: float, letters: str = "rwlc") -> str:
    now = datetime.now(UTC)
    return generate_account_sas(
        emulator.account,
        emulator.key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions.from_string(letters),
        expiry=now + timedelta(seconds=life_s),
        start=now - timedelta(hours=1),
        services=Services(blob=True),
    )


def test_an_account_sas(emulator: Emulator, container: str, dataset: Dataset) -> None:
    assert loaded(dataset, container, LADEN_SAS=account_sas(emulator, 600)).code == 0
    over = loaded(dataset, container, LADEN_SAS=account_sas(emulator, -600))
    assert over.code == 4
    assert "it ended at" in over.summary["message"]
    lacking = loaded(dataset, container, LADEN_SAS=account_sas(emulator, 600, "rw"))
    assert lacking.code == 4
    assert "it lacks 'list' (l)" in lacking.summary["message"]


def policies(emulator: Emulator, container: str) -> dict[str, AccessPolicy]:
    with client(emulator, container) as opened:
        found = opened.get_container_access_policy()["signed_identifiers"]
    return {identifier.id: identifier.access_policy for identifier in found}


def set_policies(emulator: Emulator, container: str, **wanted: AccessPolicy) -> None:
    with client(emulator, container) as opened:
        opened.set_container_access_policy(dict(wanted))


def policy(permission: str = "rl", hours: float = 5) -> AccessPolicy:
    now = datetime.now(UTC)
    return AccessPolicy(ContainerSasPermissions.from_string(permission), now + timedelta(hours=hours), now)


def test_a_stored_policy_is_made_used_and_revoked(emulator: Emulator, container: str, dataset: Dataset) -> None:
    set_policies(emulator, container, other=policy())
    before = policies(emulator, container)["other"]
    ran = run("sas", container, "--policy", "load-1", "--hours", 2)
    assert ran.code == 0, ran.err
    assert "was made for it" in ran.err
    assert "az storage container policy delete" in ran.err
    query = urlsplit(ran.out.strip()).query
    assert {"sp", "se"} & parse_qs(query).keys() == set(), "the policy says it"
    there = policies(emulator, container)
    assert there.keys() == {"other", "load-1"}
    assert (there["other"].permission, there["other"].expiry) == (before.permission, before.expiry)
    assert set(there["load-1"].permission) == set("rcwl")
    assert loaded(dataset, container, LADEN_SAS=query).code == 0

    set_policies(emulator, container, other=policy())
    revoked = loaded(dataset, container, LADEN_SAS=query)
    assert revoked.code == 4
    assert "stored access policy 'load-1' has ended or is gone" in revoked.summary["message"]


def test_a_policy_that_is_there_says_what_is_allowed(emulator: Emulator, container: str, dataset: Dataset) -> None:
    set_policies(emulator, container, readers=policy("rl"))
    for option in (["--hours", 1], ["--permissions", "rcwl"]):
        ran = run("sas", container, "--policy", "readers", *option)
        assert (ran.code, ran.out) == (2, "")
        assert f"leave out {option[0]}" in ran.err
    ran = run("sas", container, "--policy", "readers")
    assert ran.code == 0
    assert "was there" in ran.err
    assert "Not enough for a load: it lacks 'write' (w)" in ran.err
    assert policies(emulator, container).keys() == {"readers"}
    refused = loaded(dataset, container, LADEN_SAS=urlsplit(ran.out.strip()).query)
    assert refused.code == 4
    assert "policy 'readers' does not let it: give the policy the permission 'write' (w)" in refused.summary["message"]


def test_a_container_has_five_policies_at_most(emulator: Emulator, container: str) -> None:
    set_policies(emulator, container, **{f"p{number}": policy() for number in range(5)})
    ran = run("sas", container, "--policy", "sixth")
    assert ran.code == 2
    assert "p0, p1, p2, p3, p4" in ran.err


def test_a_policy_of_a_container_that_is_not_there(emulator: Emulator) -> None:
    ran = run("sas", emulator.url("not-there"), "--policy", "p")
    assert ran.code == 2
    assert "there is no container 'not-there'" in ran.err


def test_a_policy_with_a_wrong_key_is_told(emulator: Emulator, container: str) -> None:
    wrong = base64.b64encode(b"another key").decode()
    env = {"AZURE_STORAGE_ACCOUNT": emulator.account, "AZURE_STORAGE_KEY": wrong}
    ran = run("sas", container, "--policy", "p", env=env)
    assert ran.code == 4
    assert wrong not in ran.err
    assert "Traceback" not in ran.err


def test_a_policy_keeps_public_access_as_it_was(emulator: Emulator, container: str) -> None:
    credential = AzureNamedKeyCredential(emulator.account, emulator.key)
    with ContainerClient.from_container_url(container, credential, api_version=EMULATOR_API_VERSION) as opened:
        opened.set_container_access_policy({}, public_access="blob")
        made(container, "--policy", "p")
        assert opened.get_container_access_policy()["public_access"] == "blob"
