"""Makes a SAS for a container: signed by an account key, by a user delegation key, or through a stored access policy.

In order: the account key of the environment (or the emulator's), else whoever is signed in, whose user delegation key
is asked of the service; then the token is signed here, by Microsoft's library. A stored access policy is read first,
and made where there is none of that name; other policies of the container stay as they are. Nothing is printed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from laden.store.credentials import CLOCK_SKEW_S, find_key, protocol_for
from laden.store.destination import Destination
from laden.store.sas import DEFAULT_LETTERS, moment
from laden.store.signin import SignIn, careful
from laden.store.trust import require_trust
from laden.values.errors import AccessDenied, StoreError, UsageError

if TYPE_CHECKING:
    from azure.storage.blob import AccessPolicy, ContainerClient

DEFAULT_HOURS = 24.0
MOST_DELEGATED_HOURS = 7 * 24
"""A user delegation key holds for 7 days at most ("Create a user delegation SAS"), and no SAS outlives its key."""

MOST_POLICIES = 5
"""Stored access policies of one container (Scalability targets for Blob storage)."""

_API_VERSION = "2026-06-06"
"""For control requests; the newest that Azurite takes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for; None where nothing was said."""

    letters: str | None = None
    hours: float | None = None
    addresses: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Minted:
    """A SAS, and how it came about."""

    query: str
    signed_by: str
    """`account key` or `sign-in`."""
    policy_made: bool = False
    """Whether its stored access policy was made now."""
    letters: str = ""
    """What it permits; also where the policy says it."""
    end: datetime | None = None

    def __repr__(self) -> str:
        return f"Minted(signed_by={self.signed_by!r}, letters={self.letters!r}, end={self.end})"


def mint(destination: Destination, wanted: Wanted) -> Minted:
    """Make a SAS for the destination's container.

    Raises:
        UsageError: what is wanted cannot be had.
        AccessDenied: nobody is signed in, or may not get a user delegation key.
        StoreError: the service did not answer.
    """
    if destination.sas:
        raise UsageError("a SAS cannot make another: give the container's URL without one, and a key or a sign-in")
    hours = DEFAULT_HOURS if wanted.hours is None else wanted.hours
    if not 0 < hours <= _MOST_HOURS:
        raise UsageError(
            f"--hours {hours:g} is not a time that a SAS can hold: give more than 0, {_MOST_HOURS} at most"
        )
    addresses = address_range(wanted.addresses) if wanted.addresses else None
    if key := find_key(destination):
        if wanted.policy:
            return _by_policy(destination, key, wanted, hours, addresses)
        return _by_key(destination, key, wanted, hours, addresses)
    if wanted.policy:
        raise UsageError(
            "--policy needs the account key (AZURE_STORAGE_KEY): a user delegation SAS cannot use a stored access"
            " policy; it is revoked with 'az storage account revoke-delegation-keys'"
        )
    if hours > MOST_DELEGATED_HOURS:
        raise UsageError(
            f"--hours {hours:g} is too long: a user delegation SAS holds for {MOST_DELEGATED_HOURS} hours (7 days) at"
            " most; --sas-command can renew it while a load runs"
        )
    return _by_delegation(destination, wanted, hours, addresses)


_MOST_HOURS = 24 * 366 * 10


def address_range(text: str) -> str:
    """An address, a range of two, or a network (`10.0.0.0/24`), as `sip` wants it; IPv4 only, as the service has it.

    Raises:
        UsageError: it is none of these.
    """
    try:
        if "/" in text:
            network = ipaddress.IPv4Network(text)
            return f"{network[0]}-{network[-1]}"
        ends = [ipaddress.IPv4Address(part.strip()) for part in text.split("-", 1)]
    except ValueError:
        raise UsageError(
            f"--ip {text} is no IPv4 address or range: give 203.0.113.7, 203.0.113.0-203.0.113.255 or 203.0.113.0/24"
        ) from None
    if ends[0] > ends[-1]:
        raise UsageError(f"--ip {text} ends before it begins")
    return "-".join(map(str, ends))


def _times(hours: float) -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return now - timedelta(seconds=CLOCK_SKEW_S), datetime.now(UTC) + timedelta(hours=hours)


def _signed(destination: Destination, **given: Any) -> str:
    from azure.storage.blob import generate_container_sas

    protocol = protocol_for(destination)
    return generate_container_sas(destination.account, destination.container, protocol=protocol, **given)


def _by_key(destination: Destination, key: str, wanted: Wanted, hours: float, addresses: str | None) -> Minted:
    start, end = _times(hours)
    letters = wanted.letters or DEFAULT_LETTERS
    query = _signed(destination, account_key=key, permission=letters, start=start, expiry=end, ip=addresses)
    return Minted(query, "account key", letters=letters, end=end)


def _by_delegation(destination: Destination, wanted: Wanted, hours: float, addresses: str | None) -> Minted:
    from azure.storage.blob import BlobServiceClient

    require_trust(destination, "the token of a sign-in")
    start, end = _times(hours)
    # The key holds for 7 days from its start, so that the longest SAS begins now.
    start = max(start, end - timedelta(hours=MOST_DELEGATED_HOURS))
    letters = wanted.letters or DEFAULT_LETTERS
    if not destination.endpoint.startswith("https:"):
        raise UsageError("a sign-in is not sent in the clear: use https://, or give the account key")
    with (
        SignIn() as signed_in,
        _told(destination),
        BlobServiceClient(destination.endpoint, signed_in, **_options()) as service,
    ):
        key = service.get_user_delegation_key(start, end)
    query = _signed(destination, user_delegation_key=key, permission=letters, start=start, expiry=end, ip=addresses)
    return Minted(query, "sign-in", letters=letters, end=end)


def _by_policy(destination: Destination, key: str, wanted: Wanted, hours: float, addresses: str | None) -> Minted:
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.storage.blob import ContainerClient

    name = wanted.policy or ""
    if not name.isprintable() or len(name) > 64:
        raise UsageError("a stored access policy's name has 1 to 64 printable characters")
    credential = AzureNamedKeyCredential(destination.account, key)
    with (
        _told(destination),
        ContainerClient(destination.endpoint, destination.container, credential, **_options()) as container,
    ):
        policy, made = _policy(container, name, wanted, hours)
    start, end = _times(hours)
    # What the policy says must not be said again, and what it leaves open must be.
    query = _signed(
        destination,
        account_key=key,
        policy_id=name,
        permission=None if policy.permission else wanted.letters or DEFAULT_LETTERS,
        start=None if policy.start or policy.expiry else start,
        expiry=None if policy.expiry else end,
        ip=addresses,
    )
    letters = str(policy.permission or wanted.letters or DEFAULT_LETTERS)
    return Minted(query, "account key", made, letters, _moment(policy.expiry) or end)


def _policy(container: ContainerClient, name: str, wanted: Wanted, hours: float) -> tuple[AccessPolicy, bool]:
    """The policy of that name, made where there is none, and whether it was."""
    from azure.storage.blob import AccessPolicy, ContainerSasPermissions

    found = container.get_container_access_policy()
    policies = {identifier.id: identifier.access_policy or AccessPolicy() for identifier in found["signed_identifiers"]}
    if name in policies:
        _not_said_twice(name, policies[name], wanted)
        return policies[name], False
    if len(policies) >= MOST_POLICIES:
        raise UsageError(
            f"the container has {MOST_POLICIES} stored access policies, and can have no more: use one of them"
            f" ({', '.join(sorted(policies))}), or delete one"
        )
    start, end = _times(hours)
    permission = ContainerSasPermissions.from_string(wanted.letters or DEFAULT_LETTERS)
    policy = AccessPolicy(permission, end, start)
    # Setting policies replaces all of them, and the public access too: what was there is sent along.
    container.set_container_access_policy({**policies, name: policy}, found["public_access"])
    return policy, True


def _not_said_twice(name: str, policy: AccessPolicy, wanted: Wanted) -> None:
    said = [
        option
        for option, given, there in (
            ("--permissions", wanted.letters, policy.permission),
            ("--hours", wanted.hours, policy.expiry),
        )
        if given is not None and there
    ]
    if said:
        raise UsageError(
            f"the stored access policy '{name}' is there and says this itself: leave out {' and '.join(said)},"
            " or name a policy that is not there yet"
        )


def _moment(expiry: object) -> datetime | None:
    return expiry.replace(tzinfo=UTC) if isinstance(expiry, datetime) else moment(str(expiry or ""))


def _options() -> dict[str, Any]:
    return {"api_version": _API_VERSION, "retry_total": 2, **careful()}


@contextmanager
def _told(destination: Destination) -> Iterator[None]:
    """Turns what Microsoft's library raises into one sentence, without its own texts: they may quote requests."""
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ResourceNotFoundError,
        ServiceRequestError,
    )

    where = destination.endpoint
    try:
        yield
    except ResourceNotFoundError:
        raise UsageError(
            f"there is no container '{destination.container}' at {where}: create it, or check the name"
        ) from None
    except (ClientAuthenticationError, HttpResponseError) as error:
        status, code = error.status_code or 0, str(getattr(error, "error_code", "") or "")
        if status in (401, 403):
            raise AccessDenied(
                f"{destination.account} refused to help making a SAS ({code or status}): it takes the role Storage Blob"
                " Delegator or Storage Blob Data Contributor on the account (a container's alone is not enough; a new"
                " role takes up to 10 minutes), or the account key"
            ) from None
        if 300 <= status < 400:
            raise StoreError(
                f"{where} answered {status}, a redirect, which is not followed: check the address"
            ) from None
        raise StoreError(f"{where} answered {status} {code}".rstrip()) from None
    except ServiceRequestError:
        raise StoreError(f"{where} cannot be reached: check the address, the network and SSL_CERT_FILE") from None
    except AzureError:
        raise StoreError(f"{where} did not answer as it should: try again") from None
