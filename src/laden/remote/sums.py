"""A link to a publisher's checksum file (`SHA256SUMS.txt` of PhysioNet): the files that it names, as links.

They lie beside the list, under the paths that it gives. The list itself is one of the source's files too, so that
`check --checksums` holds each of them against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from laden.dataset.evidence import is_sum_list, parse_sums
from laden.dataset.source import Scope, archive_of
from laden.remote.kinds import is_read_whole
from laden.remote.link import Link, parse_link
from laden.remote.location import Location
from laden.remote.stream import pieces_of
from laden.remote.wire import Wire
from laden.values.errors import SourceError

_MOST_BYTES = 512 << 20


def are_sums(links: Sequence[Link]) -> bool:
    """Whether nothing but checksum files was given: what they name is meant then; beside others, they are files."""
    return bool(links) and all(is_sum_list(link.name) for link in links)


def named_in(wire: Wire, sums: Link, scope: Scope) -> list[Link]:
    """The links of the files that a checksum file names and that are meant, and its own.

    Raises:
        SourceError: it cannot be had, or is no checksum file.
    """
    text = b"".join(pieces_of(wire, Location(wire, sums), _MOST_BYTES)).decode("utf-8", "surrogateescape")
    base, _, query = sums.url.partition("?")
    folder = base.rpartition("/")[0]
    try:
        names = dict.fromkeys(one.name for one in parse_sums(sums.name, text))
    except ValueError as error:
        raise SourceError(f"{sums} cannot be read as a checksum file: {error}") from None
    outside = next((name for name in names if name.startswith(("../", "/"))), None)
    if outside is not None:
        raise SourceError(f"{sums} names files outside of its folder, like {outside}: give their links")
    needed = (name for name in names if archive_of(name) or is_read_whole(name))
    always = {name for name in needed if not scope.leaves_out(name)}
    meant = [name for name in names if name in always or scope.holds(name)]
    end = f"?{query}" if query else ""
    return [sums, *(parse_link(f"{folder}/{quote(name, errors='surrogateescape')}{end}") for name in meant)]
