"""Links on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from laden.values.events import Observer, Warned

_SIGNED = re.compile(r"://[^?]*\?(?:[^#]*&)?[^=&]*(?:sig|token|key|credential|policy)[^=&]*=[^&]{8}", re.IGNORECASE)


def warn_of_signed(source: Iterable[str], options: Mapping[str, Any], observer: Observer) -> None:
    """Say that a link is worth a password and that others see it, where one of them is signed."""
    if any(_SIGNED.search(text) for text in (*source, options.get("table") or "")):
        observer(
            Warned(
                "a signed link on the command line can be seen by other users of this machine: put it into a file of"
                " links, one a line, and name that instead"
            )
        )
