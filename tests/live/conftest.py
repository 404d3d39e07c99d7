"""Tests against the real Azure, for a person with a subscription; nobody else runs them.

    az login
    LADEN_LIVE_GROUP=a-resource-group LADEN_LIVE_LOCATION=westeurope pytest tests/live

They make a storage account of their own in that group, with a name that nobody has, and delete it at the end. What they
cost is some cents. `AZURE_...` settings and the home folder, which other tests do not see, are seen here.
"""

import os
import uuid
from collections.abc import Iterator

import pytest

_SEEN = ("AZURE_", "LADEN_LIVE_", "IDENTITY_", "MSI_")
_WHOLE = {
    name: value for name, value in os.environ.items() if name.startswith(_SEEN) or name in ("HOME", "USERPROFILE")
}
"""The person's environment, before any test changes it."""


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> str:
    """The resource group to work in; the test is left out where none is named."""
    if not {"LADEN_LIVE_GROUP", "LADEN_LIVE_LOCATION"} <= _WHOLE.keys():
        pytest.skip("needs a subscription: see tests/live/conftest.py")
    for name, value in _WHOLE.items():
        monkeypatch.setenv(name, value)
    return _WHOLE["LADEN_LIVE_GROUP"]


@pytest.fixture
def account_name(group: str) -> Iterator[str]:
    """A name for an account; whatever has it at the end is deleted."""
    from azure.core.exceptions import ResourceNotFoundError

    from laden.azure.clients import session

    name = f"ladenlive{uuid.uuid4().hex[:12]}"
    yield name
    with session() as opened:
        try:
            opened.storage.storage_accounts.delete(group, name)
        except ResourceNotFoundError:
            return
