"""A storage account: made with safe defaults, and shown.

Order of `create`: the name's form, sign-in, whether it is there already (then it is shown and left as it is: the
service would take another body for an update), provider and location, whether the name is free, the long-running
creation. Nobody gets a right to its blobs by that: `role`.

Chosen: StorageV2, Standard_LRS (`az` takes the dearer RA-GRS), TLS 1.2 (unset means 1.0), https only, no public
access, no hierarchical namespace (uploads through it are billed by 4 MB). Account keys stay usable: only they can
sign a SAS under a stored policy, which is the one kind that can be revoked alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from laden.azure.clients import PROVIDERS_API, Session
from laden.azure.refusals import error_code, explained
from laden.values.errors import AccessDenied, UsageError

if TYPE_CHECKING:
    from azure.mgmt.storage.models import StorageAccount

_NAME = re.compile(r"[a-z0-9]{3,24}")
"""Microsoft.Storage's schema, `storageAccounts`, `name`."""
Waiting = Callable[[str, float], None]
"""Told what is waited for, and for how many seconds already."""


@dataclass(frozen=True, slots=True)
class Account:
    """What there is to know of an account before trusting it with data."""

    name: str
    subscription: str
    resource_group: str
    location: str
    kind: str
    sku: str
    endpoint: str
    """Of its Blob service, without a slash at its end."""
    minimum_tls: str
    https_only: bool
    public_access_allowed: bool
    keys_allowed: bool
    hierarchical: bool
    network: str
    """`every network`, `chosen networks` or `private endpoints`."""
    sas_at_most: str
    """Longest life of a SAS that its policy asks for, as `DD.HH:MM:SS`; empty without one."""
    id: str

    def concerns(self) -> list[str]:
        """What is less safe than laden would have made it, or different in a way that matters; a sentence each."""
        checks = [
            (self.public_access_allowed, "containers of this account may be made public"),
            (not self.https_only, "it takes requests without TLS"),
            (self.minimum_tls in ("TLS1_0", "TLS1_1", ""), "it takes TLS older than 1.2"),
            (self.hierarchical, "it has a hierarchical namespace: uploads cost more, and laden does not need it"),
            (self.network != "every network", f"it answers {self.network} only: this machine may be shut out"),
            (not self.keys_allowed, "it takes no account keys: sign in, and use a user delegation SAS"),
            (bool(self.sas_at_most), f"its policy wants a SAS to end within {self.sas_at_most} (days.hours:min:s)"),
        ]
        return [sentence for true, sentence in checks if true]


