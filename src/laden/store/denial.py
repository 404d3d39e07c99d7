"""Why the service did not let a request in (401, 403 and their like), as one sentence and what to do next.

In order: the SAS's own times against the service's clock (the answer's `Date`), then what the service says about
the signature, then the error code. Sources: "Blob service error codes" and "Common REST API error codes" of the REST
reference; the details are those of the service's own `AuthenticationErrorDetail`, which is searched and never quoted:
it may repeat the string to sign. Azurite says `AuthorizationFailure` where Azure says `AuthenticationFailed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from laden.store.destination import Destination
from laden.store.sas import Sas, names_of, parse_sas, utc

_SKEW_S = 60
"""Clocks that differ by less are taken as right."""


class Refused(NamedTuple):
    """A request that was not let in."""

    code: str
    """Of the error; empty where there is none."""
    detail: str
    """Text of `AuthenticationErrorDetail`."""
    message: str
    """Text of `Message`."""
    headers: Mapping[str, str]
    permission: str
    """What it needed: `read`, `write`, `list`, `create` (a container) or `delete`."""
    credential: str
    """What was shown: `SAS`, `account key` or `sign-in`."""
    query: str
    """The SAS that was shown, where there was one."""
    destination: Destination
    """Where it went; without a container where the account was asked."""


class Denial(NamedTuple):
    """Why, and whether it is the credential itself that is not accepted (any more): another one may be."""

    reason: str
    of_credential: bool = False


_LETTERS = {
    "read": "r", "write": "w", "list": "l", "create": "c", "delete": "d", "tag": "t", "read the tags of blobs": "t"
}  # fmt: skip
_LOADS = "rcwl"
"""The permissions that loading takes, and all but deleting, tags and tiers."""

_REASONS = {
    "KeyBasedAuthenticationNotPermitted": "the account does not allow keys, nor a SAS signed with one: sign in with"
    " 'az login', or use a user delegation SAS ('laden sas' makes one for whoever is signed in)",
    "AuthorizationProtocolMismatch": "the SAS asks for https",
    "AuthorizationFailure": "the account's firewall refuses this network (Networking in the portal, or 'az storage"
    " account network-rule add'), or the credential may not {permission} here",
    "AuthorizationResourceTypeMismatch": "the SAS is not for containers and blobs: make one for the container",
    "AuthorizationServiceMismatch": "the SAS is not for the Blob service",
    "AccountIsDisabled": "the account is disabled",
    "PublicAccessNotPermitted": "the account allows no public access, and no credential reached it:"
    " put a SAS in LADEN_SAS or run 'az login'",
    "NoAuthenticationInformation": "no credential reached the service: put a SAS in LADEN_SAS or run 'az login'",
    "InsufficientAccountPermissions": "the account may only be read at present: it was failed over, or locked",
}

CODES = frozenset(
    {*_REASONS, "AuthenticationFailed", "AuthorizationPermissionMismatch", "AuthorizationSourceIPMismatch"}
    | {"InvalidAuthenticationInfo"}
)
"""Codes that mean a refusal of access whatever the status."""


def explain(refused: Refused) -> Denial:
    """The reason, as the second half of a sentence."""
    sas = parse_sas(refused.query) if refused.query else None
    authentication = refused.code == "AuthenticationFailed" or (
        refused.code == "AuthorizationFailure" and refused.destination.is_local
    )
    if refused.credential == "SAS" and sas and (outside := _outside(sas, refused.headers)):
        return Denial(outside, of_credential=True)
    if not refused.destination.container and refused.credential == "SAS":
        return Denial(
            "a container's own SAS cannot list the others: run 'az login', or use an account key or account SAS"
        )
    if authentication:
        return Denial(_unauthentic(refused, sas), of_credential=True)
    if refused.code == "InvalidAuthenticationInfo":
        return Denial(_bad_token(refused), of_credential=True)
    if refused.permission == "create" and refused.credential == "SAS":
        return Denial(
            "there is no such container, and a container's own SAS cannot make it: create it in the portal"
            " or with 'az storage container create', or use an account SAS with the permission 'create'"
        )
    if refused.code == "AuthorizationSourceIPMismatch":
        return Denial(_address(refused, sas))
    if refused.code == "AuthorizationPermissionMismatch":
        return Denial(_permission(refused, sas))
    default = "the credential may not {permission} here"
    return Denial(_REASONS.get(refused.code, default).format(permission=refused.permission))


def _outside(sas: Sas, headers: Mapping[str, str]) -> str:
    """Why it does not hold at this moment of the service's clock; or empty."""
    here = datetime.now(UTC)
    service = service_time(headers) or here
    state = sas.state(service)
    if state == "ended" and sas.end:
        told = f"it ended at {utc(sas.end)}, and the service's clock says {utc(service)}"
    elif state == "not yet valid" and sas.start:
        told = f"it only begins at {utc(sas.start)}, and the service's clock says {utc(service)}"
    else:
        return ""
    skew_s = (here - service).total_seconds()
    if abs(skew_s) > _SKEW_S:
        told += f" (this machine's clock is {abs(skew_s) / 60:.0f} minutes {'ahead' if skew_s > 0 else 'behind'})"
    return f"{told}: {'make a new one' if state == 'ended' else 'wait, or make a new one that begins earlier'}"


