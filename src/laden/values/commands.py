"""Command lines that laden tells a person to type next: each word as a shell takes it, whatever is in a path.

Which command it is, and what does not belong on a command line, is decided by whoever tells it.
"""

from __future__ import annotations

import shlex


def command(*words: object) -> str:
    """A line to be typed, or pasted, as it stands.

    Args:
        words: the verb, its arguments and options, one each; what a person fills in stands in capitals.
    """
    return shlex.join(["laden", *map(str, words)])
