"""`open`: a loaded dataset, or a part of it, as Python uses it: rows, images by number, a dataset for a training loop.

In order: the destination is listed and read as `get` does, labels and columns of the table are joined with the images,
and the connection is let go. From then on an image is read when it is asked for, and held against the manifest's
length, MD5 and CRC-32 before anybody gets it. What a worker process needs travels with the object; each process has a
connection and a thread of its own, made when the first image is asked for. pandas, pyarrow, torch and fsspec are
imported only by what needs them, and not needed otherwise.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, Unpack, overload

import duckdb

from laden.dataset.selection import Records
from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.download import Wanted
from laden.stages.landed import refuse_lost
from laden.stages.manifest import OTHER
from laden.store import place_of, without_secret
from laden.store.access import Renewal
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, checked
from laden.values.errors import UsageError
from laden.values.events import Observer, Started, Summary, ignore
from laden.verbs.asked import Selecting, selection_of
from laden.verbs.chosen import Loaded, lost, pick, read_image_labels, read_loaded
from laden.verbs.connected import Connection, Settings
from laden.verbs.labels import NOT_LOADED
from laden.verbs.opening import opened

if TYPE_CHECKING:
    from laden.verbs.filesystem import LadenFileSystem


class Sample(NamedTuple):
    """An image and what is known of it."""

    data: bytes
    """The file, proved."""
    labels: tuple[str, ...]
    name: str
    """Of its blob."""


@checked
def open_dataset(
    destination: str | Path,
    *,
    profile: str | None = None,
    connections: Connections | None = None,
    sas_command: str | None = None,
    observer: Observer = ignore,
    **asked: Unpack[Selecting],
) -> Dataset:
    """Open a loaded dataset, or a part of it, for use.

    Args:
        destination: as in `load`. A SAS in it travels to worker processes; better set `LADEN_SAS`.
        profile: TOML file of the load's profile, where that is no built-in one.
        connections: requests in flight at most in each process; None to find out what the link bears.
        sas_command: as in `load`.
        observer: called with each event while it is opened.
        asked: which rows, as `Selecting` says: `where`, `images_file`, `sample`, `by`, `seed`, `first`.

    Raises:
        UsageError: no load was completed there, or the selection is wrong.
        NotAsLanded: manifest or table are gone, or not the load's.
        LadenError: the destination cannot be read.
    """
    destination = place_of(destination)
    with running(Summary("open", destination=without_secret(destination)), observer) as run:
        settings = Settings(destination, connections, sas_command)
        dataset = run_loop(_opened(run, settings, profile, asked))
        run.note(images=len(dataset), complete=True)
        run.end()
        return dataset


async def _opened(run: Run, settings: Settings, profile: str | None, asked: Selecting) -> Dataset:
    renewal = Renewal(settings.sas_command)
    shown = without_secret(settings.destination)
    async with opened(
        run, settings.destination, lacking_for_verify, renewal, connections=settings.connections
    ) as there:
        run.tell(Started("listing", shown))
        loaded = await read_loaded(run, there.store, profile, tables=True)
        if loaded.page is None:
            raise UsageError(NOT_LOADED.format(place=shown))
        refuse_lost(run.relations, loaded.lost)
        selection = selection_of(asked)
        pick(run, loaded, selection)
        read_image_labels(run, loaded)
        run.add(lost(run.relations))
        run.relations.run(_INDEXED)
        rows = _rows(run, loaded, selects=selection.chooses)
        found = list(run.relations.stream(_ITEMS))
    items = [Wanted(name, name, size, bytes.fromhex(md5), crc, etag) for name, size, md5, crc, etag, _ in found]
    documents = [Wanted(one.name, one.name, one.size_bytes, bytes.fromhex(one.md5)) for one in loaded.page.documents]
    return Dataset(settings, items, [tuple(row[-1]) for row in found], documents, rows)


_INDEXED = f"""
CREATE OR REPLACE TABLE indexed AS
SELECT row_number() OVER (ORDER BY k.blob) - 1 AS number, k.*, b.etag, coalesce(l.labels, []::VARCHAR[]) AS labels
FROM known k JOIN picked USING (blob) JOIN blobs b ON b.name = k.blob LEFT JOIN image_labels l ON l.blob = k.blob
WHERE NOT ({OTHER})
"""  # noqa: S608 - own text
_ITEMS = "SELECT blob, size_bytes, md5, crc32, etag, labels FROM indexed ORDER BY number"


def _rows(run: Run, loaded: Loaded, *, selects: bool) -> bytes:
    """A Parquet file: a row for each image and each record that names it, with the table's columns."""
    relations = run.relations
    if not loaded.tables:
        return relations.to_parquet(_ALONE, "rows.parquet", "laden_rows").read_bytes()
    records = Records(relations, loaded.parts)
    records.declare(records.columns)
    records.read()
    relations.run(_NAMED)
    if selects:
        relations.run("DELETE FROM named WHERE row NOT IN (SELECT row FROM chosen)")
    return relations.to_parquet(_JOINED, "rows.parquet", "laden_rows").read_bytes()


_NAMED = "CREATE OR REPLACE TABLE named AS SELECT row, blob FROM links WHERE blob IS NOT NULL"
_OWN = """
i.number AS laden_number, i.blob AS laden_blob, i.size_bytes AS laden_bytes, i.md5 AS laden_md5,
i.state AS laden_state, i.labels AS laden_labels
"""
_ALONE = f"SELECT {_OWN} FROM indexed i ORDER BY i.number"  # noqa: S608 - own text
_JOINED = f"""
SELECT {_OWN}, r.* FROM indexed i LEFT JOIN named n ON n.blob = i.blob LEFT JOIN records r ON r.laden_row = n.row
ORDER BY i.number, r.laden_row
"""  # noqa: S608 - own text


