"""Another tool's word for it: real AzCopy reads back a load of the real table's folder 6, and checks every MD5."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from bench.peers import find_azcopy

from laden.dataset.table import Table
from laden.demo.emulator import Emulator
from tests.conftest import CACHE
from tests.support.dataset import tiny_png
from tests.support.harness import run

pytest_plugins = ("tests.support.padchest",)


@pytest.fixture(scope="session")
def azcopy() -> Path:
    """AzCopy from its npm package; needs Debian's libsecret-1-0."""
    found = find_azcopy(CACHE.parent / "azcopy") if sys.platform == "linux" else None
    if found is None or subprocess.run([found, "--version"], capture_output=True).returncode:
        pytest.skip("AzCopy does not run here: it comes for Linux, and needs libsecret")
    return found


@pytest.fixture
def folder(tmp_path: Path, padchest_table: Path) -> Path:
    """The real table beside a synthetic 6.zip: the real names, tiny images."""
    source = tmp_path / "padchest"
    source.mkdir()
    shutil.copy(padchest_table, source)
    csv.field_size_limit(1 << 24)
    with (
        gzip.open(padchest_table, "rt", newline="", encoding="utf-8") as text,
        zipfile.ZipFile(source / "6.zip", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for number, row in enumerate(row for row in csv.DictReader(text) if row["ImageDir"] == "6"):
            archive.writestr(row["ImageID"], tiny_png(number))
    return source


def test_azcopy_reads_everything_back(azcopy: Path, folder: Path, tmp_path: Path, emulator: Emulator) -> None:
    there = emulator.url("oracle")
    first = run("load", folder, there, "--archives", "6", "--yes", "--json")
    # Tiny images stand in for the real ones, and laden says so of every one.
    assert first.summary["findings"] == {"image-size": 1645}
    assert (first.code, first.summary["matched"], first.summary["sent"]) == (3, 1645, 1645)
    again = run("load", folder, there, "--archives", "6", "--yes", "--json")
    assert (again.code, again.summary["sent"], again.summary["already_there"]) == (3, 0, 1645)

    until = datetime.now(UTC) + timedelta(hours=1)
    permission = ContainerSasPermissions(read=True, list=True)
    sas = generate_container_sas(emulator.account, "oracle", emulator.key, permission=permission, expiry=until)
    flags = ["--recursive", "--check-md5", "FailIfDifferentOrMissing", "--from-to", "BlobLocal"]
    own = {"AZCOPY_LOG_LOCATION": str(tmp_path / "logs"), "AZCOPY_JOB_PLAN_LOCATION": str(tmp_path / "plans")}
    # Held open: at the end of its standard input, AzCopy spins.
    with subprocess.Popen(
        [azcopy, "copy", f"{there}?{sas}", tmp_path / "back", *flags, "--check-version=false"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | own,
    ) as copying:
        assert copying.stdout is not None
        printed = copying.stdout.read()
    assert copying.returncode == 0, printed
    assert "Number of File Transfers Completed: 1649" in printed
    assert "Number of File Transfers Failed: 0" in printed

    back = tmp_path / "back" / "oracle"
    landed = {path.name: path.read_bytes() for path in (back / "png" / "6").iterdir()}
    with zipfile.ZipFile(folder / "6.zip") as archive:
        assert landed == {name: archive.read(name) for name in archive.namelist()}
    original = Table.open(next(folder.glob("*.csv.gz")))
    expected = original.header_bytes + b"".join(
        record.raw for record in original.records() if record.fields[original.column("ImageDir")] == "6"
    )
    assert (back / "PADCHEST_SMALL.csv").read_bytes() == expected
