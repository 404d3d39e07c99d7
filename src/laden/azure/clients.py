"""Which cloud, which subscription, who is signed in; and Microsoft's management clients, opened with that.

The cloud is the public one, or the one that AZURE_SDK_CLOUD_CONF names in azure-core's way (AZURE_US_GOVERNMENT,
AZURE_CHINA_CLOUD); AZURE_RESOURCE_MANAGER_URL gives the address of any other Resource Manager, https only. The
subscription is the one asked for, AZURE_SUBSCRIPTION_ID, the default of `az account set`, or the only one there is.

The libraries are imported when a client is opened: a load needs none of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from laden.azure.refusals import explained
from laden.store.clouds import Cloud, find_cloud
from laden.store.signin import SignIn, careful
from laden.values.errors import AccessDenied, UsageError
from laden.values.told import from_json

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.mgmt.authorization import AuthorizationManagementClient
    from azure.mgmt.storage import StorageManagementClient

STORAGE_API = "2026-04-01"
"""Of Microsoft.Storage; the version whose published schema the requests are held against."""
AUTHORIZATION_API = "2022-04-01"
SUBSCRIPTIONS_API = "2022-12-01"
PROVIDERS_API = "2021-04-01"

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Session:
    """Someone signed in, to one subscription. Clients are opened when they are asked for, and closed with it."""

    def __init__(
        self, cloud: Cloud, subscription: str, signed_in: SignIn, pipeline: PipelineClient[Any, Any], closing: ExitStack
    ) -> None:
        self.cloud = cloud
        self.subscription = subscription
        self.signed_in = signed_in
        self._pipeline = pipeline
        self._closing = closing

    @cached_property
    def storage(self) -> StorageManagementClient:
        """A client for storage accounts."""
        with _extra("azure", "azure-mgmt-storage"):
            from azure.mgmt.storage import StorageManagementClient
        client = StorageManagementClient(
            self.signed_in,
            self.subscription,
            base_url=self.cloud.resource_manager,
            credential_scopes=[self.cloud.scope],
            api_version=STORAGE_API,
            polling_interval=2,
            **careful(),
        )
        return self._closing.enter_context(client)

    @contextmanager
    def authorization(self) -> Iterator[AuthorizationManagementClient]:
        """A client for role assignments."""
        with _extra("azure", "azure-mgmt-authorization"):
            from azure.mgmt.authorization import AuthorizationManagementClient
        with AuthorizationManagementClient(
            self.signed_in,
            self.subscription,
            base_url=self.cloud.resource_manager,
            credential_scopes=[self.cloud.scope],
            **careful(),
        ) as client:
            yield client

    def get(self, path: str, api_version: str) -> dict[str, Any]:
        """A GET of Resource Manager that the clients have no method for; the answer's JSON."""
        with explained(f"read {path}"):
            return self.request("GET", path, api_version)

    def request(
        self, method: str, path: str, api_version: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One request to Resource Manager; the answer's JSON.

        Raises:
            HttpResponseError: azure-core's own; see `refusals.explained`.
        """
        return _request(self._pipeline, method, self.cloud.resource_manager + path, api_version, body, query)


def resource_manager() -> Cloud:
    """The cloud that the environment names, with the Resource Manager that it names.

    Raises:
        UsageError: one of the two cannot be used.
    """
    cloud = find_cloud()
    address = os.environ.get("AZURE_RESOURCE_MANAGER_URL")
    return cloud._replace(resource_manager=_checked(address)) if address else cloud


@contextmanager
def session(subscription: str | None = None, *, extra: str = "azure") -> Iterator[Session]:
    """Sign in, and find the subscription.

    Args:
        subscription: its id; None to find it.
        extra: what to install where a library is absent.

    Raises:
        UsageError: the extra is not installed, a setting is wrong, or it is not clear which subscription is meant.
        AccessDenied: nobody is signed in.
    """
    cloud = resource_manager()
    with ExitStack() as closing:
        signed_in = closing.enter_context(SignIn())
        pipeline = closing.enter_context(_pipeline(cloud, signed_in, extra))
        # The clients would only show their own errors for it, and later.
        signed_in.get_token(cloud.scope)
        chosen = subscription or os.environ.get("AZURE_SUBSCRIPTION_ID", "") or _default_of_az()
        if not chosen:
            with explained("list the subscriptions"):
                found = _request(pipeline, "GET", f"{cloud.resource_manager}/subscriptions", SUBSCRIPTIONS_API)
            chosen = _only_one(found["value"])
        if not _GUID.fullmatch(chosen):
            raise UsageError(f"'{chosen}' is not a subscription's id: 'az account list' shows yours")
        yield Session(cloud, chosen, signed_in, pipeline, closing)


def _pipeline(cloud: Cloud, signed_in: SignIn, extra: str) -> PipelineClient[Any, Any]:
    """Azure's pipeline for Resource Manager, without redirects: tokens stay with the host that they are for.

    Nor does it register resource providers by itself, as the clients do: nobody asked for that.
    """
    with _extra(extra, "azure-mgmt-core"):
        from azure.core import PipelineClient
        from azure.core.pipeline import policies
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy, ARMHttpLoggingPolicy
    return PipelineClient(
        cloud.resource_manager,
        policies=[
            policies.RequestIdPolicy(),
            policies.UserAgentPolicy("laden"),
            policies.ProxyPolicy(),
            policies.RetryPolicy(),
            ARMChallengeAuthenticationPolicy(signed_in, cloud.scope),
            ARMHttpLoggingPolicy(),
        ],
        **careful(),
    )


@contextmanager
def _extra(name: str, package: str) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise UsageError(f"this needs {package}, which is not installed: pip install 'laden[{name}]'") from None


def _request(
    pipeline: PipelineClient[Any, Any],
    method: str,
    address: str,
    api_version: str,
    body: object = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    from azure.core.exceptions import HttpResponseError
    from azure.core.rest import HttpRequest

    asked = HttpRequest(method, address, params={"api-version": api_version, **(query or {})}, json=body)
    answer = pipeline.send_request(asked)
    answer.raise_for_status()
    if answer.status_code >= 300:
        # A redirect, which nobody follows, is no answer.
        raise HttpResponseError(response=answer)
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def _checked(address: str) -> str:
    """The address of Resource Manager; tokens are sent to it, so that only TLS will do."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme == "https" and parts.hostname and not (parts.username or parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError("AZURE_RESOURCE_MANAGER_URL must be an address that begins with https:// and holds no login")
    return address.rstrip("/")


def _default_of_az() -> str:
    """What `az account set` chose (azureProfile.json in AZURE_CONFIG_DIR or ~/.azure); empty where it did not."""
    folder = os.environ.get("AZURE_CONFIG_DIR") or "~/.azure"
    try:
        profile = from_json((Path(folder).expanduser() / "azureProfile.json").read_text("utf-8-sig"))
        return next(str(one["id"]) for one in profile["subscriptions"] if one.get("isDefault"))
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return ""


def _only_one(subscriptions: list[dict[str, Any]]) -> str:
    usable = [one for one in subscriptions if one.get("state", "Enabled") == "Enabled"]
    if len(usable) == 1:
        return str(usable[0]["subscriptionId"])
    if not usable:
        raise AccessDenied("whoever is signed in sees no subscription: ask for a role in one, or sign in to its tenant")
    named = ", ".join(f"{one.get('displayName', '')} ({one['subscriptionId']})" for one in usable[:5])
    raise UsageError(
        f"there are {len(usable)} subscriptions, and none is the default: give --subscription, or run"
        f" 'az account set'; such as {named}"
    )
