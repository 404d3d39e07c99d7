"""Runs the program of `--link-command`, which prints a fresh link for a file whose last one was refused.

It is for what laden has no resolver for: a portal's own client, a script that signs in. Words in braces are replaced:
`{name}` by the file's name, `{link}` by the address of the link that was given, without its query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from laden.remote.link import Link, parse_link
from laden.store.program import printed, words_of
from laden.values.errors import AccessDenied, SourceError, UsageError

OPTION = "--link-command"


@dataclass(frozen=True)
class LinkCommand:
    """Gives another link for one file; picklable, and called from threads."""

    command: str
    name: str
    start: Link
    stopping: Callable[[], bool] = field(default=lambda: False, compare=False)

    def __getstate__(self) -> tuple[str, str, Link]:
        return self.command, self.name, self.start

    def __setstate__(self, state: tuple[str, str, Link]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __call__(self) -> Link:
        words = [
            word.replace("{name}", self.name).replace("{link}", self.start.address)
            for word in words_of(self.command, OPTION)
        ]
        try:
            return _the_only(printed(words, self.stopping, lambda _: None, OPTION))
        except (AccessDenied, UsageError) as error:
            message = f"{self.name} is refused under its link, and {OPTION} gave no other: {error}"
            raise SourceError(message, "source-refused") from None


def _the_only(output: str) -> Link:
    links = {line.strip() for line in output.splitlines() if "://" in line}
    if len(links) != 1:
        raise AccessDenied(f"it printed {'several links' if links else 'no link'}: it must print one")
    return parse_link(links.pop())
