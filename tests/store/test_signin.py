"""Who is signed in: azure-identity's real chain, asked at a managed identity's endpoint, and its failures."""

import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from azure.identity import AzureAuthorityHosts
from azure.mgmt.core.tools import get_arm_endpoints

from laden.store.clouds import _CLOUDS, find_cloud
from laden.store.signin import STORAGE_SCOPE, SignIn, _why, trust
from laden.values.errors import AccessDenied, UsageError
from tests.support.harness import run
from tests.support.management import Management, identity

SECRET = "c2VjcmV0LW9mLWEtc2VydmljZS1wcmluY2lwYWw"


@pytest.fixture
def signed_in(azure: Management, monkeypatch: pytest.MonkeyPatch) -> Management:
    for name, value in azure.env.items():
        monkeypatch.setenv(name, value)
    return azure


@pytest.mark.usefixtures("signed_in")
def test_a_managed_identity_gives_tokens() -> None:
    with SignIn() as someone:
        assert someone.get_token(STORAGE_SCOPE).token.count(".") == 2
        claims = someone.claims("https://management.azure.com/.default")
    assert (claims["oid"], claims["aud"]) == (identity.OBJECT_ID, "https://management.azure.com")


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.e30x.c", ""])
def test_a_token_that_says_nothing_is_no_trouble(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")

    class Given:
        def __init__(self) -> None:
            self.token = token

    with SignIn() as someone:
        monkeypatch.setattr(someone, "get_token", lambda *_: Given())
        assert someone.claims("scope") == {}


def test_nobody_is_signed_in(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")
    monkeypatch.setenv("PATH", "")
    with SignIn() as someone, pytest.raises(AccessDenied) as raised:
        someone.get_token(STORAGE_SCOPE)
    told = str(raised.value)
    for word in ("run 'az login'", "AZURE_CLIENT_SECRET", "managed identity", "(tried: ", "az login, Azure PowerShell"):
        assert word in told
    assert "\n" not in told
    assert "http" not in told
    assert capfd.readouterr() == ("", "")
    assert raised.value.exit_code == 4


def test_azure_identity_prints_nothing_of_its_own() -> None:
    ran = run("account", "show", "padchest", env={"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"})
    assert ran.code == 4
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("laden account show: nobody is signed in to Azure here (tried: environment): run")


def test_what_entra_refuses_is_told_with_its_code() -> None:
    story = (
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
        f"\tEnvironmentCredential: Authentication failed: AADSTS7000215: Invalid client secret '{SECRET}' provided.\n"
    )
    told = _why(story)
    assert "(environment, AADSTS7000215)" in told
    assert SECRET not in told


def test_a_managed_identity_that_fails_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", SECRET)
        with SignIn() as someone, pytest.raises(AccessDenied) as raised:
            someone.get_token(STORAGE_SCOPE)
        server.shutdown()
        thread.join()
    assert SECRET not in str(raised.value)
    assert "managed identity" in str(raised.value)


def test_a_setting_that_is_not_valid_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "Nonsense")
    with pytest.raises(UsageError, match="AZURE_"):
        SignIn()


def test_the_clouds_are_those_of_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core import AzureClouds

    authorities = {
        "AZURE_PUBLIC_CLOUD": AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
        "AZURE_US_GOVERNMENT": AzureAuthorityHosts.AZURE_GOVERNMENT,
        "AZURE_CHINA_CLOUD": AzureAuthorityHosts.AZURE_CHINA,
    }
    assert set(_CLOUDS) == {cloud.name for cloud in AzureClouds}
    for name, cloud in _CLOUDS.items():
        endpoints = get_arm_endpoints(AzureClouds(name))
        monkeypatch.setenv("AZURE_SDK_CLOUD_CONF", name)
        assert find_cloud() is cloud
        assert cloud.authority == authorities[name]
        assert cloud.resource_manager == endpoints["resource_manager"].rstrip("/")
        assert [cloud.scope] == endpoints["credential_scopes"]
    monkeypatch.setenv("AZURE_SDK_CLOUD_CONF", "AzureCloud")
    with pytest.raises(UsageError, match="AZURE_US_GOVERNMENT"):
        find_cloud()


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [
        ({}, {}),
        ({"SSL_CERT_FILE": "a"}, {"connection_verify": "a"}),
        ({"SSL_CERT_FILE": "a", "REQUESTS_CA_BUNDLE": "b"}, {}),
    ],
)
def test_one_setting_of_certificates_does_for_all(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], trusted: dict[str, str]
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert trust() == trusted


def test_the_library_s_logger_stays_quiet() -> None:
    SignIn().close()
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("azure").handlers)
