"""Names of images that public code reports as broken: known suspects, to annotate findings with, never to skip.

A TOML file of `[[list]]`s, each with the `source` that it is from and the `names` that stand there.
"""

from __future__ import annotations

import tomllib

from laden.values.errors import UsageError


def parse_suspects(text: str, file: str) -> frozenset[str]:
    """The file names of all lists together, in lower case; raises UsageError naming `file`."""
    try:
        given = tomllib.loads(text)
        names = [name for part in given["list"] if part["source"] for name in part["names"]]
        return frozenset(name.casefold() for name in names)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the list of suspects {file} is not TOML: {error}; correct that line") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the list of suspects {file} is wrong: write [[list]] with a source and a list of names"
        ) from error
