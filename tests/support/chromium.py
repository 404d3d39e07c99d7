"""Opens pages in a headless Chromium, as the DevTools protocol does over a pipe: no port, no driver, no library.

A message is JSON and a zero byte; the browser reads them from descriptor 3 and writes them to 4
(`--remote-debugging-pipe`). Widths below that of the smallest window are possible this way only.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

_NAMES = ("chromium", "chromium-browser", "google-chrome") if sys.platform != "win32" else ()
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
_ABOVE = 10
_DEADLINE_S = 60
_AT_ONCE_BYTES = 1 << 16
_TAKE_PIPES = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class Browser:
    """A `with` block around one browser, which is gone afterwards."""

    def __init__(self, folder: Path, *flags: str) -> None:
        """`folder` takes its profile; nothing of this person's is read or written. `flags` are Chromium's own."""
        self._folder = folder
        self._flags = flags
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """Whatever the page's console was told, from `open` on, that is no plain log."""
        self.requests: list[str] = []
        """Addresses that the page asked for, from `open` on."""

    def __enter__(self) -> Browser:
        assert CHROMIUM is not None
        browser_reads, we_write = _pipe()
        we_read, browser_writes = _pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--no-first-run", "--disable-background-networking", "--disable-component-update",
                 f"--user-data-dir={self._folder}", "--remote-debugging-pipe"]  # fmt: skip
        flags += self._flags
        command = [sys.executable, "-c", _TAKE_PIPES, str(browser_reads), str(browser_writes), CHROMIUM, *flags]
        self._process = subprocess.Popen(
            command, pass_fds=(browser_reads, browser_writes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(browser_reads)
        os.close(browser_writes)
        self._to: BinaryIO = os.fdopen(we_write, "wb", buffering=0)
        self._from: BinaryIO = os.fdopen(we_read, "rb", buffering=0)
        self._unread = bytearray()
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Security"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._session = None
            # It may be gone before it answers.
            with contextlib.suppress(AssertionError, OSError):
                self._ask("Browser.close")
            self._process.wait(_DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._to.close()
            self._from.close()

    def open(self, page: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a local file, and wait until all of it is there."""
        self.complaints.clear()
        self.requests.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._ask("Page.navigate", url=page.absolute().as_uri())
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, file: Path, *, whole: bool = True) -> None:
        data = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))

    def pages(self) -> int:
        """On how many pages it would be printed."""
        printed = base64.b64decode(self._ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])
        return printed.count(b"/Type /Page") - printed.count(b"/Type /Pages")

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        """The next message; what the page complains of is written down in passing."""
        seen = 0
        while (end := self._unread.find(b"\0", seen)) < 0:
            seen = len(self._unread)
            part = self._from.read(_AT_ONCE_BYTES)
            assert part, "the browser ended"
            self._unread += part
        message: dict[str, Any] = json.loads(self._unread[:end])
        del self._unread[: end + 1]
        told = message.get("params", {})
        if message.get("method") == "Log.entryAdded":
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())
        elif message.get("method") == "Runtime.exceptionThrown" or (
            message.get("method") == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert")
        ):
            self.complaints.append(json.dumps(told))
        elif message.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        return message


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are not those that the browser's take."""
    import fcntl  # not on Windows, where the browser takes handles instead

    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]
