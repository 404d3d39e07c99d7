"""What becomes of a file that was fetched, or that was there already: it is proved, and gets its name, or is told.

In order: what vouches for it is gathered (checksum files that came before it, its host); it is held against that, else
against the checksums within it, and, where an earlier fetch brought it, against what it was then (`Record`). With
`repair`, damaged members of a zip are fetched again; where these alone cannot be had or do not help, the whole archive
comes anew beside the damaged one, and takes its place once it is proved and known to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath

from laden.dataset.evidence import is_sums, parse_sums
from laden.dataset.evidence.checksums import Sum
from laden.dataset.evidence.trust import read_evidence
from laden.dataset.source import archive_of, zips
from laden.dataset.source.kinds import is_zip
from laden.remote.answers import Version
from laden.remote.linked import LinkedRoot
from laden.run.run import Run
from laden.stages.fetching import Came, Fetching
from laden.stages.fetching.arriving import ArrivingRoot
from laden.stages.fetching.part import BLOCK_BYTES, Part, room_refusal, sweep
from laden.stages.fetching.proof import Proof, damaged_members, prove
from laden.stages.fetching.record import Origin, Record
from laden.stages.fetching.repair import repair as mend
from laden.stages.fetching.seal import Seal, seal_of
from laden.store.disk import writing
from laden.values.errors import SourceError
from laden.values.records import Entry, Finding, Severity
from laden.values.room import free_bytes
from laden.values.units import plural, size

_LEFT = frozenset({"fetch-conflict", "fetch-changed", "fetch-newer"})
"""What was left as it is: the disk's, and no failure of the host."""


