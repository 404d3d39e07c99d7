"""Files on other machines, read where they lie.

How it is used, by whatever reads a source that is given by links:

    with Wire(stopping=stopping) as wire:                  # a thread with an event loop; close it at the end
        location = Location(wire, parse_link(text))        # UsageError for what is no link that may be given
        file = open_file(wire, location, tell=warn)        # RemoteFile, pinned to the content that it has now
        file.name, file.address                            # what to call it; where it lies, without secrets
        file.size_bytes, file.version                      # Version(size_bytes, etag, modified)
        file.read_at(count_bytes, offset_bytes)            # from any thread; also several at once
        file.expect([(start, end), ...])                   # will be read in this order: fetched ahead, joined

    pieces_of(wire, location)                              # where open_file raised NoRanges: all of it, in order

A read ends right or raises: SourceError with code `archive-changed` where the content is not the pinned one any more,
`source-refused`, `source-no-ranges` or `source-unreadable`; Interrupted where the run is to stop. What may help is
tried again within (retries, links that ended), as many requests run at once as the host bears, and each has its own
time limit for silence and none for its length.

Order of modules: `link` (what a person gives), `login` (who laden is to a host), `wire` (hosts, threads), `answers`
(what a host says), `location` (where a file is at the moment), `shelf` and `file` (reading), `stream` (hosts without
ranges), `shares` and `containers` (links to many files), `sources` (links as a source).

Nothing is written to a disk here but the small files (tables, listings) that a run keeps in its own folder.
"""

from laden.remote.answers import Version
from laden.remote.file import NoRanges, RemoteFile, open_file
from laden.remote.link import Link, is_link, parse_link
from laden.remote.location import Location, Refused
from laden.remote.stream import pieces_of
from laden.remote.wire import Wire

__all__ = [
    "Link",
    "Location",
    "NoRanges",
    "Refused",
    "RemoteFile",
    "Version",
    "Wire",
    "is_link",
    "open_file",
    "parse_link",
    "pieces_of",
]
