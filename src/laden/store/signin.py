"""Whoever is signed in to Azure here, for every service: azure-identity's default chain, its failures as one sentence.

In order, as azure-identity asks: the environment (service principal), workload identity, managed identity, and the
tools of a developer's machine, `az login` among them. Which of them are asked is for AZURE_TOKEN_CREDENTIALS to say;
the directory is the public cloud's, or the one that AZURE_AUTHORITY_HOST or AZURE_SDK_CLOUD_CONF name.

Tokens are kept by azure-identity, in memory, and never written anywhere. Signing in itself is not done here.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Self

from laden.store.clouds import find_cloud
from laden.values.errors import AccessDenied, UsageError
from laden.values.told import from_json

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

STORAGE_SCOPE = "https://storage.azure.com/.default"
"""For every account in every cloud ("Authorize access to blobs using Microsoft Entra ID", "resource ID")."""

_WAYS = {
    "Environment": "environment",
    "WorkloadIdentity": "workload identity",
    "ManagedIdentity": "managed identity",
    "AzureCli": "az login",
    "AzurePowerShell": "Azure PowerShell",
    "AzureDeveloperCli": "azd",
    "VisualStudioCode": "Visual Studio Code",
    "SharedTokenCache": "shared token cache",
    "Broker": "broker",
}


class SignIn:
    """A token credential for the Azure SDKs whose errors are laden's. Close it, or use it in a `with` block."""

    def __init__(self) -> None:
        """Prepare; nobody is asked yet.

        Raises:
            UsageError: a setting AZURE_... that azure-identity does not take.
        """
        # Without a handler, Python itself prints azure-identity's warnings, which the sentence here replaces.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        from azure.identity import DefaultAzureCredential

        authority = os.environ.get("AZURE_AUTHORITY_HOST") or find_cloud().authority
        try:
            self._chain = DefaultAzureCredential(authority=authority, **trust())
        except ValueError:
            raise _setting_refused() from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._chain.close()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for a scope, new or kept.

        Raises:
            AccessDenied: nobody is signed in, or Entra refuses who is.
            UsageError: a setting AZURE_... in the environment is not valid.
        """
        from azure.core.exceptions import AzureError

        try:
            return self._chain.get_token(*scopes, **options)
        except ValueError:
            raise _setting_refused() from None
        except AzureError as error:
            raise AccessDenied(_why(str(error))) from None

    def claims(self, scope: str) -> dict[str, Any]:
        """What the token for a scope says of its holder: `oid`, `tid`, `scp` (RFC 7519); nothing if it is opaque."""
        try:
            payload = self.get_token(scope).token.split(".")[1]
            claims: dict[str, Any] = from_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError, binascii.Error):
            return {}
        return claims


def trust() -> dict[str, Any]:
    """The certificates that requests of the Azure SDKs trust: those of SSL_CERT_FILE, as everywhere else in laden.

    REQUESTS_CA_BUNDLE, which the SDKs know by themselves, comes first.
    """
    named = os.environ.get("SSL_CERT_FILE", "")
    return {"connection_verify": named} if named and not os.environ.get("REQUESTS_CA_BUNDLE") else {}


def careful() -> dict[str, Any]:
    """How clients of the Azure SDKs send: with `trust`, and to nobody but whom they were told; no redirect is followed.

    The SDKs would repeat a request elsewhere, signed once more where a key signs it.
    """
    return {"permit_redirects": False, **trust()}


def _setting_refused() -> UsageError:
    return UsageError("a setting AZURE_... in the environment is not valid: check tenant and client id")


def _why(told: str) -> str:
    """One sentence of a chain's long story, which names who was asked; nothing else of it is repeated."""
    asked = [_WAYS.get(name, name) for name in re.findall(r"^\s+(\w+)Credential: ", told, re.MULTILINE)]
    code = re.findall(r"\bAADSTS\d{4,8}\b", told)
    if code:
        who = asked[-1] if asked else "sign-in"
        return (
            f"Microsoft Entra refuses the sign-in that was found first ({who}, {code[-1]}):"
            " run 'az login' again, or check the service principal in AZURE_CLIENT_ID and its secret or certificate"
        )
    tried = f" (tried: {', '.join(asked)})" if asked else ""
    return (
        f"nobody is signed in to Azure here{tried}: run 'az login', set AZURE_TENANT_ID, AZURE_CLIENT_ID and"
        " AZURE_CLIENT_SECRET, or use a managed identity; for blobs alone,"
        " a SAS in LADEN_SAS or a key in AZURE_STORAGE_KEY will do"
    )