class Dataset(Sequence[Sample]):
    """The images of a load, by number; thread-safe, and at home in worker processes."""

    def __init__(
        self,
        settings: Settings,
        items: list[Wanted],
        labels: list[tuple[str, ...]],
        documents: list[Wanted],
        rows: bytes,
    ) -> None:
        """See `open_dataset`, which makes one."""
        self._settings = settings
        self._items = items
        self._labels = labels
        self._documents = documents
        self._rows = rows
        self._by_name: dict[str, Wanted] = {}
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<laden dataset of {len(self):,} images in {self.place}>"

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """One image, or several that are fetched at once.

        Raises:
            IndexError: there is none of that number.
            StoreError: it cannot be read, or is not what the manifest says.
        """
        if isinstance(index, slice):
            return self.many(range(*index.indices(len(self))))
        return self.many([index])[0]

    def __iter__(self) -> Iterator[Sample]:
        """All of them, some read ahead."""
        for start in range(0, len(self), _AHEAD):
            yield from self.many(range(start, min(start + _AHEAD, len(self))))

    @property
    def place(self) -> str:
        """Where it lies, without any secret."""
        return without_secret(self._settings.destination)

    @property
    def names(self) -> list[str]:
        """The blobs' names, by number."""
        return [item.blob for item in self._items]

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """The labels of each image, by number, as the column says that the profile names."""
        return list(self._labels)

    @property
    def classes(self) -> list[str]:
        """Every label, once, in order."""
        return sorted({label for labels in self._labels for label in labels})

    def many(self, numbers: Sequence[int]) -> list[Sample]:
        """Images of these numbers, fetched at once; errors as `dataset[i]`."""
        items = [self._items[number] for number in numbers]
        data = self._read(items)
        labels = (self._labels[number] for number in numbers)
        return [Sample(*one) for one in zip(data, labels, (item.blob for item in items), strict=True)]

    def read(self, name: str) -> bytes:
        """An image, a table or another document of the load, by its blob's name, proved.

        Raises:
            KeyError: the load landed nothing of that name, or it was not chosen.
            StoreError: it cannot be read, or is not what the load says.
        """
        return self._read([self.files()[name]])[0]

    def files(self) -> dict[str, Wanted]:
        """What `read` takes, by name: length, MD5 and the like."""
        if not self._by_name:
            self._by_name = {item.blob: item for item in (*self._documents, *self._items)}
        return self._by_name

    def duckdb(self) -> duckdb.DuckDBPyRelation:
        """Rows as a DuckDB relation in memory: one for each image and each record of the table that names it.

        `laden_number` is the image's number here, `laden_blob`, `laden_bytes`, `laden_md5`, `laden_state` and
        `laden_labels` are what the manifest and the profile say; the others are the table's columns, typed.
        """
        with tempfile.TemporaryDirectory(prefix="laden-rows-") as folder:
            path = Path(folder) / "rows.parquet"
            path.write_bytes(self._rows)
            connection = duckdb.connect()
            connection.execute("CREATE TABLE images AS SELECT * FROM read_parquet(?)", [str(path)])
        return connection.table("images")

    def pandas(self) -> Any:
        """The same rows as a pandas DataFrame; needs pandas."""
        _require("pandas")
        return self.duckdb().df()

    def arrow(self) -> Any:
        """The same rows as a pyarrow Table; needs pyarrow."""
        _require("pyarrow")
        return self.duckdb().to_arrow_table()

    def torch(self, transform: Callable[[Sample], Any] | None = None) -> TorchImages:
        """A map-style dataset for `torch.utils.data.DataLoader`; `transform` makes tensors of a `Sample`."""
        return TorchImages(self, transform)

    def filesystem(self) -> LadenFileSystem:
        """The images and documents as a file system of fsspec, read-only; needs fsspec."""
        _require("fsspec")
        from laden.verbs.filesystem import LadenFileSystem

        return LadenFileSystem(dataset=self)

    def close(self) -> None:
        """Let go of this process's connection; the next image opens another.

        What other threads are reading at that moment raises `StoreError`.
        """
        with self._lock:
            if self._connection is not None and self._connection.pid == os.getpid():
                self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_connection": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def _read(self, items: Sequence[Wanted]) -> list[bytes]:
        with self._lock:
            # A process that was forked has a copy of the connection, and no thread behind it.
            if self._connection is None or self._connection.pid != os.getpid():
                self._connection = Connection(self._settings)
                # Of one that nobody closes, the thread ends with the object.
                weakref.finalize(self, self._connection.stop).atexit = False
            # Begun while no other thread can close it.
            reading = self._connection.begin(items)
        return reading.wait()


_AHEAD = 64


class TorchImages:
    """What a `DataLoader` takes: a length, and items by number; it need not be a subclass of torch's `Dataset`.

    A loader that fetches batches asks for all of one at once (`__getitems__`), so that requests overlap.
    """

    def __init__(self, dataset: Dataset, transform: Callable[[Sample], Any] | None) -> None:
        """See `Dataset.torch`."""
        self._dataset = dataset
        self._transform = transform

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        return self._made(self._dataset[index])

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The items of a batch, fetched at once."""
        return [self._made(sample) for sample in self._dataset.many(indices)]

    def _made(self, sample: Sample) -> Any:
        return sample if self._transform is None else self._transform(sample)


def _require(module: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UsageError(f"this needs {module}, which is not installed: pip install {module}")
