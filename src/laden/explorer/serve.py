"""Opens a port of this machine, serves the explorer there, and opens the browser.

The port is of 127.0.0.1 alone. The browser is started with a private file that sends it on, so that the token stands in
no list of processes; where a browser of another system could not read that file (WSL), with the address itself. The
server ends with Ctrl-C, or when no page has asked anything for a while and nothing runs.
"""

from __future__ import annotations

import asyncio
import html
import os
import socket
import tempfile
import time
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from laden.explorer.app import application
from laden.explorer.guard import Guard
from laden.explorer.session import Session
from laden.values.errors import UsageError

IDLE_S = 30 * 60
_LOOK_S = 0.2
_REDIRECT_LIFE_S = 60


def listening(port: int | None) -> socket.socket:
    """A socket of this machine; raises `UsageError` where the port is taken."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Not SO_REUSEPORT: nobody else shall listen there too.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(("127.0.0.1", port or 0))
        opened.listen(128)
    except OSError as error:
        opened.close()
        raise UsageError(f"port {port} cannot be had ({error.strerror}): name another --port, or none") from None
    return opened


class _Server(uvicorn.Server):
    """Signals are the command's matter, which tells by `stopping`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    opened: socket.socket,
    session: Callable[[], Awaitable[Session]],
    ready: Callable[[str, str], None],
    *,
    idle_s: float = IDLE_S,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Serve until it is enough.

    Args:
        opened: what `listening` returned.
        session: makes the session, in this loop.
        ready: told the address of the page without and with its token, once the server answers.
        idle_s: seconds without a request after which the server ends.
        stopping: asked now and then; once true, the server ends.
    """
    port = opened.getsockname()[1]
    made = await session()
    guard = Guard(application(made), port)
    config = uvicorn.Config(
        guard,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    server = _Server(config)
    address = f"http://127.0.0.1:{port}/"
    watch = asyncio.create_task(_watched(server, guard, made, idle_s, stopping))
    announce = asyncio.create_task(_announced(server, lambda: ready(address, f"{address}#open={guard.token}")))
    try:
        await server.serve(sockets=[opened])
    finally:
        for task in (watch, announce):
            task.cancel()
        await asyncio.gather(watch, announce, return_exceptions=True)
        opened.close()


async def _announced(server: uvicorn.Server, ready: Callable[[], None]) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn tells by this alone
        await asyncio.sleep(0.01)
    ready()


async def _watched(
    server: uvicorn.Server, guard: Guard, session: Session, idle_s: float, stopping: Callable[[], bool]
) -> None:
    while not server.should_exit:
        await asyncio.sleep(min(_LOOK_S, idle_s))
        idle = time.monotonic() - guard.seen_s > idle_s and not session.jobs.running
        server.should_exit = server.should_exit or idle or stopping()


def open_browser(address: str) -> None:
    """Open the page in this person's browser; where there is none, the printed address will do."""
    if _is_wsl():
        webbrowser.open(address)
        return
    # Of mode 0600, as mkstemp makes it.
    number, name = tempfile.mkstemp(prefix="laden-explore-", suffix=".html")
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={html.escape(address, quote=True)}">'
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(page)
    webbrowser.open(Path(name).as_uri())
    _forget_later(Path(name))


def _forget_later(path: Path) -> None:
    """The token in it works once, and the file goes all the same."""
    loop = asyncio.get_running_loop()
    loop.call_later(_REDIRECT_LIFE_S, lambda: path.unlink(missing_ok=True))


def _is_wsl() -> bool:
    try:
        return "microsoft" in Path("/proc/sys/kernel/osrelease").read_text("utf-8").lower()
    except OSError:
        return False
