"""Draws what the images of a place come to: the largest folders, labels, tiers and states, a line each."""

from __future__ import annotations

from collections.abc import Callable

from laden.cli.text import escaped
from laden.values.events import Total
from laden.values.units import amount, size

_SHOWN = 20
"""Of each kind; the others are counted."""
_TITLES = {"folder": "By folder", "label": "By label", "tier": "By tier", "state": "By state of the image"}
_NOTHING = {"folder": "(the root)", "tier": "(none)", "state": "(not in the manifest)", "label": "(empty)"}


class Totals:
    """Takes the totals in their order; `say` prints a line of markup."""

    def __init__(self, say: Callable[[str, int], None], *, every: bool) -> None:
        """Draw with `say`; `every` one, however many there are."""
        self._say = say
        self._every = every
        self._by = ""
        self._seen = 0

    def see(self, total: Total) -> None:
        """Draw one."""
        if total.by == "all":
            self._say(f"{amount(total.images)} images, {size(total.bytes)}", 2)
            return
        if total.by != self._by:
            self._by, self._seen = total.by, 0
            self._say(f"[italic]{_TITLES[total.by]}[/]", 0)
        self._seen += 1
        if self._seen <= _SHOWN or self._every:
            what = escaped(total.value) or _NOTHING[total.by]
            self._say(f"  {amount(total.images):>11}  {size(total.bytes):>8}  {what}", 24)
        elif self._seen == _SHOWN + 1:
            self._say("  [dim]and more: -v shows all[/]", 2)
