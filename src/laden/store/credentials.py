"""Who laden is to the service: found in a fixed order, turned into a query or a header for each request.

Order: a SAS in the URL, `LADEN_SAS`, `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_KEY`, the emulator's public
key on this machine, azure-identity's default chain. An account key never travels: it signs short account SAS
tokens, made anew before they end. Bearer tokens renew themselves the same way. Nothing here is ever printed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from laden.errors import AccessDenied, UsageError
from laden.store.destination import Destination

EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known key of every storage emulator (Azurite's README, "Default Storage Account"); no secret."""

_SAS_LIFE_S = 12 * 3600
_CLOCK_SKEW_S = 15 * 60
_TOKEN_SCOPE = "https://storage.azure.com/.default"  # noqa: S105 - a scope, not a secret


class Grant(NamedTuple):
    """What to add to a request, and until when it holds."""

    query: str
    """SAS query string; empty for a bearer token."""
    header: str
    """Value of `Authorization`; empty for a SAS."""
    expires_s: float
    """Unix time; infinity where laden cannot renew it anyway."""


class Credential:
    """Gives the grant of the moment; renews it in a thread five minutes before it ends."""

    def __init__(self, kind: str, renew: Callable[[], Grant]) -> None:
        self.kind = kind
        """For people: `SAS`, `account key`, `sign-in`."""
        self._renew = renew
        self._grant: Grant | None = None
        self._lock = asyncio.Lock()

    async def grant(self) -> Grant:
        """Raises `AccessDenied` when nobody is signed in."""
        if self._grant is None or time.time() > self._grant.expires_s - 300:
            async with self._lock:
                if self._grant is None or time.time() > self._grant.expires_s - 300:
                    self._grant = await asyncio.to_thread(self._renew)
        return self._grant


def find_credential(destination: Destination) -> Credential:
    """The first credential that the URL or the environment has for a destination.

    Raises:
        UsageError: a connection string or key that cannot be used.

    """
    sas = destination.sas or os.environ.get("LADEN_SAS", "")
    connection = _connection_string(os.environ.get("AZURE_STORAGE_CONNECTION_STRING", ""), destination.account)
    sas = sas or connection.get("sharedaccesssignature", "")
    if sas:
        return _sas_credential(sas)
    key = connection.get("accountkey") or _key_from_environment(destination)
    if not key and destination.is_local and destination.account == EMULATOR_ACCOUNT:
        key = EMULATOR_KEY
    if key:
        return _key_credential(destination, key)
    return _identity_credential()


def _sas_credential(sas: str) -> Credential:
    query = sas.strip().partition("?")[2] if "?" in sas else sas.strip()
    if "sig=" not in query:
        raise UsageError("the SAS has no signature (sig=...): copy the whole query string, or the whole SAS URL")
    return Credential("SAS", lambda: Grant(query, "", float("inf")))


def _connection_string(text: str, account: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return fields if fields.get("accountname", account) == account else {}


def _key_from_environment(destination: Destination) -> str:
    key = os.environ.get("AZURE_STORAGE_KEY", "")
    account = os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    emulator = destination.is_local and destination.account == EMULATOR_ACCOUNT
    fits = account == destination.account or (not account and not emulator)
    return key if fits else ""


def _key_credential(destination: Destination, key: str) -> Credential:
    def mint() -> Grant:
        from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas

        now = datetime.now(UTC)
        expiry = now + timedelta(seconds=_SAS_LIFE_S)
        try:
            query = generate_account_sas(
                destination.account,
                key,
                resource_types=ResourceTypes(container=True, object=True),
                permission=AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
                expiry=expiry,
                start=now - timedelta(seconds=_CLOCK_SKEW_S),
                services=Services(blob=True),
                protocol="https,http" if destination.endpoint.startswith("http:") else "https",
            )
        except ValueError:
            raise UsageError("the account key is not valid base64: copy it again from the account") from None
        return Grant(query, "", expiry.timestamp())

    return Credential("account key", mint)


def _identity_credential() -> Credential:
    def sign_in() -> Grant:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential

        try:
            with DefaultAzureCredential() as credential:
                token = credential.get_token(_TOKEN_SCOPE)
        except (ClientAuthenticationError, CredentialUnavailableError):
            raise AccessDenied(
                "nobody is signed in to Azure here: run 'az login', or put a SAS in LADEN_SAS,"
                " or a key in AZURE_STORAGE_KEY (environment, workload and managed identity were tried as well)"
            ) from None
        return Grant("", f"Bearer {token.token}", float(token.expires_on))

    return Credential("sign-in", sign_in)
