"""Who laden is to the service: found in a fixed order, turned into a query or a header for each request.

Order: a SAS in the URL, `LADEN_SAS`, `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_KEY`, the emulator's public
key on this machine, azure-identity's default chain. An account key never travels: it signs short account SAS
tokens, made anew before they end. Bearer tokens renew themselves the same way. Nothing here is ever printed.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from laden.errors import AccessDenied, UsageError
from laden.store.destination import Destination
from laden.store.signin import STORAGE_SCOPE, SignIn

EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known key of every storage emulator (Azurite's README, "Default Storage Account"); no secret."""

_SAS_LIFE_S = 12 * 3600
_CLOCK_SKEW_S = 15 * 60
_RENEWAL_AHEAD_S = 5 * 60
_RENEWAL_PAUSE_S = 30


class Grant(NamedTuple):
    """What to add to a request, and until when it holds."""

    query: str
    """SAS query string; empty for a bearer token."""
    header: str
    """Value of `Authorization`; empty for a SAS."""
    expires_s: float
    """Unix time; infinity where laden cannot renew it anyway."""

    def __repr__(self) -> str:
        return f"Grant(expires_s={self.expires_s})"


class Credential:
    """Gives the grant of the moment; renews it in a thread five minutes before it ends.

    Where that does not succeed, the old one is used to its end, and every half minute another renewal tried.
    """

    def __init__(self, kind: str, renew: Callable[[], Grant]) -> None:
        self.kind = kind
        """For people: `SAS`, `account key`, `sign-in`."""
        self._renew = renew
        self._grant: Grant | None = None
        self._due_s = 0.0
        self._lock = asyncio.Lock()

    async def grant(self) -> Grant:
        """Raises `AccessDenied` when nobody is signed in, `UsageError` for a setting that makes that impossible."""
        if self._grant is None or time.time() > self._due_s:
            async with self._lock:
                if self._grant is None or time.time() > self._due_s:
                    self._grant = await self._renewed()
        return self._grant

    async def _renewed(self) -> Grant:
        try:
            grant = await asyncio.to_thread(self._renew)
        except AccessDenied:
            if self._grant is None or time.time() > self._grant.expires_s:
                raise
            self._due_s = time.time() + _RENEWAL_PAUSE_S
            return self._grant
        self._due_s = grant.expires_s - _RENEWAL_AHEAD_S
        return grant

    def outside(self) -> str:
        """Why it does not hold at this moment, where its own text tells (a SAS outside of its times); or empty."""
        fields = parse_qs(self._grant.query if self._grant else "")
        start, end = (sas_time(fields.get(name, [""])[0]) for name in ("st", "se"))
        now = datetime.now(UTC)
        if end and end < now:
            return f"it ended at {_utc(end)}, and this machine's clock says {_utc(now)}: make a new one"
        if start and start > now:
            return (
                f"it only begins at {_utc(start)}, and this machine's clock says {_utc(now)}: wait, or make a new one"
            )
        return ""


def sas_time(text: str) -> datetime | None:
    """A SAS's `st` or `se`: ISO 8601 in UTC, to the day, minute or second ("Create a service SAS")."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def find_credential(destination: Destination) -> Credential:
    """The first credential that the URL or the environment has for a destination.

    Raises:
        UsageError: a SAS, connection string or key that cannot be used.
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
    return identity_credential()


def _sas_credential(sas: str) -> Credential:
    query = sas.strip().partition("?")[2] if "?" in sas else sas.strip()
    if "sig=" not in query:
        raise UsageError("the SAS has no signature (sig=...): copy the whole query string, or the whole SAS URL")
    if not re.fullmatch(r"[A-Za-z0-9\-._~%!$&'()*+,;:=@/?]+", query):  # RFC 3986, 3.4
        raise UsageError("the SAS holds a character that no query string can hold: copy it again, without quotes")
    return Credential("SAS", lambda: Grant(query, "", float("inf")))


def _connection_string(text: str, account: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    try:
        endpoint = urlsplit(fields.get("blobendpoint", ""))
    except ValueError:
        raise UsageError("AZURE_STORAGE_CONNECTION_STRING has a BlobEndpoint that is no URL: copy it again") from None
    named = fields.get("accountname") or endpoint.path.strip("/") or (endpoint.hostname or "").partition(".")[0]
    return fields if named == account else {}


def _key_from_environment(destination: Destination) -> str:
    key = os.environ.get("AZURE_STORAGE_KEY", "")
    account = os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    emulator = destination.is_local and destination.account == EMULATOR_ACCOUNT
    fits = account == destination.account or (not account and not emulator)
    return key if fits else ""


def _key_credential(destination: Destination, key: str) -> Credential:
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise UsageError("the account key is not valid base64: copy it again from the account") from None

    def mint() -> Grant:
        from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas

        now = datetime.now(UTC)
        expiry = now + timedelta(seconds=_SAS_LIFE_S)
        query = generate_account_sas(
            destination.account,
            key,
            resource_types=ResourceTypes(service=True, container=True, object=True),
            permission=AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
            expiry=expiry,
            start=now - timedelta(seconds=_CLOCK_SKEW_S),
            services=Services(blob=True),
            protocol="https,http" if destination.endpoint.startswith("http:") else "https",
        )
        return Grant(query, "", expiry.timestamp())

    return Credential("account key", mint)


def identity_credential() -> Credential:
    """Whoever is signed in here, whatever else the environment holds."""

    def sign_in() -> Grant:
        with SignIn() as signed_in:
            token = signed_in.get_token(STORAGE_SCOPE)
        return Grant("", f"Bearer {token.token}", float(token.expires_on))

    return Credential("sign-in", sign_in)
