"""A folder as the first load of a source left it: loaded once in a process, and written down again for each other test.

In order: source, profile and options are looked at; the first time, they are loaded for real, into the folder that the
test gave; every other time, what was there then is written, down to the times of change, by which laden knows a file
again. So no test shares anything with another, and what is begun with is never what is tested.
"""

import os
from pathlib import Path
from typing import NamedTuple

from tests.support.places import run

_TIMELESS = {".zip", ".csv", ".txt", ".pdf"}
"""Files whose content alone matters to a load; of others, an image's time of change lands with it."""


class _Kept(NamedTuple):
    folders: list[str]
    files: dict[str, tuple[bytes, int]]
    """Content, and time of change in ns."""


_kept: dict[object, _Kept] = {}


def begin(source: Path, there: Path, profiled: str, **options: object) -> None:
    """As `places.run` into a new folder, which must end with 0."""
    assert not there.exists(), "it is no beginning where something is"
    content = {
        name: (data, 0 if Path(name).suffix in _TIMELESS else changed_ns)
        for name, (data, changed_ns) in _look(source).files.items()
    }
    key = (source.name, tuple(sorted(content.items())), Path(profiled).read_bytes(), repr(sorted(options.items())))
    if (kept := _kept.get(key)) is None:
        assert run(source, there, profiled, **options).exit_code == 0
        _kept[key] = _look(there)
        return
    for name in ["", *kept.folders]:
        (there / name).mkdir()
    for name, (data, changed_ns) in kept.files.items():
        (there / name).write_bytes(data)
        os.utime(there / name, ns=(changed_ns, changed_ns))


def _look(folder: Path) -> _Kept:
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    files = {name: path for name, path in found.items() if path.is_file()}
    return _Kept(
        [name for name in found if name not in files],
        {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in files.items()},
    )
