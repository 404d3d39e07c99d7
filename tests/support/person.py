"""A person at a browser: opens an address, waits for what is to be seen, clicks, drags, types.

On top of `chromium.Browser`, by the DevTools protocol's `Input`. Nothing sleeps: what is waited for is asked for in the
page, until it is there or the deadline is over.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.chromium import Browser

_DEADLINE_S = 60
_CODES = {"Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
          "Tab": 9, "Home": 36, "End": 35, "PageDown": 34, "PageUp": 33}  # fmt: skip


class Person(Browser):
    """Uses one page."""

    def visit(self, url: str, *, width: int = 1280, height: int = 860, dark: bool = False) -> None:
        """Open an address, as from a link somewhere else."""
        self._ask("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank'")
        self.complaints.clear()
        self.requests.clear()
        self.look(width=width, height=height, dark=dark)
        self._ask("Page.navigate", url=url)

    def look(self, *, width: int = 1280, height: int = 860, dark: bool = False, still: bool = True) -> None:
        """At a window of that size, in light or dark."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self._ask("Emulation.setEmulatedMedia", features=features)
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def wait(self, script: str) -> Any:
        """Until an expression in the page is true; returns it."""
        until_s = time.monotonic() + _DEADLINE_S
        while time.monotonic() < until_s:
            tried = (
                f"(() => {{ try {{ const x = {script}; return x instanceof Node || x }} catch {{ return false }} }})()"
            )
            if found := self.evaluate(f"new Promise(r => requestAnimationFrame(() => r({tried})))"):
                return found
        shown = self.evaluate("document.body.innerText.slice(0, 3000)")
        raise AssertionError(f"never came true: {script}\n{shown}\n{self.complaints}")

    def sees(self, text: str) -> None:
        """Waits for a text."""
        self.wait(f"document.body.innerText.includes({json.dumps(text)})")

    def click(self, text: str, of: str = "button, summary, a, option, label", *, times: int = 1, nth: int = 0) -> None:
        """On what says that, or has that as its label."""
        found = (
            f"[...document.querySelectorAll({json.dumps(of)})].filter(e => e.checkVisibility() &&"
            f" [e.getAttribute('aria-label'), e.innerText.trim().slice(0, {len(text)})].includes({json.dumps(text)}))"
            f"[{nth}]"
        )
        self.click_on(found, times=times)

    def click_on(self, element: str, *, times: int = 1) -> None:
        """On the middle of an element, which an expression names."""
        x, y = self.wait(
            f"(e => {{ e.scrollIntoView({{block: 'nearest'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2] }})({element})"
        )
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def drag(self, element: str, across: int, down: int, steps: int = 5) -> None:
        """From the middle of an element, with the button held."""
        left, top, width, height = self.wait(
            f"(e => {{ const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }})({element})"
        )
        x, y = left + width / 2, top + height / 2
        mouse = {"button": "left", "buttons": 1}
        self._ask("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, clickCount=1, **mouse)
        for step in range(1, steps + 1):
            to = {"x": x + across * step / steps, "y": y + down * step / steps}
            self._ask("Input.dispatchMouseEvent", type="mouseMoved", **to, **mouse)
        self._ask(
            "Input.dispatchMouseEvent", type="mouseReleased", x=x + across, y=y + down, button="left", clickCount=1
        )

    def hover(self, element: str, right: int, below: int) -> None:
        """At a place inside an element."""
        x, y = self.wait(f"(e => {{ const r = e.getBoundingClientRect(); return [r.x, r.y] }})({element})")
        self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + right, y=y + below)

    def press(self, *keys: str, shift: bool = False, ctrl: bool = False) -> None:
        """Keys, one after the other."""
        for key in keys:
            text = (
                {}
                if ctrl or (key in _CODES and key not in (" ", "Enter"))
                else {"text": "\r" if key == "Enter" else key}
            )
            code = _CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
            named = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift + 2 * ctrl}
            self._ask("Input.dispatchKeyEvent", type="keyDown", **named, **text)
            self._ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def write(self, text: str) -> None:
        """Into what has the focus."""
        self._ask("Input.insertText", text=text)
