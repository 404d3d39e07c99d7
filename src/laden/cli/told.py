"""Draws what verbs tell that look: what is to be fetched, what images come to, how two places differ, what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laden.cli.text import escaped
from laden.values.events import Compared, Remembered, ToFetch, Total
from laden.values.units import amount, plural, size

_SHOWN = 20
"""Totals of each kind; the others are counted."""
_TITLES = {"folder": "By folder", "label": "By label", "tier": "By tier", "state": "By state of the image"}
_NOTHING = {"folder": "(the root)", "tier": "(none)", "state": "(not in the manifest)", "label": "(empty)"}
_COMPARED = {
    "same": "the same, byte for byte",
    "other": "of other content",
    "only_here": "in the first place alone",
    "only_there": "in the second place alone",
    "unknown": "of the same length, and nobody knows whether the same",
}


class Told:
    """Draws such events in their order."""

    def __init__(self, say: Callable[[str, int], None], *, every: bool) -> None:
        """Print lines of markup with `say`, which takes an indent too; `every` one, and every hash, where asked."""
        self._say = say
        self._every = every
        self._by = ""
        self._seen = 0

    def see(self, event: ToFetch | Total | Compared | Remembered) -> None:
        """Draw one."""
        match event:
            case ToFetch():
                # Hosts that give files whole only tell their lengths with them.
                much = size(event.bytes_in_all) if event.bytes_in_all else "of a length that is not known yet"
                what = f"{plural(event.files, 'file')} wanted, {much}"
                self._say(f"{what}, to {escaped(event.place)}", 2)
            case Total():
                self._total(event)
            case Compared():
                for name, words in _COMPARED.items():
                    if count := getattr(event, name):
                        self._say(f"  {amount(count):>11}  {words}", 15)
            case Remembered():
                self._record(event)

    def _total(self, total: Total) -> None:
        if total.by == "all":
            self._say(f"{plural(total.images, 'image')}, {size(total.bytes)}", 2)
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

    def _record(self, record: Remembered) -> None:
        who = f" by {escaped(record.who)}" if record.who else ""
        source = f" of {escaped(record.source)}" if record.source else ""
        begun = " begun" if record.begun else ""
        what = f"{escaped(record.command)}{source}{begun}{who}  (laden {escaped(record.laden)})"
        self._say(f"[bold]{record.number}[/]  {escaped(record.when)}  {what}", 4)
        needs = _pairs(record.needs_person, "findings that need a person: ")
        for line in (_pairs(record.counts), _pairs(record.arguments, "asked: "), needs):
            if line:
                self._say(f"   {escaped(line)}", 4)
        if self._every:
            for name, md5 in {**record.documents, "_laden/load.json": record.page}.items():
                self._say(f"   [dim]{escaped(md5)}  {escaped(name)}[/]", 4)


def _pairs(given: dict[str, Any], start: str = "") -> str:
    parts = [f"{name.replace('_', ' ')} {value}" for name, value in given.items() if value]
    return start + ", ".join(parts) if parts else ""
