"""What Resource Manager refuses, as laden's errors: what is wrong, where, and what to do next.

Codes from "Common Azure Resource Manager errors" and from Microsoft.Storage's error reference. Of the service's
own words at most the first sentence is repeated, and only where laden has none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from laden.values.errors import AccessDenied, LadenError, StoreError, UsageError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

_SENTENCES: dict[str, tuple[type[LadenError], str]] = {
    "ResourceGroupNotFound": (
        UsageError,
        "there is no such resource group in the subscription: create it with 'az group create', or check the name",
    ),
    "SubscriptionNotFound": (
        UsageError,
        "the subscription cannot be found by whoever is signed in: check its id, and the tenant of the sign-in",
    ),
    "MissingSubscriptionRegistration": (
        UsageError,
        "the subscription has not registered the resource provider {namespace}: run"
        " 'az provider register --namespace {namespace} --wait' once (it needs the role Contributor on the"
        " subscription)",
    ),
    "RequestDisallowedByPolicy": (AccessDenied, "a policy of your organisation forbids it: ask its administrators"),
    "ScopeLocked": (AccessDenied, "a lock protects it: ask whoever owns the resource group"),
    "ReadOnlyDisabledSubscription": (AccessDenied, "the subscription is disabled, and can only be read"),
    "InvalidAuthenticationTokenTenant": (
        AccessDenied,
        "the sign-in is for another tenant: run 'az login --tenant' with the subscription's",
    ),
    "InvalidAuthenticationTokenAudience": (
        AccessDenied,
        "the sign-in's token is for another cloud: check AZURE_SDK_CLOUD_CONF and AZURE_RESOURCE_MANAGER_URL",
    ),
    "ExpiredAuthenticationToken": (AccessDenied, "the sign-in has expired: run 'az login' again"),
    "StorageAccountAlreadyTaken": (UsageError, "somebody else has an account of that name: choose another"),
    "TooManyRequests": (StoreError, "Resource Manager has too much to do: run it again in some minutes"),
}
_ALIASES = {
    "InvalidSubscriptionId": "SubscriptionNotFound",
    "SubscriptionNotRegistered": "MissingSubscriptionRegistration",
    "StorageAccountAlreadyExists": "StorageAccountAlreadyTaken",
    "InvalidAuthenticationToken": "ExpiredAuthenticationToken",
}


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the SDKs raise into laden's errors.

    Args:
        doing: what was asked for, as it follows "Azure refuses to", for example `create the account`.
    """
    from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

    try:
        yield
    except HttpResponseError as error:
        raise _refusal(error, doing) from None
    except (ServiceRequestError, ServiceResponseError):
        raise StoreError(
            f"Azure Resource Manager cannot be reached to {doing}: check the network, HTTPS_PROXY, and that the"
            " certificates it shows are trusted here (SSL_CERT_FILE)"
        ) from None
    except AzureError as error:
        raise StoreError(f"Azure did not {doing}: {_first_sentence(str(error))}") from None


def error_code(error: HttpResponseError) -> str:
    """The service's code, for example `ResourceNotFound`; empty where it gave none."""
    code = getattr(error.error, "code", None) if error.error else None
    return code if isinstance(code, str) and re.fullmatch(r"\w{1,80}", code) else ""


def _refusal(error: HttpResponseError, doing: str) -> LadenError:
    code = error_code(error)
    told = str(getattr(error.error, "message", "") or error.message or "") if error.error else str(error.message or "")
    if code in ("AuthorizationFailed", "LinkedAuthorizationFailed"):
        action = re.search(r"perform action '([\w./*]{1,200})'", told)
        named = f" (the action {action[1]})" if action else ""
        return AccessDenied(
            f"whoever is signed in may not {doing}{named}: ask the owner of the resource group for"
            f" {_role(action[1] if action else '')}; a new role takes some minutes, and a new sign-in"
        )
    known = _SENTENCES.get(_ALIASES.get(code, code))
    if known:
        kind, sentence = known
        namespace = re.search(r"namespace '([\w.]{1,100})'", told)
        told_of = sentence.format(namespace=namespace[1] if namespace else "Microsoft.Storage")
        return kind(f"Azure does not {doing}: {told_of} ({code})")
    if 300 <= (error.status_code or 0) < 400:
        told = "it answered with a redirect, which is not followed; check AZURE_RESOURCE_MANAGER_URL and HTTPS_PROXY"
    kind = AccessDenied if error.status_code in (401, 403) else UsageError if error.status_code == 400 else StoreError
    return kind(f"Azure does not {doing}: {_first_sentence(told)} ({code or error.status_code or 'no status'})")


def _role(action: str) -> str:
    if action.startswith("Microsoft.Authorization/"):
        return "the role Role Based Access Control Administrator or Owner"
    if action.startswith("Microsoft.Storage/"):
        return "the role Storage Account Contributor or Contributor"
    if action.startswith("Microsoft.MachineLearningServices/"):
        return "the role AzureML Data Scientist"
    return "a role that has it, such as Contributor"


def _first_sentence(text: str) -> str:
    """The first sentence, on one line, without what could move a cursor."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    sentence = re.split(r"(?<=[a-z')])\.\s", f"{line} ", maxsplit=1)[0].strip().rstrip(".")
    return sentence[:300] or "it gave no reason"