def service_time(headers: Mapping[str, str]) -> datetime | None:
    """The service's clock, from `Date` (RFC 9110, 6.6.1)."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _unauthentic(refused: Refused, sas: Sas | None) -> str:
    """Why a signature was not accepted."""
    if refused.credential == "sign-in":
        return _bad_token(refused)
    detail = refused.detail
    if "not valid in the specified time frame" in detail:
        window = re.search(r"Start \[([\w:, +-]*)\] - Expiry \[([\w:, +-]*)\] - Current \[([\w:, +-]*)\]", detail)
        if window:
            return f"it holds from {window[1]} to {window[2]}, and the service's clock says {window[3]}: make a new one"
        return "it has expired or is not valid yet: make a new one"
    if "identifier cannot be found" in detail:
        return "its stored access policy is not there (any more): it was revoked, or is for another container"
    if "is mandatory" in detail:
        return "it is not whole: a part is missing; copy it again, all of it"
    if refused.credential != "SAS":
        return "the signature is not right: check the key (it may have been renewed), and this machine's clock"
    told = "its signature is not right: it is for another container or account, was changed when it was copied,"
    told += " or the key that signed it was renewed"
    if sas and sas.policy:
        told = f"its stored access policy '{sas.policy}' has ended or is gone (revoked), or {told}"
    elif sas and sas.kind == "user delegation":
        told += " or revoked"
    return f"{told}: make a new SAS, or copy it again as a whole"


def _bad_token(refused: Refused) -> str:
    """Why a bearer token was not accepted."""
    detail = refused.detail.lower()
    if "issuer" in detail or "tenant" in detail:
        return "the sign-in is for another tenant than the account's: 'az login --tenant TENANT'"
    if "audience" in detail:
        return "the sign-in's token is not for Azure Storage: sign in again with 'az login'"
    if "expired" in detail or "lifetime" in detail:
        return "the sign-in has expired, or this machine's clock is wrong: sign in again with 'az login'"
    return "the sign-in is not accepted: sign in again, to the account's tenant"


def _address(refused: Refused, sas: Sas | None) -> str:
    """Which address the service saw, and which it wanted."""
    seen = re.search(r"\b(\d{1,3}(?:\.\d{1,3}){3})\b", refused.message)
    told = (
        f"the SAS is not valid for this machine's IP address{f' ({seen[1]}, as the service sees it)' if seen else ''}"
    )
    wanted = f", only for {sas.addresses}" if sas and sas.addresses else ""
    return f"{told}{wanted}: make one for that address, or without a range"


def _permission(refused: Refused, sas: Sas | None) -> str:
    """Which permission is missing, of the SAS, of the person who made it, or of whoever is signed in."""
    role = (
        "the role Storage Blob Data Contributor on the account or container (a role given just now takes up to"
        " 10 minutes to hold: try again then)"
    )
    if refused.credential == "sign-in":
        return f"whoever is signed in may not {refused.permission} here: it takes {role}"
    if sas is None or refused.credential != "SAS":
        return f"the credential may not {refused.permission} here"
    letter = _LETTERS.get(refused.permission, "")
    enough = f"; read, create, write and list (sp={_LOADS}) are enough for everything" if letter in _LOADS else ""
    if letter and sas.letters is None:
        return (
            f"its stored access policy '{sas.policy}' does not let it: give the policy the permission"
            f" {names_of(letter)}{enough}"
        )
    if sas.lacks(letter):
        return f"the SAS does not let it: make one with the permission {names_of(letter)}{enough}"
    if sas.kind == "user delegation":
        return f"whoever made the SAS may not {refused.permission} here, so the SAS may not either: it takes {role}"
    return f"the credential may not {refused.permission} here: the SAS is for another resource"
