"""`diff`: two places by content: what is the same, what is other, what is in one alone, and what nobody can tell.

In order: each place is read (`sides`); where one of them tells of images alone, the tables and documents of the other
are left out; the two are joined by name. Nothing is changed, and of a container no byte is read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.comparison import COLUMNS, MARK, SIDES, compare_sides, differences, write_csv, write_parquet
from laden.store import place_of, without_secret
from laden.values.arguments import Connections, checked
from laden.values.errors import UsageError
from laden.values.events import Compared, Observer, Started, Summary, ignore
from laden.values.names import OWN_FOLDER
from laden.values.ownfiles import begins, is_marked, placed, refuse
from laden.values.room import writing_to
from laden.values.sheets import Out
from laden.verbs.sides import read_sides

_CSV_START = ",".join(f'"{column}"' for column in COLUMNS).encode()


@checked
def diff(
    here: str | Path,
    there: str | Path,
    *,
    output: str | Path | None = None,
    profile: str | None = None,
    connections: Connections | None = None,
    observer: Observer = ignore,
) -> Summary:
    """Hold two places against each other, by content.

    Args:
        here: a container or a prefix in it, a folder, a source before it is loaded (also links to archives, a share, a
            bucket), a manifest (`.parquet`) or a lock file.
        there: another one.
        output: `.csv` or `.parquet` file with a row for every name, replaced if it holds such rows; None writes none.
        profile: of a source, as in `load`.
        connections: as in `load`.
        observer: called with each event; one is `Compared`, with the counts.

    Returns:
        `images`, the names in both, of which `matched` are the same; `exit_code` is 3 unless all are. `unseen` are
        tables and documents of a load that were left out, as the other place tells of images alone.

    Raises:
        LadenError: a place cannot be read.
    """
    here, there = place_of(here), place_of(there)
    shown = without_secret(here), without_secret(there)
    with running(Summary("diff", source=shown[0], destination=shown[1]), observer) as run:
        path = None if output is None else Path(output).expanduser()
        if path is not None:
            refuse(path, _known(path), "list of differences", "-o")
        counts = run_loop(_compared(run, here, there, profile, connections))
        if path is not None:
            _write(run, path)
        run.tell(Compared(*counts.values()))
        run.add(differences(run.relations))
        run.note(images=sum(counts.values()), matched=counts["same"], changed=counts["other"], complete=True)
        return run.end()


async def _compared(run: Run, here: str, there: str, profile: str | None, connections: int | None) -> dict[str, int]:
    run.relations.run(SIDES)
    one, other = await read_sides(run, {"here": here, "there": there}, profile, connections)
    run.tell(Started("plan"))
    for side, alone, documents in (("here", other, one.documents), ("there", one, other.documents)):
        if alone.images_only:
            run.note(unseen=sum(not name.startswith(OWN_FOLDER) for name in documents))
            run.relations.run(
                "DELETE FROM sides WHERE side = ? AND list_contains(?::VARCHAR[], name)", [side, list(documents)]
            )
    counts = compare_sides(run.relations)
    if not any(counts.values()):
        raise UsageError("nothing lies in either place: check the addresses")
    return counts


def _known(path: Path) -> Callable[[Path], bool]:
    match path.suffix.lower():
        case ".csv":
            return begins(_CSV_START)
        case ".parquet":
            return is_marked(MARK)
    raise UsageError(f"-o {path} is neither .csv nor .parquet: name such a file")


def _write(run: Run, path: Path) -> None:
    with writing_to(path, "list of differences", "-o"), placed(path, _known(path)) as file:
        (write_csv if path.suffix.lower() == ".csv" else write_parquet)(run.relations, Out(file))
