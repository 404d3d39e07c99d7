"""Source and destination of a load: folders that are to be made, and the destination as a container, too."""

from pathlib import Path

import pytest

from tests.support.destinations import AzuritePlace, FolderPlace, Place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture(params=["folder", "azurite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Somewhere empty to load to: a folder, or a container of the emulator."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "there")
    return AzuritePlace(request.getfixturevalue("emulator"), request.getfixturevalue("container"))