def check_name(name: str) -> None:
    """Raise `UsageError` for what cannot be an account's name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot be a storage account's name: 3 to 24 lower-case letters and digits")


def find(session: Session, name: str, resource_group: str | None = None) -> Account:
    """An account that is there.

    Args:
        session: of the subscription that it is in.
        name: the account's.
        resource_group: where it is; None to look in all of them.

    Raises:
        UsageError: there is none.
        AccessDenied: it may not be read.
    """
    check_name(name)
    if resource_group:
        account = _in_group(session, name, resource_group)
        where = f"the resource group {resource_group}"
    else:
        account = _in_subscription(session, name)
        where = f"the subscription {session.subscription}"
    if account is None:
        raise UsageError(f"there is no storage account '{name}' in {where}, or it may not be seen")
    return account


def create(
    session: Session, name: str, resource_group: str, location: str, *, waiting: Waiting
) -> tuple[Account, bool]:
    """Make an account; the account, and whether it was made now.

    Args:
        session: of the subscription that it shall be in.
        name: 3 to 24 lower-case letters and digits, not used by anybody in the world.
        resource_group: must be there.
        location: as `westeurope` or `West Europe`.
        waiting: told how long the creation takes already.

    Raises:
        UsageError: name, group or location cannot be used, or the subscription lacks the provider.
        AccessDenied: whoever is signed in may not.
        StoreError: the creation failed.
    """
    check_name(name)
    if there := _in_group(session, name, resource_group):
        return there, False
    region = _checked_location(session, location)
    _check_free(session, name, resource_group)
    body: Any = {
        "sku": {"name": "Standard_LRS"},
        "kind": "StorageV2",
        "location": region,
        "properties": {
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
            "allowBlobPublicAccess": False,
            "isHnsEnabled": False,
        },
    }
    with explained(f"create the account '{name}'"):
        poller = session.storage.storage_accounts.begin_create(resource_group, name, body)
        began_s = time.monotonic()
        while not poller.done():
            waiting(f"Creating {name}", time.monotonic() - began_s)
            poller.wait(1)
        return _account(poller.result(), session), True


def _in_group(session: Session, name: str, resource_group: str) -> Account | None:
    from azure.core.exceptions import ResourceNotFoundError

    with explained(f"show the account '{name}'"):
        try:
            found = session.storage.storage_accounts.get_properties(resource_group, name)
        except ResourceNotFoundError as error:
            if error_code(error) == "ResourceNotFound":
                return None
            raise
    return _account(found, session)


def _in_subscription(session: Session, name: str) -> Account | None:
    with explained("list the subscription's accounts"):
        found = next((one for one in session.storage.storage_accounts.list() if one.name == name), None)
    return _account(found, session) if found else None


def _checked_location(session: Session, location: str) -> str:
    """The location as the service names it; the provider says where it has accounts."""
    try:
        provider = session.get(f"/subscriptions/{session.subscription}/providers/Microsoft.Storage", PROVIDERS_API)
    except AccessDenied:
        # Whoever has a role in the resource group alone may not look; the creation itself will tell.
        return _plain(location)
    if provider.get("registrationState") not in ("Registered", "Registering"):
        raise UsageError(
            "the subscription has not registered the resource provider Microsoft.Storage: run 'az provider register"
            " --namespace Microsoft.Storage --wait' once (it needs the role Contributor on the subscription)"
        )
    types = {kind["resourceType"]: kind for kind in provider.get("resourceTypes", [])}
    known = {_plain(place): place for place in types.get("storageAccounts", {}).get("locations", [])}
    if known and _plain(location) not in known:
        near = get_close_matches(_plain(location), known, n=3, cutoff=0.5)
        hint = f", such as {', '.join(near)}" if near else ""
        raise UsageError(f"'{location}' is no location that this subscription has storage accounts in{hint}")
    return _plain(location)


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def _check_free(session: Session, name: str, resource_group: str) -> None:
    from azure.mgmt.storage.models import StorageAccountCheckNameAvailabilityParameters

    try:
        with explained("check the account's name"):
            answer = session.storage.storage_accounts.check_name_availability(
                # The type is the model's own constant.
                StorageAccountCheckNameAvailabilityParameters(name=name)
            )
    except AccessDenied:
        # A right of the whole subscription, as above.
        return
    if answer.name_available:
        return
    own = _in_subscription(session, name)
    if own:
        raise UsageError(
            f"the account '{name}' is in the resource group {own.resource_group} already, not in {resource_group}:"
            " name that group, or choose another name"
        )
    raise UsageError(f"the name '{name}' is taken by somebody else in the world: choose another")


def _account(found: StorageAccount, session: Session) -> Account:
    properties: Any = found.properties or {}
    endpoints = properties.get("primaryEndpoints") or {}
    parts = str(found.id).split("/")
    return Account(
        name=str(found.name),
        subscription=session.subscription,
        resource_group=parts[4] if len(parts) > 4 else "",
        location=str(found.location),
        kind=str(getattr(found.kind, "value", found.kind)),
        sku=str(getattr(found.sku.name, "value", found.sku.name)) if found.sku else "",
        endpoint=str(endpoints.get("blob") or f"https://{found.name}.{session.cloud.blob_suffix}").rstrip("/"),
        minimum_tls=str(properties.get("minimumTlsVersion") or ""),
        https_only=bool(properties.get("supportsHttpsTrafficOnly")),
        # Accounts older than the setting have none, and allow it.
        public_access_allowed=properties.get("allowBlobPublicAccess") is not False,
        keys_allowed=properties.get("allowSharedKeyAccess") is not False,
        hierarchical=bool(properties.get("isHnsEnabled")),
        network=_network(properties),
        sas_at_most=str((properties.get("sasPolicy") or {}).get("sasExpirationPeriod") or ""),
        id=str(found.id),
    )


def _network(properties: Any) -> str:
    if properties.get("publicNetworkAccess") in ("Disabled", "SecuredByPerimeter"):
        return "private endpoints"
    return (
        "chosen networks" if (properties.get("networkAcls") or {}).get("defaultAction") == "Deny" else "every network"
    )
