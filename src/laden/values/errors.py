"""Everything laden raises on purpose, and the exit code that each one means.

    LadenError                    1   a bug, unless it is one of those below
      UsageError                  2   an argument, option, setting or profile file is wrong
        DiskFull                      a disk of this machine is full
      SourceError                 5   archives or table cannot be read
        MemberDamaged                 one member's bytes are not what its archive declares (becomes a finding)
      Interrupted               130   asked to stop before it was done
      StoreError                  6   the destination does not do what it should
        TransientStoreError           ... but may, if asked again (timeouts, 429, 503, broken connections)
        AccessDenied              4   credentials refused, expired, or lacking a permission
          AccessEnded                 ... the credential itself is not accepted (any more): another one may be
        ContainerMissing              no such container or folder
        BlobConflict                  a condition failed: the blob is there, or is another version
        Overtaken                     another run landed a table, manifest or page while this one was about to
        BlobMissing                   no such blob
        NotAsLanded             3     what a load left is gone, or another one now
        ManifestUnreadable      3     ... or none that this version can read
        BlobRefused                   this one request is not acceptable; others may be
          BlobArchived                it asks for bytes that nobody can read before hours have passed
          NotOffered                  ... as the service does not have the operation
          CopySourceRefused           ... as the service cannot read what it was to copy

Every message is one sentence for a person: what is wrong, where, and what to do next. Problems of the data are
findings (`laden.values.records.Finding`), not exceptions. No message ever holds a signature, key or token:
each passes `laden.values.secrets.redact` when it is made.
"""

from __future__ import annotations

from enum import IntEnum

from laden.values.secrets import redact


class ExitCode(IntEnum):
    """What the process exit code means; the same table is in `laden --help` and docs/exit-codes.md."""

    COMPLETE = 0
    BUG = 1
    USAGE = 2
    FINDINGS = 3
    """Complete, with findings that need a person: missing, damaged, conflicts."""
    ACCESS = 4
    SOURCE = 5
    DESTINATION = 6
    INTERRUPTED = 130


class LadenError(Exception):
    """Root of everything laden raises on purpose."""

    exit_code = ExitCode.BUG
    helped_by_again = False
    """Whether the same command, run again, may get further."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class UsageError(LadenError):
    """An argument, option, environment setting or profile file is wrong."""

    exit_code = ExitCode.USAGE


class DiskFull(UsageError):  # noqa: N818 - named for what happened
    """A disk of this machine is full: that of laden's notes, of a file of its own, or of a folder that data go to."""


class SourceError(LadenError):
    """Archives or table cannot be read."""

    exit_code = ExitCode.SOURCE

    def __init__(self, message: str, code: str = "source-unreadable") -> None:
        super().__init__(message)
        self.code = code
        """The finding code, where the load can go on without what could not be read."""

    @property
    def is_change(self) -> bool:
        """Whether the source changed since it was surveyed: what was planned of it does not hold any more."""
        return self.code in ("archive-changed", "file-changed")


class MemberDamaged(SourceError):  # noqa: N818 - named for what happened, as the finding it becomes
    """One member's bytes are not what its archive declares."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code)


class Interrupted(LadenError):  # noqa: N818 - named for what happened
    """The run was asked to stop before this was done."""

    helped_by_again = True
    exit_code = ExitCode.INTERRUPTED


class StoreError(LadenError):
    """The destination does not do what it should."""

    exit_code = ExitCode.DESTINATION


class TransientStoreError(StoreError):
    """The same request may succeed later."""

    helped_by_again = True
    lasted_s = 0.0
    """How long the request itself took until it failed, without any waiting before it."""

    def __init__(
        self,
        message: str,
        retry_after_s: float | None = None,
        *,
        throttled: bool = False,
        answered: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the service asked for in `Retry-After`, in seconds."""
        self.throttled = throttled
        """Whether the service said that it has too much to do (429, 503)."""
        self.answered = answered or throttled
        """Whether it is an answer, whatever it says: somebody is there."""


class AccessDenied(StoreError):  # noqa: N818 - named for what the service said
    """Credentials refused, expired, or lacking a permission. Ends the run at once."""

    exit_code = ExitCode.ACCESS

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
        """The service's own word for it, where it was the service that refused."""


class AccessEnded(AccessDenied):
    """The credential itself is not accepted (any more): expired, revoked, wrong. With another one the run can go on."""


class ContainerMissing(StoreError):  # noqa: N818 - named for what the service said
    """No such container, or no such folder."""


class BlobConflict(StoreError):  # noqa: N818 - named for what the service said
    """The condition of a put failed: the blob is already there, or is another version."""

    repeated = False
    """Whether an earlier attempt of the same put broke off and may have succeeded unheard."""


class BlobProtected(BlobConflict):
    """Not another version: something keeps this one as it is (a lease, a legal hold, the archive tier)."""


class Overtaken(StoreError):  # noqa: N818 - named for what happened
    """Another run landed a document while this one was about to: what is known here of the destination is old."""

    helped_by_again = True

    def __init__(self, name: str) -> None:
        super().__init__(f"another run changed {name} while this one was about to: run the same command again")


class ManifestUnreadable(StoreError):  # noqa: N818 - named for what happened
    """What lies under the manifest's name is none that this version can read."""

    exit_code = ExitCode.FINDINGS


class NotAsLanded(StoreError):  # noqa: N818 - named for what happened
    """What the load left is gone, or another one now, and nothing can be done without it: a person has to look."""

    exit_code = ExitCode.FINDINGS


class BlobMissing(StoreError):  # noqa: N818 - named for what the service said
    """No such blob."""


class BlobRefused(StoreError):  # noqa: N818 - named for what the service said
    """The service will not take this one request; others may succeed."""


class BlobArchived(BlobRefused):
    """A blob of the archive tier, whose bytes cannot be read."""


class NotOffered(BlobRefused):
    """The service does not have this operation (501): something else must do."""


class CopySourceRefused(BlobRefused):
    """The service could not read what it was to copy from an address, or found it to be something else."""

    def __init__(self, message: str, *, is_other: bool = False) -> None:
        super().__init__(message)
        self.is_other = is_other
        """Whether it was read, and is not what it should be: another version, or other bytes."""


class NameRefused(BlobRefused):
    """The place cannot hold a blob of this name, however often it is asked to."""


_GO_ON = frozenset({"load", "copy", "get", "fetch", "set", "prune", "undelete"})
"""Commands that, run again, do only what is left to be done."""


def last_words(error: LadenError, command: str) -> str:
    """The sentence in which an error ends a run: with what to do next, where it does not say so itself.

    Args:
        error: what ended it.
        command: the verb, as its summary names it.
    """
    message = str(error)
    # What stands behind a colon is advice; the one before a port has no blank behind it.
    if not error.helped_by_again or ": " in message or "same command" in message:
        return message
    return f"{message}: run the same command again{' to go on' if command in _GO_ON else ''}"
