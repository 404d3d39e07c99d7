"""SOURCE as `load` and `check` take it: files, folders and links; and what becomes known of hosts while they are read.

What a wire's thread puts down (attempts that are repeated, sentences about hosts) is told from the verb's own thread:
by `tell_news` now and then, while that thread waits (`begin`), or by `listening` beside a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from laden.dataset.lock import is_lock
from laden.dataset.source import Root, archive_of, folder_of
from laden.remote.clouds import is_cloud
from laden.remote.link import Link, is_link, parse_link
from laden.remote.listed import is_account
from laden.remote.sources import Sources
from laden.run.run import Run
from laden.store import Destination, FolderDestination, Retry
from laden.store.slips import bare, swapped
from laden.store.trust import is_azure
from laden.values.errors import UsageError
from laden.values.events import Warned
from laden.values.names import OWN_FOLDER
from laden.values.secrets import redact
from laden.values.share import Share

Given = str | Path | Sequence[str | Path]

_LOOK_S = 0.3


def sources_of(
    source: Given, table: str | Path | None, link_command: str | None, stopping: Callable[[], bool]
) -> Sources:
    """What a person gave as SOURCE and --table; raises UsageError, also of what can be none."""
    given = [source] if isinstance(source, str | Path) else source
    return fit(Sources(given, table=table, command=link_command, stopping=stopping))


def fit(sources: Sources) -> Sources:
    """The same, of which none can be no source; raises UsageError."""
    for link in filter(is_account, sources.links):
        raise UsageError(f"{link} is an account: name a container in it, {link.address.rstrip('/')}/CONTAINER")
    for path in sources.paths:
        if path.is_file() and path.stat().st_size and is_lock(path):
            raise UsageError(
                f"{path} is a lock file: it says what a source holds, and is none; give the source, and --lock {path}"
            )
    return sources


def is_source_link(link: Link) -> bool:
    """Whether a link is one of a source where a container might be meant as well: to an archive, a share, a bucket."""
    return is_cloud(link) or link.share is not None or archive_of(link.name) is not None


def shown_sources(source: Given) -> str:
    """The source as a summary names it, whatever is wrong with it."""
    given = [source] if isinstance(source, str | Path) else source
    return ", ".join(_shown(str(one)) for one in given)


def _shown(text: str) -> str:
    if not is_link(text):
        return redact(str(Path(text).expanduser()))
    try:
        return parse_link(text).address
    except UsageError:
        return redact(text.partition("?")[0])


def refuse_swapped(sources: Sources, destination: str) -> None:
    """Refuse a folder that looks like a source itself, and holds nothing of laden's, as the destination.

    Raises:
        UsageError: the two are in each other's place.
    """
    given: list[object] = list(sources.paths)
    place = Path(bare(destination)).expanduser()
    archive = next((one.name for one in place.iterdir() if archive_of(one.name)), "") if place.is_dir() else ""
    if archive:
        given += [link.address for link in sources.links if is_azure(link.host)]
    if sentence := swapped(given, destination):
        raise UsageError(sentence)
    if archive and not (place / OWN_FOLDER).exists():
        raise UsageError(
            f"{destination} holds {archive}, as a source does, and nothing that laden landed: SOURCE comes first, then"
            " DEST; name another folder if this is the DEST you mean"
        )


def begin(run: Run, sources: Sources, share: Share | None = None) -> None:
    """Say what a person should know of the links before anything is read; of a share, others ask the same hosts.

    From here on, whatever this thread waits for, what becomes known of hosts is told meanwhile.
    """
    sources.wire.while_waiting(lambda: tell_news(run, sources))
    sources.wire.machines = share.of if share else 1
    for host in sources.in_the_clear:
        run.tell(
            Warned(
                f"http://{host} is read in the clear: anybody on the way can see and change what it sends, and no login"
                " is sent there; use https:// if the host has it"
            )
        )


def tell_news(run: Run, sources: Sources) -> None:
    """Tell what became known of hosts since the last time."""
    for one in sources.tidings():
        if isinstance(one, Retry):
            run.meter.retried(one)
        else:
            run.tell(Warned(one))
    run.meter.lapse()


@asynccontextmanager
async def listening(run: Run, sources: Sources) -> AsyncIterator[None]:
    """Tell it several times a second, as long as the loop goes on."""

    async def listen() -> None:
        while True:
            tell_news(run, sources)
            await asyncio.sleep(_LOOK_S)

    task = asyncio.create_task(listen())
    try:
        yield
    finally:
        task.cancel()
        tell_news(run, sources)


def refuse_inside(target: Destination | FolderDestination, root: Root) -> None:
    """Refuse a destination folder within the source: the next load would take it for data. Raises `UsageError`."""
    if isinstance(target, FolderDestination) and target.path.resolve().is_relative_to(folder_of(root).resolve()):
        raise UsageError(f"the destination {target.path} lies in the source {root}: choose a folder outside of it")
