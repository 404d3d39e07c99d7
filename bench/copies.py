"""Copying between two accounts of one Azurite, by the service itself: laden beside AzCopy.

Azurite copies from its own accounts alone, and has Put Block From URL, but not Put Blob From URL, which both tools
prefer. laden finds out and goes on with one block a blob; AzCopy fails, so it is told to take two blocks, which it does
by the request that is there. Azurite is one process that both wait for; what the cloud does is not seen here.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from bench import workloads
from bench.cases import QUICK_SMALL_FILES, Setup, said
from bench.measure import Cost, run, summarise
from bench.peers import AzCopy
from laden.demo.emulator import Emulator

ACCOUNTS = {name: base64.b64encode(name.encode() * 4).decode() for name in ("accounta", "accountb")}
_API_VERSION = "2026-06-06"


def copy_case(setup: Setup) -> dict[str, Any]:
    """Copy 5,000 small blobs; each tool to a container of its own, as often as asked."""
    load = workloads.small(setup.work, QUICK_SMALL_FILES)
    laden = Path(sys.executable).with_name("laden")
    costs: dict[str, list[Cost]] = {}
    flags = {"laden": "copy --yes --json"}
    with Emulator(accounts=ACCOUNTS) as emulator, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        source, sas = _container(emulator, "accounta", "source", "rwcl")
        loaded = run([laden, "load", load.extracted, source, "--yes", "--quiet"], Path(folder), {"LADEN_SAS": sas})
        if loaded.exit_code not in (0, 3):
            setup.failures.append(f"copy: the source was not loaded: {loaded.stderr[-400:]}")
            return {}
        for turn in range(setup.runs):
            for name in ("laden", *(["AzCopy tuned"] if setup.azcopy else [])):
                there, target_sas = _container(emulator, "accountb", f"{name.split()[0].lower()}{turn}", "rwcl")
                scratch = Path(tempfile.mkdtemp(dir=folder))
                if name == "laden":
                    environment = {"LADEN_SOURCE_SAS": sas, "LADEN_SAS": target_sas}
                    command: list[str | Path] = [laden, "copy", source, there, "--yes", "--json"]
                else:
                    assert setup.azcopy is not None
                    tuned = AzCopy(setup.azcopy, True, md5=False)
                    options = ["--recursive", "--from-to", "BlobBlob", "--check-version=false", "--log-level", "ERROR"]
                    options += ["--put-blob-size-mb", "0.0078125", "--block-size-mb", "0.015625"]
                    options += ["--exclude-path", "_laden"]
                    command = [tuned.program, "copy", f"{source}?{sas}", f"{there}?{target_sas}", *options]
                    environment, flags[name] = tuned.environment(scratch), " ".join(options)
                cost = run(command, scratch, environment)
                cost.requests = {"blobs": {"": _blobs(there, target_sas)}}
                costs.setdefault(name, []).append(cost)
                if cost.exit_code not in (0, 3):
                    setup.failures.append(f"copy: {name}: exit {cost.exit_code}: {cost.stdout[-300:]}")
                shutil.rmtree(scratch)
    peers = {
        name: {**summarise(runs, load.files).to_json(), "flags": flags[name], "said": said(runs[-1].stdout)}
        for name, runs in costs.items()
    }
    title = f"{load.files:,} blobs of 20 kB between two accounts of one Azurite"
    return {"title": title, "files": load.files, "size_bytes": load.size_bytes, "endpoint": "Azurite", "peers": peers}


def _container(emulator: Emulator, account: str, name: str, letters: str) -> tuple[str, str]:
    """A new container, and a SAS for it."""
    now = datetime.now(UTC)
    sas = generate_container_sas(
        account,
        name,
        account_key=ACCOUNTS[account],
        permission=ContainerSasPermissions.from_string(letters),
        start=now - timedelta(minutes=5),
        expiry=now + timedelta(hours=2),
        version="2023-11-03",
    )
    url = f"http://127.0.0.1:{emulator.port}/{account}/{name}"
    endpoint = url.rpartition("/")[0]
    with ContainerClient(endpoint, name, ACCOUNTS[account], api_version=_API_VERSION) as client:
        client.create_container()
    return url, sas


def _blobs(url: str, sas: str) -> int:
    with ContainerClient.from_container_url(f"{url}?{sas}", api_version=_API_VERSION) as client:
        return sum(1 for blob in client.list_blobs() if not blob.name.startswith("_laden/"))
