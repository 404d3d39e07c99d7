"""Walks a folder, and tells of everything in it that is not taken: nothing is passed over in silence.

Regular files are taken, and links to such within the folder. Links that lead out of it, or to folders, are followed
only where a person said so (they may lead anywhere, also in circles); pipes, sockets and devices are never opened. A
folder that may not be listed is told, and the rest goes on. Only names are looked at, and what `stat` says.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from laden.dataset.source.kinds import archive_of, unfinished
from laden.dataset.source.scope import Scope
from laden.values.errors import SourceError
from laden.values.records import Finding, Severity

_FOLLOW = "give --follow-links to follow such, or leave it out with --exclude"


class Walk:
    """What lies in a folder and below. Paths are relative to it, with forward slashes."""

    def __init__(self, root: Path, scope: Scope) -> None:
        """Walk it; `root` is resolved. Raises `SourceError` where it cannot be listed itself."""
        self.files: list[str] = []
        self.findings: list[Finding] = []
        self.excluded: list[str] = []
        """Files that were left out because a person said so; of folders that may not be listed, none."""
        self.lost: list[str] = []
        """Archives that are here and cannot be had, as there is no way to their bytes."""
        self._root = root
        self._above = len(os.path.join(root, ""))  # noqa: PTH118 - with the slash that a root of a disk has already
        self._scope = scope
        self._pending = [root]
        self._seen: set[tuple[int, int]] = set()
        """Device and inode of folders that were entered, where links may lead back to them."""
        while self._pending:
            self._list(self._pending.pop())

    def _list(self, folder: Path) -> None:
        try:
            if self._scope.follow_links and self._seen_before(folder):
                return
            with os.scandir(folder) as found:
                for item in found:
                    self._look(item)
        except OSError as error:
            if folder == self._root:
                message = f"{folder} cannot be listed ({error.strerror}); check its permissions."
                raise SourceError(message) from error
            reason = f"The folder cannot be listed ({error.strerror}), so nothing in it is loaded"
            self._tell("folder-unreadable", self._name(folder), f"{reason}; check its permissions, or --exclude it.")

    def _seen_before(self, folder: Path) -> bool:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            message = "The link leads to a folder that was read already; it is not read again."
            self._tell("link-folder", self._name(folder), message, Severity.INFO)
            return True
        self._seen.add(identity)
        return False

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _look(self, item: os.DirEntry[str]) -> None:
        # A `Path` costs more than all the rest, of each of a million files.
        name = item.path[self._above :].replace(os.sep, "/")
        if self._scope.leaves_out(name):
            path = Path(item.path)
            below = os.walk(path) if item.is_dir(follow_symlinks=False) else [(str(path.parent), [], [path.name])]
            self.excluded += [self._name(Path(folder, file)) for folder, _, files in below for file in files]
        elif item.is_symlink():
            self._link(Path(item.path), name)
        elif item.is_dir(follow_symlinks=False):
            self._folder(Path(item.path), name)
        elif item.is_file(follow_symlinks=False):
            self.files.append(name)
        else:
            self._special(name)

    def _folder(self, path: Path, name: str) -> None:
        # Safari downloads `0.zip` into a folder `0.zip.download`.
        if (whole := unfinished(name)) and archive_of(whole):
            self._tell("archive-unfinished", name, f"It holds a download of {whole} that has not finished; let it.")
            self.lost.append(whole)
        else:
            self._pending.append(path)

    def _link(self, path: Path, name: str) -> None:
        target = path.readlink()
        try:
            status = path.stat()
            inside = path.resolve().is_relative_to(self._root)
        except FileNotFoundError:
            self._lose("link-broken", name, f"It is a link to {target}, which is not there (is a disk not mounted?)")
            return
        except OSError as error:
            self._lose("link-broken", name, f"It is a link to {target}, which cannot be followed ({error.strerror})")
            return
        if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
            self._special(name)
        elif stat.S_ISDIR(status.st_mode) and self._scope.follow_links:
            self._pending.append(path)
        elif stat.S_ISDIR(status.st_mode) and inside:
            message = f"It is a link to the folder {target}, which is read where it lies."
            self._tell("link-folder", name, message, Severity.INFO)
        elif stat.S_ISDIR(status.st_mode):
            self._tell("link-outside", name, f"It is a link to the folder {target}, out of the source; {_FOLLOW}.")
        elif inside or self._scope.follow_links:
            self.files.append(name)
        else:
            self._lose("link-outside", name, f"It is a link to {target}, out of the source; {_FOLLOW}")

    def _special(self, name: str) -> None:
        self._lose("file-kind", name, "It is no regular file but a pipe, a socket or a device; --exclude it")

    def _lose(self, code: str, name: str, message: str) -> None:
        if archive := archive_of(name):
            self.lost.append(archive)
        self._tell(code, name, f"{message}.")

    def _tell(self, code: str, name: str, message: str, severity: Severity = Severity.ERROR) -> None:
        shown, sentence = (text.encode("utf-8", "backslashreplace").decode() for text in (name, message))
        self.findings.append(Finding(code, severity, sentence, member=shown))
