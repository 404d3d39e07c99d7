"""What an examination found, line by line, and the exit code that it adds up to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from laden.values.errors import ExitCode, LadenError
from laden.values.events import Checked, Observer


class Notes:
    """Grows with the examination; the observer is told each line as it is written."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._failed: list[str] = []
        self._error: LadenError | None = None

    def tell(self, check: str, outcome: str, message: str, todo: str = "") -> None:
        """Write a line; see `laden.values.events.Checked`."""
        if outcome == "fail":
            self._failed.append(check)
        self._observer(Checked(check, outcome, message, todo))

    async def tried(self, check: str, work: Callable[[], Awaitable[str]]) -> bool:
        """Do what a load will have to do; its sentence, or its error's, becomes the line."""
        try:
            self.tell(check, "pass", await work())
        except LadenError as error:
            self.fail(check, error)
            return False
        return True

    def fail(self, check: str, error: LadenError) -> None:
        """Write an error down: its last part, after a colon, is what to do."""
        self._error = self._error or error
        what, _, todo = str(error).rpartition(": ")
        self.tell(check, "fail", *((what, todo) if what else (todo, "")))

    def untested(self, *checks: str, why: str) -> None:
        """Say what could not be looked at."""
        for check in checks:
            self.tell(check, "untested", f"not tested: {why}")

    def failed(self) -> list[str]:
        """The checks that failed, in order."""
        return self._failed

    def exit_code(self) -> ExitCode:
        """That of the first error; findings, where something failed without one."""
        if self._error is not None:
            return self._error.exit_code
        return ExitCode.FINDINGS if self._failed else ExitCode.COMPLETE
