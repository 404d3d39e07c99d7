"""What takes longer than an answer: begun from the page, watched by asking, stopped on request.

A job is known by a number. What it does runs as a task of the server's loop, or, for a verb, in a thread that tells its
events, and may ask a question, which the page shows and somebody answers. A page that is closed ends no job; the
server's end stops all of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from laden.report.meanings import Meaning, meanings
from laden.run.tasks import in_own_thread
from laden.values.errors import ExitCode, Interrupted, LadenError, UsageError
from laden.values.events import Event, Found, PlanReady, Started, Summary, Warned
from laden.values.records import Finding
from laden.values.signs import Progress

_LOOK_S = 0.1
_EXAMPLES = 200
"""Findings of one kind that a page can list; the rest is counted."""
_ENDING_S = 30
"""How long the server's end waits for what was begun."""
_PATIENCE_S = 15 * 60
"""After which nobody will answer a question any more: no is meant then."""
_COUNTS = (
    "rows", "images", "matched", "missing", "stray", "damaged", "conflicts", "foreign", "deleted", "changed", "sent",
    "already_there", "failed",
)  # fmt: skip


@dataclass
class Job:
    """Something that runs, or ran."""

    number: int
    kind: str
    """`verify`, `check`, `download`, `delete` ..."""
    title: str
    state: str = "running"
    """`running`, `done`, `stopped` or `failed`."""
    stage: str = ""
    done: int = 0
    in_all: int = 0
    done_bytes: int = 0
    bytes_in_all: int = 0
    message: str = ""
    stopping: bool = False
    began_s: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Finding]] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    holds: bool = False
    """Whether it needs the place that is shown, which stays open as long as it runs."""
    question: str = ""
    """What somebody has to say yes or no to; empty where nothing is asked."""
    _answered: threading.Event = field(default_factory=threading.Event)
    _yes: bool = False

    def asks(self, question: str) -> bool:
        """Ask, from the thread of a verb, and wait for the answer."""
        until_s = time.monotonic() + _PATIENCE_S
        self.question = question
        while not self._answered.wait(_LOOK_S) and not self.stopping and time.monotonic() < until_s:
            pass
        self.question = ""
        return self._yes and not self.stopping

    def answer(self, *, yes: bool) -> None:
        """Answer what it asks; raises `UsageError` where it asks nothing."""
        if not self.question or self._answered.is_set():
            raise UsageError("this asks nothing (any more)")
        self._yes = yes
        self._answered.set()

    def observe(self, event: Event) -> None:
        """Take note of a verb's event."""
        match event:
            case Found(finding):
                self.counts[finding.code] = self.counts.get(finding.code, 0) + 1
                kept = self.examples.setdefault(finding.code, [])
                if len(kept) < _EXAMPLES:
                    kept.append(finding)
            case Started(stage, about):
                self.stage = f"{stage}: {about}" if about and "://" not in about else stage
            case Progress():
                self.done, self.in_all = event.images, event.images_in_all
                self.done_bytes, self.bytes_in_all = event.bytes, event.bytes_in_all
            case Warned(message):
                self.message = message
            case PlanReady():
                self.result["plan"] = {"rows": event.rows, "matched": event.matched, "missing": event.missing}
            case Summary():
                self._end(event)

    def _end(self, summary: Summary) -> None:
        # Of kinds with very many findings, events stop and the summary has the counts.
        self.counts = dict(summary.findings)
        self.message = summary.message
        self.result["counts"] = {name: getattr(summary, name) for name in _COUNTS}
        self.result["exit_code"] = summary.exit_code

    @property
    def name(self) -> str:
        """What it is called: a title that is a sentence says what is done."""
        return self.title if self.title[:1].isupper() else f"{self.kind} {self.title}"

    @property
    def ended_whole(self) -> bool:
        """Whether nothing was left out, though somebody may have asked it to stop."""
        if self.state != "stopped":
            return self.state == "done"
        if "exit_code" in self.result:
            return bool(self.result["exit_code"] != ExitCode.INTERRUPTED)
        return 0 < self.in_all == self.done

    def told(self) -> dict[str, Any]:
        """The job, for the page."""
        seconds = self.seconds or time.monotonic() - self.began_s
        return {
            "number": self.number,
            "kind": self.kind,
            "title": self.title,
            "name": self.name,
            "state": self.state,
            "stage": self.stage,
            "done": self.done,
            "in_all": self.in_all,
            "done_bytes": self.done_bytes,
            "bytes_in_all": self.bytes_in_all,
            "message": self.message,
            "question": self.question,
            "seconds": round(seconds, 1),
            "result": self.result,
            "findings": [_kind(code, count, self.examples.get(code, [])) for code, count in self.counts.items()],
        }


def kinds(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings by kind, for the page: how many, what each kind means, what to do, and some of them."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.code, []).append(finding)
    return [_kind(code, len(of_kind), of_kind[:_EXAMPLES]) for code, of_kind in found.items()]


def _kind(code: str, count: int, examples: list[Finding]) -> dict[str, Any]:
    told = meanings().get(code, Meaning("", ""))
    return {
        "code": code,
        "count": count,
        "severity": examples[0].severity.value if examples else "info",
        "meaning": told.meaning,
        "advice": told.advice,
        "examples": [one._asdict() for one in examples],
    }


class Jobs:
    """All jobs of one server. Of its loop's thread."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut: list[Job] = []
        """Those that the server's end broke off."""

    @property
    def running(self) -> bool:
        """Whether any job is not over."""
        return any(job.state == "running" for job in self._jobs.values())

    @property
    def holding(self) -> Job | None:
        """One that runs and needs the place that is shown."""
        return next((job for job in self._jobs.values() if job.state == "running" and job.holds), None)

    def get(self, number: int) -> Job | None:
        """The job of that number."""
        return self._jobs.get(number)

    def all(self) -> list[Job]:
        """Every job, the latest first."""
        return sorted(self._jobs.values(), key=lambda job: -job.number)

    def begin(self, kind: str, title: str, work: Callable[[Job], Awaitable[None]], *, holds: bool = True) -> Job:
        """Begin one in the loop; `work` looks at `job.stopping` and says how far it is."""
        job = Job(len(self._jobs) + 1, kind, title, holds=holds)
        self._jobs[job.number] = job
        task = asyncio.get_running_loop().create_task(self._run(job, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def begin_verb(self, kind: str, title: str, verb: Callable[[Job], object]) -> Job:
        """Begin one in a thread, where it may have an event loop of its own."""

        async def work(job: Job) -> None:
            await in_own_thread(lambda: verb(job))

        return self.begin(kind, title, work, holds=False)

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[None]]) -> None:
        try:
            await work(job)
        except Interrupted as error:
            job.state, job.message = "stopped", str(error)
        except LadenError as error:
            job.state, job.message = "failed", str(error)
        except asyncio.CancelledError:
            job.state = "stopped"
            job.message = "; ".join(filter(None, (job.message, "the server was stopped; begin it again to finish")))
            raise
        except Exception as error:  # noqa: BLE001 - a page that waits forever would be worse
            job.state, job.message = "failed", f"a bug: {type(error).__name__}; please report it"
        else:
            job.state = "stopped" if job.stopping else "done"
        finally:
            job.seconds = time.monotonic() - job.began_s

    async def close(self) -> None:
        """Have all of them begin nothing more, and wait until what they began is over; what takes long is given up."""
        running = [job for job in self._jobs.values() if job.state == "running"]
        for job in running:
            job.stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_ENDING_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut = [job for job in running if not job.ended_whole]
