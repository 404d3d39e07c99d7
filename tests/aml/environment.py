"""An environment of its own for Microsoft's `mltable`, made once and kept in the cache: 30 s and 460 MB.

It is of the lock file's content, with hashes, and from wheels alone. Where it cannot be made (another Python than
3.10 to 3.13, no wheel for this system, no registry within reach), the tests that want it say so and are skipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest

LOCK = Path(__file__).with_name("requirements.lock")
CACHE = Path.home() / ".cache" / "laden-tests"
"""Asked before any test changes the home folder."""
_PYTHONS = ((3, 10), (3, 13))
_DEADLINE_S = 600
_UNREACHABLE = "(from versions: none)"
"""What pip says where no registry answers. A version that is gone from one that does is a fault of the lock file."""


def python() -> Path:
    """The environment's Python; skips the test where there can be none."""
    low, high = _PYTHONS
    if not low <= sys.version_info[:2] <= high:
        pytest.skip("mltable is for Python 3.10 to 3.13")
    mark = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    home = CACHE / f"mltable-{sys.version_info.major}.{sys.version_info.minor}-{mark}"
    if not home.is_dir():
        _make(home)
    return _python(home)


def _make(home: Path) -> None:
    """Make it beside its place and leave a link there: whoever is first wins, and nobody finds half of one."""
    CACHE.mkdir(parents=True, exist_ok=True)
    # A venv's scripts hold its path, so it stays where it was made.
    made = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=CACHE))
    venv.create(made, with_pip=True)
    command = [_python(made), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    done = subprocess.run(
        [*command, "--only-binary", ":all:", "-r", LOCK],
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(made)
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        if _UNREACHABLE in done.stderr:
            pytest.skip(f"the environment for mltable cannot be installed here: {' '.join(errors)[-300:]}")
        pytest.fail("\n".join(errors), pytrace=False)
    try:
        home.symlink_to(made.name, target_is_directory=True)
    except FileExistsError:
        shutil.rmtree(made)


def _python(home: Path) -> Path:
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
