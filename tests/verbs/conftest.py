"""The destination of a load, as a folder and as a container."""

from pathlib import Path

import pytest

from tests.support.destinations import AzuritePlace, FolderPlace, Place


@pytest.fixture(params=["folder", "azurite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Somewhere empty to load to: a folder, or a container of the emulator."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "there")
    return AzuritePlace(request.getfixturevalue("emulator"), request.getfixturevalue("container"))
