"""Three hundred hosts, each with a mixture of all the ways in which hosts are known to misbehave, drawn from a seed.

Each is read as a source and fetched to a folder. What comes is what is there, byte for byte, or a refusal with one of
the sentences for it; a mixture of faults that pass is never refused.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.dataset.source import Reader, Scope, entries
from laden.remote.sources import Sources
from laden.stages.fetching import Fetching
from laden.stages.fetching.proof import prove
from laden.values.errors import SourceError
from laden.values.records import Entry
from tests.remote.server import PAGE, Call, Play, Server

HOSTS, PARTS = 300, 10
_HTML = (("Content-Type", "text/html"),)
PASSING = (
    Play(status=503),
    Play(status=500),
    Play(status=429),
    Play(status=429, headers=(("Retry-After", "0"),)),
    Play(status=403, headers=(("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "0"))),
    Play(cut_at=0),
    Play(cut_at=700),
    Play(whole=True),
    Play(shift=3),
    Play(status=200, body=PAGE, headers=_HTML),
    Play(status=206, body=PAGE),
    Play(delay_s=0.002),
)
LASTING = (
    Play(whole=True),
    Play(shift=5),
    Play(status=200, body=PAGE, headers=_HTML),
    Play(status=403),
    Play(status=404),
    Play(packed=True),
    Play(packed=True, whole=True),
    Play(etag='"new"'),
    Play(total=99),
)
REFUSALS = {
    "archive-changed",
    "archive-html",
    "source-no-ranges",
    "source-refused",
    "source-unreadable",
}


class Mixture:
    """How one host answers, request by request."""

    def __init__(self, seed: int, server: Server) -> None:
        self.drawn = random.Random(seed)
        drawn, self.path, self._server = self.drawn, f"{seed}.zip", server
        self.share = drawn.choice([0.0, 0.1, 0.3])
        self.lasting = drawn.choice([None, None, None, *LASTING])
        self.from_request = drawn.randrange(1, 12)
        self.etags = drawn.choice([1, 1, 1, 2, 1000])
        self.redirects = drawn.random() < 0.2
        self.slower = drawn.random() < 0.1
        self.stall = drawn.randrange(2, 8) if drawn.random() < 0.05 else 0
        self.requests = 0
        self.uses: dict[str, int] = {}
        """Of signed links, which end after some."""
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as file:
            for number in range(drawn.randrange(1, 9)):
                packed = drawn.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
                file.writestr(f"{number}.png", drawn.randbytes(drawn.randrange(3_000)), packed)
        self.data = made.getvalue()
        validators = drawn.choice([{}, {}, {"weak": True}, {"etag": ""}, {"modified_s": 0.0}])
        if self.etags > 1:
            validators = {}
        self.link = server.put(self.path, self.data, **validators)

    @property
    def passes(self) -> bool:
        """Whether all of it is of the kind that passes."""
        return self.lasting is None

    def play(self, call: Call) -> Play | None:
        self.requests += 1
        if self.redirects and "signed" not in call.path:
            return Play(status=302, headers=(("Location", f"{self._server.url(self.path)}?signed={call.number}"),))
        if self.redirects:
            self.uses[call.path] = self.uses.get(call.path, 0) + 1
            if self.uses[call.path] > self.from_request:
                # Some end after their first use, while several requests are under way.
                return Play(status=403, body=b"<Error><Code>ExpiredToken</Code></Error>")
        if self.lasting and self.requests >= self.from_request:
            return self.lasting
        if self.requests == self.stall:
            return Play(stall_at=300)
        if self.requests > 2 and self.drawn.random() < self.share:
            return self.drawn.choice(PASSING)
        if self.etags > 1:
            return Play(etag=f'"node-{self.requests % self.etags}"', unconditional=True)
        return Play(delay_s=0.0005 * self.requests) if self.slower else None


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.0005)
    monkeypatch.setattr("laden.store.retry.LONGEST_PAUSE_S", 0.004)
    monkeypatch.setattr("laden.store.connection._STALL_S", 0.4)
    monkeypatch.setattr("laden.stages.fetching.part.BLOCK_BYTES", 2_000)
    # A power cut is not among what befalls these.
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.mark.parametrize("part", range(PARTS))
def test_what_comes_is_what_is_there_or_a_refusal(server: Server, tmp_path: Path, part: int) -> None:
    hosts: dict[str, Mixture] = {}

    def play(call: Call) -> Play | None:
        return hosts[call.path.partition("?")[0].lstrip("/")].play(call)

    server.play = play
    for seed in range(part * HOSTS // PARTS, (part + 1) * HOSTS // PARTS):
        mixture = Mixture(seed, server)
        hosts[mixture.path] = mixture
        told = f"seed {seed}: {mixture.lasting}, share {mixture.share}, etags {mixture.etags}"
        for step in (read, fetched):
            mixture.requests = 0
            if (error := refusal(step, mixture, tmp_path / str(seed))) is not None:
                assert error.code in REFUSALS, told
                assert str(error).count("\n") == 0, told
                assert not mixture.passes or mixture.etags > 1, f"{told}: {error}"
            assert not (tmp_path / str(seed) / mixture.path).exists() or step is fetched, told


def refusal(step: Callable[[Mixture, Path], None], mixture: Mixture, folder: Path) -> SourceError | None:
    """What a step was refused with."""
    try:
        step(mixture, folder)
    except SourceError as error:
        return error
    return None


def read(mixture: Mixture, folder: Path) -> None:
    """Read the archive where it lies, each member by itself."""
    folder.mkdir()
    with Sources([mixture.link]) as sources, zipfile.ZipFile(io.BytesIO(mixture.data)) as right:
        found = sources.find(Scope(), folder)
        listed = [one for one in entries(found.root, mixture.path) if isinstance(one, Entry)]
        assert [entry.member for entry in listed] == right.namelist()
        found.root.expect(listed)  # type: ignore[union-attr]
        with Reader(found.root) as reader:
            for entry in listed:
                assert b"".join(reader.read(entry, 1 << 20)) == right.read(entry.member)


def fetched(mixture: Mixture, folder: Path) -> None:
    """Fetch it; nothing has its name but the whole of it."""
    with Sources([mixture.link]) as sources:
        root, findings = sources.look(Scope())
        for finding in findings:
            raise SourceError(finding.message, finding.code)
        fetching = Fetching(root, sources.wire, folder, told=lambda _: None, stopping=lambda: False)
        for came in fetching.files([mixture.path]):
            if came.error is not None:
                raise came.error
            assert came.part is not None
            proof = prove(folder, came.path.name, mixture.path, [], lambda: False)
            whole = came.path.read_bytes() == mixture.data
            if came.version is not None or not proof.wrong:
                assert whole == (not proof.wrong)
            if proof.wrong:
                came.part.close()
            else:
                came.part.place()
                assert (folder / mixture.path).read_bytes() == mixture.data