class Proving:
    """Settles file by file. Used by one thread."""

    def __init__(
        self,
        run: Run,
        root: LinkedRoot,
        folder: Path,
        sums: Sequence[Sum],
        names: Sequence[str],
        *,
        repair: bool,
        told: Callable[[int], None],
    ) -> None:
        """Prepare.

        Args:
            run: that findings are told to.
            root: of the remote files.
            folder: in which they come to lie.
            sums: of a checksum file on this machine.
            names: of all that is wanted.
            repair: whether damaged archives are put right.
            told: of so many bytes that came for it.
        """
        self.repaired_bytes = 0
        self._run = run
        self._root = root
        self._folder = folder
        self._sums = list(sums)
        self._names = names
        self._repair = repair
        self._told = told
        self._record = Record(folder)
        self._sealed: tuple[object, Seal] | None = None
        """Of the file that was hashed last."""
        self._refuted: set[str] = set()
        """Files whose noted bytes are not what vouches for them says."""
        self._beside = ThreadPoolExecutor(1, "laden-proof")
        self._begun: tuple[Came, list[Sum], Future[Proof]] | None = None
        """The file that is proved while it comes, and what it is held against."""

    def begin(self, came: Came) -> None:
        """Begin to prove a file that is under way; those before it were settled."""
        assert came.part is not None
        root = ArrivingRoot(self._folder, came.part.arriving)
        file, said = came.part.path.relative_to(self._folder).as_posix(), self._said(came)
        proof = self._beside.submit(prove, root, file, came.name, said, self._run.stopping)
        self._begun = came, said, proof

    def close(self) -> None:
        """Let go of the thread; what was under way has been given up."""
        self._beside.shutdown(cancel_futures=True)

    def settle(self, came: Came) -> str:
        """Prove a file, and give it its name; what became of it."""
        try:
            return self._settled(came)
        finally:
            if came.part is not None:
                came.part.close()

    def _settled(self, came: Came) -> str:
        if came.error is not None:
            return self._refused(came.name, came.error)
        try:
            proof = self._mended(came) if self._repair and came.part is None else self._proved(came)
            if proof.wrong:
                self._run.add(proof.wrong)
                self._tell_damage(came, proof)
                return "damaged"
            seal = self._held(came, proof)
            if came.part is None:
                sweep(came.path)
            else:
                came.part.place()
            self._note(came, proof, seal)
        except SourceError as error:
            return self._refused(came.name, error)
        if is_sums(came.name):
            self._take_sums(came.name)
        return "there" if came.part is None else "fetched"

    def _refused(self, name: str, error: Exception) -> str:
        code = error.code if isinstance(error, SourceError) else "source-unreadable"
        self._tell(name, code, str(error))
        return "conflict" if code in _LEFT else "failed"

    def _proved(self, came: Came) -> Proof:
        said, noted = self._said(came), self._noted(came)
        known = not said and noted is not None and noted.vouched and self._seal_of(came, noted) == noted.seal
        if known and not self._repair:
            return Proof(True, [], [])
        if self._begun is not None and self._begun[0] is came and not came.whole_only and self._begun[1] == said:
            return self._begun[2].result()
        proof = prove(self._folder, self._file(came), came.name, said, self._run.stopping)
        return Proof(True, [], []) if known and not proof.vouched else proof

    def _mended(self, came: Came) -> Proof:
        """Prove what is there already; where it is a damaged archive, put it right first.

        What was noted of it is no reason to leave it unread: bytes that are damaged may have been noted.
        """
        noted = self._noted(came)
        as_noted = noted is not None and self._seal_of(came, noted) == noted.seal
        damaged = self._mend_members(came)
        proof = self._proved(came)
        if as_noted and (damaged or proof.wrong):
            self._refuted.add(came.name)
        whole = came.whole_only or not proof.damaged
        if archive_of(came.name) != came.name or not whole or not (proof.wrong or self._is_changed(came)):
            return proof
        return self._anew(came) or proof

    def _mend_members(self, came: Came) -> int:
        """Put damaged members of a zip right; how many there were."""
        if came.file is None or not _is_zip(came.name):
            return 0
        try:
            damaged = damaged_members(self._folder, self._file(came), self._run.stopping)[0]
        except SourceError:
            # Its own directory is damaged, which the proof tells.
            return 0
        try:
            done = mend(self._root.begin(), came.file, came.path, damaged, self._run.stopping)
        except SourceError as error:
            self._tell(came.name, error.code, str(error))
            return len(damaged)
        self.repaired_bytes += done.fetched_bytes
        if done.members:
            what = f"{plural(done.members, 'damaged member')} put right with {size(done.fetched_bytes)}"
            self._tell(came.name, "fetch-repaired", f"{what} of {came.file.address}", Severity.INFO)
        return len(damaged)

    def _anew(self, came: Came) -> Proof | None:
        """Fetch an archive whole, beside the damaged one, and swap it in; None where it stays as it is."""
        if not self._can_be_known(came):
            return None
        self._see_room(came)
        run, wire = self._run, self._root.begin()
        fetching = Fetching(self._root, wire, self._folder, told=self._told, stopping=run.stopping, anew=True)
        again = next(fetching.files([came.name]))
        self.repaired_bytes += fetching.fetched_bytes
        if again.error is not None:
            self._refused(came.name, again.error)
            return None
        assert again.part is not None
        with closing(again.part) as part:
            if (proof := self._swapped(came, again, part)) is None:
                return None
        what = f"a damaged archive was fetched whole ({size(fetching.fetched_bytes)}), and took the damaged one's place"
        self._tell(came.name, "fetch-repaired", what, Severity.INFO)
        return proof

    def _swapped(self, came: Came, again: Came, part: Part) -> Proof | None:
        """Give an archive that came anew the damaged one's place, once it is proved to be the same; None where not."""
        proof = prove(self._folder, self._file(again), came.name, self._said(again), self._run.stopping)
        if proof.wrong:
            self._run.add(proof.wrong)
            self._tell_damage(again, proof)
            return None
        if not self._is_same(came, again):
            raise SourceError(
                f"behind the link lies another one than {came.path}, which is damaged, once was: it was left as it is,"
                f" and the other one is in {again.path}",
                "fetch-conflict",
            )
        part.place(over=True)
        self._write_note(came.name, part.seal, vouched=proof.vouched, version=again.version)
        return proof

    def _can_be_known(self, came: Came) -> bool:
        """Whether anything will tell that what comes is what the damaged one was."""
        noted = self._noted(came)
        return noted is not None or bool(self._said(came)) or bool(self._listed(came))

    def _is_same(self, damaged: Came, again: Came) -> bool:
        noted = self._noted(damaged)
        if noted is not None and noted.seal is not None:
            return seal_of(again.path, noted.seal.block_bytes, self._run.stopping) == noted.seal
        return bool(self._said(again)) or self._listed(damaged) == self._listed(again)

    def _listed(self, came: Came) -> set[tuple[str, int, int | None]]:
        """What a zip's directory says of its members; nothing where it cannot be read, or for other archives."""
        found: set[tuple[str, int, int | None]] = set()
        with suppress(SourceError):
            for one in zips.entries(self._folder, self._file(came)) if _is_zip(came.name) else ():
                if isinstance(one, Entry):
                    found.add((one.member, one.size_bytes, one.crc32))
        return found

    def _see_room(self, came: Came) -> None:
        wanted_bytes = came.version.size_bytes if came.version is not None else 0
        if wanted_bytes > (room_bytes := free_bytes(self._folder)):
            raise room_refusal(wanted_bytes, room_bytes, self._folder)

    def _held(self, came: Came, proof: Proof) -> Seal | None:
        """Hold what was there already against what it was when it was fetched; its seal, if it is known to be right.

        Raises:
            SourceError: `fetch-changed`, `fetch-newer`.
        """
        if came.part is not None:
            self._tell_unproved(came, proof, fetched=True)
            return came.part.seal
        noted = self._noted(came)
        if self._said(came) or noted is None:
            self._tell_unproved(came, proof, fetched=False)
            right = proof.vouched and not proof.unread
            return seal_of(came.path, BLOCK_BYTES, self._run.stopping) if right else None
        if self._seal_of(came, noted) != noted.seal:
            raise SourceError(
                f"{came.path} has other bytes than laden fetched, in the same length: it was changed since, and was"
                " left as it is; move it away, and run the same command again to have what is behind the link",
                "fetch-changed",
            )
        if noted.version is not None and came.version is not None and noted.version.is_other(came.version):
            raise SourceError(
                f"{came.path} is as it was fetched, and the one behind the link has become another one since, of the"
                " same length: it was left as it is; move it away, or fetch into another folder",
                "fetch-newer",
            )
        self._tell_unproved(came, proof, fetched=True)
        return noted.seal

    def _is_changed(self, came: Came) -> bool:
        noted = self._noted(came)
        return noted is not None and self._seal_of(came, noted) != noted.seal

    def _noted(self, came: Came) -> Origin | None:
        """What an earlier fetch noted of a file that is there already; no content, if it was another host's."""
        noted = self._record.origins.get(came.name)
        if came.part is not None or noted is None or noted.seal is None or came.name in self._refuted:
            return None
        return noted if noted.address == self._root.files[came.name].link.address else noted._replace(version=None)

    def _seal_of(self, came: Came, noted: Origin) -> Seal:
        assert noted.seal is not None
        status = came.path.stat()
        key = (came.path, status.st_mtime_ns, status.st_ino)
        if self._sealed is None or self._sealed[0] != key:
            self._sealed = key, seal_of(came.path, noted.seal.block_bytes, self._run.stopping)
        return self._sealed[1]

    def _note(self, came: Came, proof: Proof, seal: Seal | None) -> None:
        version: Version | None = came.version
        if came.part is None:
            noted = self._noted(came)
            version = noted.version if noted is not None and not self._said(came) else None
        self._write_note(came.name, seal, vouched=proof.vouched and not proof.unread, version=version)

    def _write_note(self, name: str, seal: Seal | None, *, vouched: bool, version: Version | None) -> None:
        with writing(self._folder):
            self._record.note(name, self._root.files[name].link, seal, vouched=vouched, version=version)

    def _file(self, came: Came) -> str:
        return came.path.relative_to(self._folder).as_posix()

    def _said(self, came: Came) -> list[Sum]:
        """What publishers and its host say of a file: by its path, or by its name where only one file has that."""
        name = came.name
        said = [one for one in self._sums if one.name == name]
        own = PurePosixPath(name).name
        if not said and sum(PurePosixPath(other).name == own for other in self._names) == 1:
            said = [one for one in self._sums if PurePosixPath(one.name).name == own]
        return said + [Sum(name, one.algorithm, one.digest, f"its host ({one.field})") for one in came.said]

    def _take_sums(self, name: str) -> None:
        try:
            self._sums += parse_sums(name, read_evidence(self._folder / name))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f"{name} cannot be compared with: {reason}; fetch it again."
            self._run.add([Finding("evidence-unreadable", Severity.WARNING, message, member=name)])

    def _tell_damage(self, came: Came, proof: Proof) -> None:
        """What can be done about a damaged archive."""
        if archive_of(came.name) != came.name or (came.part is not None and not proof.harmed):
            return
        link = self._root.files[came.name].link
        what = plural(proof.harmed, "damaged member") if proof.harmed else "it"
        if came.part is not None:
            message = f"{what} came from {link.address} so: ask whoever gives it; it lies in {came.path}"
        elif self._repair:
            message = f"{what} could not be put right from {link.address}: ask whoever gives it, or move {came.path}"
            message += " away, and run the same command again to fetch it whole"
        elif len(proof.damaged) == proof.harmed > 0 and not came.whole_only:
            message = f"{what}, of an archive with its whole length: 'laden fetch --repair' fetches these again"
        else:
            why = f"{link.host} gives no ranges" if came.whole_only else "its members alone do not help"
            message = f"{why}: 'laden fetch --repair' fetches the whole archive anew, beside the damaged one, which it"
            message += " replaces once it is proved"
        self._tell(came.name, "fetch-damaged", message)

    def _tell_unproved(self, came: Came, proof: Proof, *, fetched: bool) -> None:
        if proof.unread:
            message = f"{plural(proof.unread, 'member')} could not be read and held against a checksum"
        elif proof.vouched or is_sums(came.name):
            return
        elif fetched:
            message = "fetched, and nothing vouches for it but its length: no checksum of the publisher's, none within"
        else:
            message = (
                "it was there already, with the length of the one behind the link, and nothing vouches for its bytes:"
                " move it away, and run the same command again to have it fetched"
            )
        self._tell(came.name, "fetch-unproved", message, Severity.WARNING)

    def _tell(self, name: str, code: str, message: str, severity: Severity = Severity.ERROR) -> None:
        if archive_of(name):
            self._run.add([Finding(code, severity, message, archive=name)])
        else:
            self._run.add([Finding(code, severity, message, member=name)])


def _is_zip(name: str) -> bool:
    return archive_of(name) == name and is_zip(name)
