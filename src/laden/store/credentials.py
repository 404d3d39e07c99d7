"""Who laden is to the service: found in a fixed order, turned into a query or a header for each request.

Order: a SAS in the URL, `LADEN_SAS`, `AZURE_STORAGE_SAS_TOKEN`, `AZURE_STORAGE_CONNECTION_STRING`,
`AZURE_STORAGE_KEY`, the emulator's public key on this machine, azure-identity's default chain. An account key never
travels: it signs short account SAS tokens, made anew before they end. Bearer tokens renew themselves the same way; a
SAS does where a `SasSource` stands behind it. What the service refuses is renewed once more, by the service's clock.
Tokens, and what a key signs, go to trusted hosts only (`laden.store.trust`). Nothing here is ever printed.
"""

from __future__ import annotations

import asyncio
import base64
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from laden.store.destination import Destination
from laden.store.sas import parse_sas, query_of
from laden.store.signin import STORAGE_SCOPE, SignIn
from laden.store.trust import require_trust
from laden.values.errors import AccessDenied, AccessEnded, UsageError
from laden.values.secrets import note

EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known key of every storage emulator (Azurite's README, "Default Storage Account"); no secret."""

_SAS_LIFE_S = 12 * 3600
CLOCK_SKEW_S = 15 * 60
"""How far back a SAS begins, against clocks that differ ("Best practices when using SAS", Microsoft Learn)."""

_RENEWAL_AHEAD_S = 5 * 60
_RENEWAL_PAUSE_S = 30
_USED_BEFORE_RENEWAL = 0.75
_SHORTEST_USE_S = 1.0


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


class SasSource(Protocol):
    """Where a SAS and its successors come from (`laden.store.access`); called from threads."""

    @property
    def ahead(self) -> bool:
        """Whether a successor can be had before the service refuses the old one."""

    def fresh(self, old: str, *, refused: bool) -> str:
        """Another query string than the old one (empty at first), or the old one where it must do.

        Raises:
            AccessDenied: there is none.
        """


class ServiceClock:
    """The time as the service has it: this machine's, until an answer of the service has told otherwise."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now_s(self) -> float:
        """Unix time."""
        return time.time() + self._ahead_s

    def learn(self, service_s: float) -> None:
        """An answer of this moment bears the service's time."""
        self._ahead_s = service_s - time.time()


class Credential:
    """Gives the grant of the moment; renews it in a thread five minutes before it ends (a short one: a quarter before).

    Where that does not succeed, the old one is used to its end, and every half minute another renewal tried. Once
    the service does not accept it any more and there is no other, nothing is sent with it again: every request
    fails at once.
    """

    def __init__(
        self,
        kind: str,
        renew: Callable[[Grant | None], Grant],
        replace: Callable[[Grant], Grant] | None = None,
        *,
        clock: ServiceClock | None = None,
        by_itself: bool = False,
    ) -> None:
        """Prepare; nothing is asked for yet.

        Args:
            kind: for people: `SAS`, `account key`, `sign-in`.
            renew: gives the first grant, and one in good time before the last one ends.
            replace: gives another for one that the service did not accept; None where there can be none.
            clock: of the service; set by refusals.
            by_itself: whether a replacement is made here without anybody's doing, so that a second one in a row
                would fare no better than the first.
        """
        self.kind = kind
        self._renew = renew
        self._replace = replace
        self._clock = clock or ServiceClock()
        self._by_itself = by_itself
        self._untried: Grant | None = None
        self._grant: Grant | None = None
        self._due_s = 0.0
        self._ended = ""
        self._lock = asyncio.Lock()

    async def grant(self) -> Grant:
        """What to send a request with.

        Raises:
            AccessDenied: nobody is signed in, or there is no SAS; `AccessEnded` where there was one.
            UsageError: a setting that makes it impossible.
        """
        if self._ended:
            async with self._lock:
                pass  # whoever holds it may be getting another one
            if self._ended:
                raise AccessEnded(self._ended)
        if self._grant is None or self._clock.now_s() > self._due_s:
            async with self._lock:
                if self._grant is None or self._clock.now_s() > self._due_s:
                    self._grant = await self._renewed()
        return self._grant

    async def _renewed(self) -> Grant:
        old = self._grant
        if old and self._clock.now_s() < old.expires_s:
            # Others go on with the old one meanwhile.
            self._due_s = self._clock.now_s() + _RENEWAL_PAUSE_S
        try:
            return self._taken(await asyncio.to_thread(self._renew, old))
        except AccessDenied as error:
            if old is None:
                raise
            if self._clock.now_s() > old.expires_s:
                self._ended = str(error)
                raise AccessEnded(self._ended) from None
            return old

    def _taken(self, grant: Grant) -> Grant:
        """Note when a grant is to be renewed: of a short one, only its last quarter is left unused."""
        now_s = self._clock.now_s()
        left_s = grant.expires_s - now_s
        self._due_s = now_s + max(left_s - _RENEWAL_AHEAD_S, left_s * _USED_BEFORE_RENEWAL, _SHORTEST_USE_S)
        return grant

    def accepted(self, grant: Grant) -> None:
        """The service let a request in with this grant."""
        if self._untried is grant:
            self._untried = None

    async def replace(self, grant: Grant, refusal: AccessEnded, *, again: bool, service_s: float | None = None) -> None:
        """Get another grant for one that the service did not accept.

        Args:
            grant: the one refused.
            refusal: why.
            again: whether one more may be asked for.
            service_s: the service's clock, Unix time; None where it was not told.

        Raises:
            AccessEnded: there is none, and nothing is sent any more.
        """
        async with self._lock:
            if self._ended:
                raise AccessEnded(self._ended)
            if self._grant is not grant:
                return
            self._ended = str(refusal)
            in_vain = self._by_itself and self._untried is grant
            if self._replace is None or not again or in_vain:
                raise AccessEnded(self._ended)
            if service_s is not None:
                self._clock.learn(service_s)
            try:
                self._grant = self._untried = self._taken(await asyncio.to_thread(self._replace, grant))
            except AccessDenied as failure:
                self._ended = f"{refusal}; {failure}"
                raise AccessEnded(self._ended) from None
            self._ended = ""


def find_credential(destination: Destination, source: SasSource | None = None) -> Credential:
    """The first credential that the URL or the environment has for a destination.

    Args:
        destination: where it is for.
        source: gives the SAS and, before it ends, another; by default the environment is looked at.

    Raises:
        UsageError: a SAS, connection string or key that cannot be used.
    """
    if source is not None:
        return _renewed_sas(source)
    if query := find_sas(destination):
        return Credential("SAS", lambda _: Grant(query, "", math.inf))
    if key := find_key(destination):
        return key_credential(destination, key)
    require_trust(destination, "the token of a sign-in")
    return identity_credential()


def find_sas(destination: Destination) -> str:
    """The SAS that the URL or the environment has for a destination, as a query string; empty where there is none.

    Raises:
        UsageError: it cannot be used.
    """
    sas = destination.sas or os.environ.get(destination.sas_variable, "") or _token_from_environment(destination)
    if not sas and (sas := _connection_of(destination).get("sharedaccesssignature", "")):
        require_trust(destination, "the SAS of AZURE_STORAGE_CONNECTION_STRING", _endpoint_of(destination))
    return query_of(sas) if sas else ""


def find_key(destination: Destination) -> str:
    """The account key that the environment has for a destination, or the emulator's; empty where there is none.

    Raises:
        UsageError: it is no key.
    """
    key = _connection_of(destination).get("accountkey") or _key_from_environment(destination)
    if not key and destination.is_local and destination.account == EMULATOR_ACCOUNT:
        key = EMULATOR_KEY
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise UsageError("the account key is not valid base64: copy it again from the account") from None
    if key:
        require_trust(destination, "what an account key signs", _endpoint_of(destination))
    if key != EMULATOR_KEY:
        note(key)
    return key


def _renewed_sas(source: SasSource) -> Credential:
    def granted(query: str) -> Grant:
        return Grant(query, "", parse_sas(query).ends_s if source.ahead else math.inf)

    return Credential(
        "SAS",
        lambda old: granted(source.fresh(old.query if old else "", refused=False)),
        lambda old: granted(source.fresh(old.query, refused=True)),
    )


def _connection_of(destination: Destination) -> dict[str, str]:
    return _connection_string(os.environ.get("AZURE_STORAGE_CONNECTION_STRING", ""), destination.account)


def _endpoint_of(destination: Destination) -> str:
    """The host that the connection string itself is for."""
    return urlsplit(_connection_of(destination).get("blobendpoint", "")).hostname or ""


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
    return os.environ.get("AZURE_STORAGE_KEY", "") if _is_of_environment(destination) else ""


def _token_from_environment(destination: Destination) -> str:
    """The SAS that Azure's own command line takes from there."""
    return os.environ.get("AZURE_STORAGE_SAS_TOKEN", "") if _is_of_environment(destination) else ""


def _is_of_environment(destination: Destination) -> bool:
    """Whether what the environment holds for an account is for this one, by its name where that is told too."""
    account = os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    emulator = destination.is_local and destination.account == EMULATOR_ACCOUNT
    return account == destination.account or (not account and not emulator)


def key_credential(destination: Destination, key: str) -> Credential:
    """A key, which signs a short SAS for each while."""
    clock = ServiceClock()

    def mint(_: Grant | None) -> Grant:
        from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas

        now = datetime.fromtimestamp(clock.now_s(), UTC)
        expiry = now + timedelta(seconds=_SAS_LIFE_S)
        query = generate_account_sas(
            destination.account,
            key,
            resource_types=ResourceTypes(service=True, container=True, object=True),
            permission=AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True, tag=True),
            expiry=expiry,
            start=now - timedelta(seconds=CLOCK_SKEW_S),
            services=Services(blob=True),
            protocol=protocol_for(destination),
        )
        note(query)
        return Grant(query, "", expiry.timestamp())

    return Credential("account key", mint, mint, clock=clock, by_itself=True)


def protocol_for(destination: Destination) -> str:
    """`spr` of a SAS that is made here: https alone, but for an emulator without it."""
    return "https,http" if destination.endpoint.startswith("http:") else "https"


def identity_credential() -> Credential:
    """Whoever is signed in here, whatever else the environment holds."""

    def sign_in(_: Grant | None) -> Grant:
        with SignIn() as signed_in:
            token = signed_in.get_token(STORAGE_SCOPE)
        note(token.token)
        return Grant("", f"Bearer {token.token}", float(token.expires_on))

    def sign_in_anew(old: Grant) -> Grant:
        if (grant := sign_in(old)).header == old.header:
            raise AccessDenied("the sign-in gives no other token")
        return grant

    return Credential("sign-in", sign_in, sign_in_anew, by_itself=True)
