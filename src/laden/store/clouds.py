"""The clouds that Azure has: where one signs in, where Resource Manager is, what follows an account's name.

The public one, or the one that AZURE_SDK_CLOUD_CONF names (azure-core's setting, with its names).
Sources: azure-identity's AzureAuthorityHosts, azure-mgmt-core's get_arm_endpoints, Azure CLI's cloud.py.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from laden.values.errors import UsageError


class Cloud(NamedTuple):
    """One cloud's addresses."""

    authority: str
    """Host of Microsoft Entra."""
    resource_manager: str
    """Without a slash at its end."""
    scope: str
    """What a token for Resource Manager is asked for with."""
    blob_suffix: str
    """What follows an account's name in its Blob endpoint."""


_CLOUDS = {
    "AZURE_PUBLIC_CLOUD": Cloud(
        "login.microsoftonline.com",
        "https://management.azure.com",
        "https://management.azure.com/.default",
        "blob.core.windows.net",
    ),
    "AZURE_US_GOVERNMENT": Cloud(
        "login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "blob.core.usgovcloudapi.net",
    ),
    "AZURE_CHINA_CLOUD": Cloud(
        "login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "blob.core.chinacloudapi.cn",
    ),
}

BLOB_SUFFIXES = (*(cloud.blob_suffix for cloud in _CLOUDS.values()), "blob.storage.azure.net")
"""What follows an account's name, or `account.privatelink` or `account.zNN`, in a Blob endpoint of any cloud.

The last is of accounts with DNS zones ("Storage account overview", "Azure DNS zone endpoints")."""


def find_cloud() -> Cloud:
    """The cloud that the environment names.

    Raises:
        UsageError: it names one that is not known.
    """
    name = os.environ.get("AZURE_SDK_CLOUD_CONF") or "AZURE_PUBLIC_CLOUD"
    if name not in _CLOUDS:
        raise UsageError(f"AZURE_SDK_CLOUD_CONF names no cloud that is known: give one of {', '.join(_CLOUDS)}")
    return _CLOUDS[name]
