"""`fetch`: files behind links, brought to a folder of this machine, resumable, each held against what vouches for it.

Links are asked first; what brings files (`laden.verbs.bringing`) is imported while their hosts answer, and the first
bytes of a single archive that is not there yet come meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from laden.remote.pinned import Pinned
from laden.remote.sources import Sources
from laden.stages.fetching.part import NOTES_SUFFIX, SUFFIX
from laden.stages.fetching.slicing import first_slices
from laden.values.arguments import checked
from laden.values.events import Observer, Summary, ignore
from laden.values.room import free_bytes

Paths = str | Path | Sequence[str | Path]


@checked
def fetch(
    links: Paths,
    folder: str | Path,
    *,
    archives: str | None = None,
    checksums: str | Path | None = None,
    repair: bool = False,
    dry_run: bool = False,
    findings_file: str | Path | None = None,
    log_file: str | Path | None = None,
    link_command: str | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = lambda: False,
) -> Summary:
    """Bring the files behind links to a folder; each is proved before it has its name.

    Args:
        links: to files, shares, containers or buckets; or files of links; as in `load`. None with `repair`:
            the archives of the folder are repaired from where they were fetched.
        folder: where they are to lie; made where it is absent. Nothing in it is replaced.
        archives: only these, as in `"0,1,54"` or `"0-11,54"`; other files (tables, checksums) come all the same.
        checksums: a publisher's checksum file on this machine; those behind the links are taken by themselves.
        repair: put archives right that are there already and damaged: by fetching a zip's damaged members again, or the
            whole archive anew where that does not go.
        dry_run: ask what is there only; nothing is written but to `findings_file`.
        findings_file: CSV file for all findings; None writes none.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        link_command: as in `load`.
        observer: called with each event, in order; the last is the summary that is also returned.
        stopping: asked often; once true, what has come is noted and the run stops.

    Returns:
        `images`, the files that were wanted, of which `fetched`, `already_there`, `damaged`, `conflicts`, `failed`.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    given = [links] if isinstance(links, str | Path) else list(links)
    with ExitStack() as stack:
        sources = None
        if given:
            sources = stack.enter_context(Sources(given, command=link_command, stopping=stopping))
            alone = len(sources.links) == 1 and not (sources.paths or repair or dry_run or archives)
            sources.ask(_first_of(Path(folder).expanduser()) if alone else lambda _: [])
        from laden.verbs.bringing import bring

        return bring(
            sources,
            links,
            folder,
            archives=archives,
            checksums=checksums,
            repair=repair,
            dry_run=dry_run,
            findings_file=findings_file,
            log_file=log_file,
            link_command=link_command,
            observer=observer,
            stopping=stopping,
        )


def _first_of(folder: Path) -> Callable[[Pinned], list[tuple[int, int]]]:
    """What comes first of an archive, unless something of it is in that folder, or has no room there."""

    def first(pinned: Pinned) -> list[tuple[int, int]]:
        name, size_bytes = pinned.location.start.name, pinned.version.size_bytes
        beside = [folder / f"{name}{suffix}" for suffix in ("", SUFFIX, NOTES_SUFFIX)]
        there = any(path.exists() for path in beside)
        return first_slices(name, size_bytes) if not there and size_bytes <= free_bytes(folder) else []

    return first
