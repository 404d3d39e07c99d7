"""A zip behind a link to blobs, and to a disk: laden beside a download, unzip and AzCopy, rclone's archives, aria2.

`python -m bench.remote [--runs 3] [--total-mbps 50] [--connection-mbps 0] [--only load,part,fetch,repair]`. The zip is
of 40 stored PNGs of 7.75 MB, with the records of PADCHEST's table that name them; the publisher's server
(`bench.ranges`) answers 30 ms late and gives so much in all, and so much a connection; blobs go to the endpoint that
discards them. All tools run in turns. What is counted as moved is what the publisher's server sent.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import peers, workloads
from bench.measure import run
from bench.peers import SAS, AzCopy
from bench.ranges import counts, publisher
from bench.server import Endpoint, endpoint
from bench.table import table

IMAGES, PART = 40, 2
LATENCY_MS, TOTAL_MBPS = 30, 50.0
CONNECTIONS = 8
"""Of aria2; laden finds out itself."""
_ZIP, _TABLE = "0.zip", "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "laden-bench"
_LADEN = str(Path(sys.executable).with_name("laden"))


def dataset(work: Path) -> Path:
    """The folder with the zip and its table, made once."""
    folder = work / f"remote-{IMAGES}"
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    labels = table(work)
    with zipfile.ZipFile(workloads.images(work).stored / _ZIP) as source, zipfile.ZipFile(folder / _ZIP, "w") as out:
        for member in source.infolist()[:IMAGES]:
            out.writestr(member, source.read(member))
    with zipfile.ZipFile(folder / _ZIP) as made:
        (folder / "names.txt").write_text("\n".join(made.namelist()))
    select = [_LADEN, "select", str(labels), "--images-from", str(folder / "names.txt"), "-o", str(folder / _TABLE)]
    subprocess.run(select, check=True)
    (folder / "done").touch()
    return folder


class Bench:
    """What the cases share."""

    def __init__(self, data: Path, url: str, served: Endpoint, runs: int) -> None:
        self._data = data
        self._server = url
        self._url = f"{url}/{data.name}"
        self._served = served
        self._runs = runs
        self.found: dict[str, Any] = {}
        self._azcopy = peers.find_azcopy(_CACHE)
        self._rclone = peers.find_rclone(_CACHE)

    @property
    def archive_bytes(self) -> int:
        """Of the zip."""
        return (self._data / _ZIP).stat().st_size

    def load(self) -> None:
        """All images to blobs."""
        self._in_turns("load", self._loads(), images=IMAGES)

    def part(self) -> None:
        """5 % of the images by a condition."""
        with zipfile.ZipFile(self._data / _ZIP) as made:
            chosen = made.namelist()[:: IMAGES // PART]
        condition = f"ImageID IN ({', '.join(repr(name) for name in chosen)})"
        command = self._laden_load("--where", condition)
        self._in_turns("part", {"laden --where": lambda scratch: command}, images=PART, runs=1)

    def fetch(self) -> None:
        """The zip to a disk."""
        link = f"{self._url}/{_ZIP}"
        aria2 = ["aria2c", "-q", "--file-allocation=none", f"-x{CONNECTIONS}", f"-s{CONNECTIONS}", "-k1M", link]
        commands: dict[str, Callable[[Path], list[str]]] = {
            "laden fetch": lambda scratch: [_LADEN, "fetch", link, str(scratch / "to"), "-q"],
            f"aria2c -x{CONNECTIONS}": lambda scratch: aria2,
            f"aria2c -x{CONNECTIONS}, unzip -t": lambda scratch: _shell(f"{shlex.join(aria2)} && unzip -tqq {_ZIP}"),
            "curl": lambda scratch: ["curl", "-sSO", link],
        }
        self._in_turns("fetch", commands)

    def repair(self) -> None:
        """One damaged member of a zip on the disk."""

        def damaged(scratch: Path) -> list[str]:
            (scratch / "to").mkdir()
            shutil.copyfile(self._data / _ZIP, scratch / "to" / _ZIP)
            with (scratch / "to" / _ZIP).open("r+b") as file:
                file.seek(self.archive_bytes // 2)
                file.write(bytes(64))
            return [_LADEN, "fetch", "--repair", f"{self._url}/{_ZIP}", str(scratch / "to"), "-q"]

        self._in_turns("repair", {"laden fetch --repair": damaged}, runs=1)

    def _loads(self) -> dict[str, Callable[[Path], list[str]]]:
        link, blobs = f"{self._url}/{_ZIP}", f"{self._served.container_url}"
        found: dict[str, Callable[[Path], list[str]]] = {"laden": lambda scratch: self._laden_load()}
        if self._azcopy is not None:
            azcopy = AzCopy(self._azcopy, True)
            aria2 = f"aria2c -q --file-allocation=none -x{CONNECTIONS} -s{CONNECTIONS} -k1M {link}"

            def by(download: str) -> Callable[[Path], list[str]]:
                def command(scratch: Path) -> list[str]:
                    (scratch / "x").mkdir()
                    copy = shlex.join(azcopy.copy(str(scratch / "x"), blobs))
                    return _shell(f"{download} && unzip -qq {_ZIP} -d x && {copy}")

                return command

            found["curl, unzip, AzCopy --put-md5"] = by(f"curl -sSO {link}")
            found[f"aria2c -x{CONNECTIONS}, unzip, AzCopy --put-md5"] = by(aria2)
        if self._rclone is not None:
            there = f":azureblob:{blobs.rsplit('/', 1)[1]}"
            flags = ["--config", os.devnull, "--no-traverse", "--stats", "0", "--transfers", "64"]
            # At the root of a host it does not find the archive.
            remote = f":archive:publisher:{self._data.name}/{_ZIP}"
            found["rclone copy :archive:"] = lambda scratch: [str(self._rclone), "copy", remote, there, *flags]
        return found

    def _laden_load(self, *options: str) -> list[str]:
        source = [f"{self._url}/{_ZIP}", f"{self._url}/{_TABLE}"]
        return [_LADEN, "load", *source, self._served.container_url, "--yes", "-q", *options]

    def _in_turns(
        self, key: str, commands: dict[str, Callable[[Path], list[str]]], *, images: int = 0, runs: int = 0
    ) -> None:
        for turn in range(runs or self._runs):
            order = list(commands)[turn % len(commands) :] + list(commands)[: turn % len(commands)]
            for name in order:
                with _scratch() as scratch:
                    self._once(key, name, commands[name](scratch), scratch, images)

    def _once(self, key: str, name: str, command: list[str], scratch: Path, images: int) -> None:
        self._served.empty()
        counts(self._server, reset=True)
        environment = {
            "LADEN_SAS": SAS,
            "RCLONE_AZUREBLOB_SAS_URL": f"{self._served.container_url}?{SAS}",
            "RCLONE_CONFIG_PUBLISHER_TYPE": "http",
            "RCLONE_CONFIG_PUBLISHER_URL": self._server,
            **(AzCopy(self._azcopy, True).environment(scratch) if self._azcopy else {}),
        }
        cost = run(command, scratch, environment, self._served)
        asked = counts(self._server)
        sent = {"puts": cost.requests.get("blobs", 0)} if images else {}
        row = {
            "wall_s": round(cost.wall_s, 2),
            "cpu_s": round(cost.cpu_s, 2),
            "requests": asked["requests"],
            "moved": round(asked["sent_bytes"] / self.archive_bytes, 4),
            "disk_bytes": cost.disk_bytes,
            "exit_code": cost.exit_code,
            **sent,
        }
        if cost.exit_code not in (0, 3):
            row["stderr"] = cost.stderr[-300:]
        print(key, name, json.dumps(row), flush=True)
        self.found.setdefault(key, {}).setdefault(name, []).append(row)


def _shell(line: str) -> list[str]:
    return ["sh", "-c", line]


@contextmanager
def _scratch() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="run-", dir=_CACHE))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def main() -> None:
    """Run the cases and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--total-mbps", type=float, default=TOTAL_MBPS, help="what the line gives; 0 for no bound")
    parser.add_argument("--connection-mbps", type=float, default=0.0, help="what one connection gets; 0 for all of it")
    parser.add_argument("--only", default="load,part,fetch,repair")
    given = parser.parse_args()
    data = dataset(_CACHE)
    options = ["--latency-ms", str(LATENCY_MS), "--total-mbps", str(given.total_mbps)]
    options += ["--connection-mbps", str(given.connection_mbps)]
    with publisher(data.parent, *options) as url, endpoint() as served:
        bench = Bench(data, url, served, given.runs)
        for case in given.only.split(","):
            getattr(bench, case)()
    for key, tools in bench.found.items():
        for name, rows in tools.items():
            wall_s = statistics.median(row["wall_s"] for row in rows)
            print(f"{key}: {name}: {wall_s:.2f} s, moved {rows[-1]['moved']:.2%} of {bench.archive_bytes:,} bytes")


if __name__ == "__main__":
    main()
