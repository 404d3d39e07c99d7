"""Machines on one machine: network namespaces with a loopback, an address and a home of their own, on one bridge.

All of it lives in the network namespace that this process was started in (`unshare --net`), and ends with it: nothing
of the machine's own network is touched. What a machine sends to its own loopback at a port of the hub is passed on over
its link, with delay, and now and then a connection breaks; a link can be taken down.
"""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

HUB = "10.231.0.1"
_BRIDGE = "br0"
_CHUNK_BYTES = 64 << 10


def possible() -> str:
    """Why there can be no machines here; empty where there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    program = f"ip link set lo up && ip link add {_BRIDGE} type bridge && ip link add v0 type veth peer name v1"
    tried = subprocess.run(["unshare", "--net", "sh", "-c", program], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no network namespaces here: {tried.stderr.strip()}"


def begin() -> None:
    """Make this process's own namespace the hub."""
    _do("ip", "link", "set", "lo", "up")
    _do("ip", "link", "add", _BRIDGE, "type", "bridge")
    _do("ip", "addr", "add", f"{HUB}/24", "dev", _BRIDGE)
    _do("ip", "link", "set", _BRIDGE, "up")


class Machine:
    """A `with` block."""

    def __init__(self, number: int, folder: Path) -> None:
        """The number is from 1 on; the folder is its home."""
        self.address = f"10.231.0.{10 + number}"
        self.home = folder
        self._link = f"m{number}"
        self._holder: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        mine = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == mine:
            time.sleep(0.01)
        pid = str(self._holder.pid)
        _do("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        _do("ip", "link", "set", self._link, "master", _BRIDGE, "up")
        self._inside("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self._inside("ip", "link", "set", "eth0", "up")
        self._inside("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        assert self._holder is not None
        self._holder.kill()
        self._holder.wait()
        _do("ip", "link", "del", self._link, fails=True)

    def start(self, *command: str, log: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """Start a program there; what it writes goes into a file of that name."""
        assert self._holder is not None
        with (self.home / log).open("ab") as output:
            process = subprocess.Popen(
                ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env={**os.environ, "HOME": str(self.home), "TMPDIR": str(self.home), **(environment or {})},
            )
        self._processes.append(process)
        return process

    def reach(self, port: int, delay_s: float, broken_share: float) -> None:
        """Have its loopback pass a port on to the hub, each piece so much later, and break some of the connections."""
        self.start(
            sys.executable, "-m", "tests.machines.network", "127.0.0.1", str(port), HUB, str(port), str(delay_s),
            str(broken_share), log="link.log",
        )  # fmt: skip

    def limit(self, megabits_per_s: int) -> None:
        """Let its link carry so much."""
        rate = ["rate", f"{megabits_per_s}mbit", "burst", "256kb", "latency", "100ms"]
        self._inside("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", *rate)

    def part(self, seconds: float) -> None:
        """Take its link down for a while."""
        _do("ip", "link", "set", self._link, "down")
        time.sleep(seconds)
        _do("ip", "link", "set", self._link, "up")

    def _inside(self, *command: str) -> None:
        assert self._holder is not None
        _do("nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *command)


def _do(*command: str, fails: bool = False) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert fails or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


class Passing:
    """Passes what comes to one address on to another; ends with the process."""

    def __init__(self, ours: tuple[str, int], theirs: tuple[str, int], delay_s: float, broken_share: float) -> None:
        self._theirs = theirs
        self._delay_s = delay_s
        self._broken_share = broken_share
        self._listener = socket.create_server(ours, backlog=256)
        self._chance = random.Random(ours[0])

    def serve(self) -> None:
        while True:
            theirs, _ = self._listener.accept()
            try:
                onward = socket.create_connection(self._theirs, 10)
            except OSError:
                theirs.close()
                continue
            onward.settimeout(None)
            for one, other in ((theirs, onward), (onward, theirs)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(_CHUNK_BYTES):
                if self._broken_share and self._chance.random() < self._broken_share:
                    break
                if self._delay_s:
                    time.sleep(self._delay_s)
                other.sendall(data)
        except OSError:
            pass
        for each in (one, other):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                each.close()


if __name__ == "__main__":
    Passing(
        (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4])), float(sys.argv[5]), float(sys.argv[6])
    ).serve()
