"""How quick the explorer answers: `python -m bench.explore [ROWS ...]`, by default 160,861 and 1,000,000.

A listing is served from memory, 5,000 blobs a page as the service gives them, with a label table of PADCHEST's shape
beside it; a page's requests are timed over HTTP, the server in a process of its own. With Chromium, also what a
screen shows of images of 2,500 x 3,000 pixels: of a window that is dragged, how many frames are missed of 60 a second,
and what one costs where no clock holds it up. Figures stand beside their targets; nothing is asserted.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from laden.demo import png, radiograph, rows
from laden.explorer.app import static_files
from laden.explorer.serve import listening, serve
from laden.explorer.session import Session, Verbs
from laden.explorer.stored import StoredPlace
from laden.run.loop import run as run_loop
from laden.store import parse_destination
from laden.store.manage import Detail, DetailPage
from laden.values.memory import keep_memory
from laden.values.records import Blob

_PAGE = 5_000
_TRIES = 5
_SIZES = (160_861, 1_000_000)
_TARGETS_MS = {
    "first rows, after the first page of the listing": (500, 500),
    "the whole list, its labels joined": (None, None),
    "jump anywhere": (50, 50),
    "sort by size": (100, 300),
    "find by part of a name": (100, 300),
    "filter by a label": (100, 300),
    "facet of the labels": (100, 300),
    "folders, count and bytes": (100, 300),
}
_SERVER_MB, _PAGE_KB, _NEXT_MS, _FRAME_MS = 350, 100, 50, 1000 / 60


def _image_id(number: int) -> str:
    """As long as the publisher's names, and in the order of their numbers."""
    return f"{number:09d}{hashlib.md5(b'%d' % number, usedforsecurity=False).hexdigest()[:30]}_{number % 997:03d}.png"


def _picture(number: int, count: int) -> rows.Picture:
    folder = f"{number * 55 // count:02d}"
    return rows.Picture(_image_id(number), folder, 2000 + number % 1500, 1800 + number % 1400)


class _Listed:
    """A listing that is computed page by page, as the second port gives one: nothing of it stays in memory."""

    def __init__(self, count: int, table_bytes: int) -> None:
        self._count, self._table_bytes = count, table_bytes
        self.first_s = 0.0

    async def list_details(self, marker: str = "") -> DetailPage:
        start = int(marker or 0)
        self.first_s = self.first_s or time.time()
        end = min(start + _PAGE, self._count)
        details = [self._detail(number) for number in range(start, end)]
        if not start:
            details.insert(0, Detail(Blob(rows.TABLE_NAME, self._table_bytes, None, '"0x1"', {}), 0, "Hot", "text/csv"))
        return DetailPage(details, "" if end == self._count else str(end))

    def _detail(self, number: int) -> Detail:
        one = _picture(number, self._count)
        source = f"{one.image_dir}.zip:{one.image_id}"
        image = f"png;{one.width};{one.height};16;whole"
        metadata = {"laden_image": image, "laden_crc32": f"{number:08x}", "laden_source": source}
        size_bytes = one.width * one.height + number % 9973
        md5 = (number * 0x9E3779B97F4A7C15).to_bytes(16, "big")
        blob = Blob(f"png/{one.image_dir}/{one.image_id}", size_bytes, md5, f'"0x{number:X}"', metadata)
        return Detail(blob, 1_700_000_000 + number, "Hot", "image/png")

    async def close(self) -> None:
        """Nothing is held open."""


def _serve(count: int, folder: Path) -> None:
    """Serve such a place until standard input ends: prints its address, and at last when its listing began."""
    keep_memory()  # as the command does
    listed = _Listed(count, (folder / rows.TABLE_NAME).stat().st_size)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

    def place(_: str) -> StoredPlace:
        one = StoredPlace(parse_destination(str(folder)))
        one.manage = listed  # type: ignore[assignment]
        return one

    async def session() -> Session:
        started = Session(verbs=Verbs(print, print, print, print), folder=folder, write=False, opener=place)
        await started.open()
        return started

    def told(_: str, address: str) -> None:
        print(address, flush=True)

    run_loop(serve(listening(None), session, told, stopping=stop.is_set))
    print(listed.first_s, flush=True)


def _measured(count: int, folder: Path) -> dict[str, float]:
    # The table has the publisher's number of rows at most: a larger one is none of PADCHEST's.
    pictures = (_picture(number, count) for number in range(0, count, max(1, count // _SIZES[0])))
    (folder / rows.TABLE_NAME).write_bytes(rows.encode(pictures, 1))
    began_s = time.time()
    command = [sys.executable, "-m", "bench.explore", "--serve", str(count), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        found, first_seen_s = _asked(_Asker(server.stdout.readline().strip()), began_s, count, server.pid)
        server.stdin.close()
        listed_s = float(server.stdout.readline())
    return {"first rows, after the first page of the listing": (first_seen_s - listed_s) * 1000, **found}


class _Asker:
    def __init__(self, url: str) -> None:
        address, _, token = url.partition("#open=")
        self._host = address.removeprefix("http://").rstrip("/")
        self._connection = http.client.HTTPConnection(self._host)
        self._headers = {"X-Laden": "1", "Origin": f"http://{self._host}"}
        self._connection.request("POST", "/session", json.dumps({"token": token}), self._headers)
        answer = self._connection.getresponse()
        self._headers["Cookie"] = (answer.getheader("set-cookie") or "").partition(";")[0]
        answer.read()

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        self._connection.request("GET" if data is None else "POST", f"/api/{path}", data, self._headers)
        answer = self._connection.getresponse()
        return json.loads(answer.read())

    def view(self, **query: Any) -> Any:
        return self.ask("view", query)


def _asked(asker: _Asker, began_s: float, count: int, pid: int) -> tuple[dict[str, float], float]:
    found: dict[str, float] = {}
    while not asker.view().get("rows"):
        time.sleep(0.02)
    first_seen_s = time.time()
    while (state := asker.ask("status")["state"])["phase"] not in ("ready", "failed"):
        time.sleep(0.2)
    if not state["table"]:
        raise SystemExit(f"{state['error']} {state['notes']}")
    found["the whole list, its labels joined"] = (time.time() - began_s) * 1000
    found |= {
        "jump anywhere": _median(lambda n: asker.ask(f"rows?view={asker.view()['view']}&from={count * n // 7}&n=200")),
        # Another condition each time, so that no view is found that was made before.
        "sort by size": _median(
            lambda n: _first(asker, asker.view(sort="size_bytes", descending=bool(n % 2), folder="png/" * (n > 1)))
        ),
        "find by part of a name": _median(lambda n: _first(asker, asker.view(find=f"1{n}2"))),
        "filter by a label": _median(
            lambda n: _first(asker, asker.view(where=["list_contains(Labels, 'cardiomegaly')", f"laden_width > {n}"]))
        ),
        "facet of the labels": _median(lambda n: asker.ask(f"facet?view={asker.view()['view']}&column=Labels")),
        "folders, count and bytes": _median(lambda n: asker.ask(f"folders?view={asker.view()['view']}")),
        "server, MB": _memory_mb(pid, "VmRSS"),
        "server, MB at most": _memory_mb(pid, "VmHWM"),
    }
    return found, first_seen_s


def _memory_mb(pid: int, kind: str) -> float:
    """What a process takes now (`VmRSS`), or ever took (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return int(next(line for line in status if kind in line).split()[1]) / 1000


def _first(asker: _Asker, view: Any) -> None:
    """A view is seen when its first rows are."""
    asker.ask(f"rows?view={view['view']}&from=0&n=200")


def _median(work: Any) -> float:
    times = []
    for number in range(_TRIES):
        began_s = time.monotonic()
        work(number)
        times.append((time.monotonic() - began_s) * 1000)
    return statistics.median(times)


_CANVAS = "document.querySelector('canvas')"
_FREE = ("--disable-frame-rate-limit", "--disable-gpu-vsync")
"""Flags of Chromium: the next frame is begun when the last is done, so that frames last as long as their work."""
_DRAG_MS = 3000
_DRAG = (
    # Moved between two frames, as a mouse does: what is moved within one is drawn in the next alone.
    f"new Promise(r => {{ const c = {_CANVAS}, own = requestAnimationFrame.bind(window), gaps = [], draws = [];"
    " let old = c.dataset.drawn, moved = 0, last = 0; const began = performance.now();"
    " window.requestAnimationFrame = f => own(t => { const s = performance.now(); f(t);"
    " if (c.dataset.drawn !== old) { old = c.dataset.drawn; draws.push(performance.now() - s); } });"
    " const by = () => ({buttons: 1, movementX: moved++ % 2 ? 3 : -2, movementY: 1, bubbles: true});"
    " const move = () => c.dispatchEvent(new PointerEvent('pointermove', by()));"
    " const step = t => { if (last) gaps.push(t - last); last = t;"
    f" if (performance.now() - began > {_DRAG_MS}) {{ window.requestAnimationFrame = own; return r([gaps, draws]); }}"
    " setTimeout(move); own(step); }; own(step); })"
)


@contextmanager
def _looking(folder: Path, *flags: str) -> Iterator[Any]:
    """A person before the first of four images of 2,500 x 3,000 pixels, once its neighbours are there, too."""
    from tests.explorer.served import exploring
    from tests.support.person import Person

    with exploring(str(folder)) as asker, Person(folder.parent / f"profile{len(flags)}", *flags) as person:
        person.visit(asker.url, width=1400, height=1000)
        person.wait("document.querySelectorAll('tbody tr').length === 4")
        person.wait("!document.querySelector('tbody').innerText.includes('…\\t')")
        person.click_on("document.querySelector('tbody tr')", times=2)
        person.wait(f"{_CANVAS}.dataset.drawn")
        person.wait("performance.getEntriesByType('resource').filter(e => e.name.includes('pixels')).length >= 2")
        time.sleep(3)
        yield person


def _on_screen(folder: Path) -> Iterator[tuple[str, float, float]]:
    """What a person waits for at an image, where Chromium is here."""
    for number in range(4):
        image = radiograph.draw(np.random.Generator(np.random.PCG64(number)), 3000, 2500)
        (folder / f"{number}.png").write_bytes(png.encode(image))
    key = "new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true})"
    with _looking(folder) as person:
        next_ms = person.evaluate(
            f"new Promise(r => {{ const c = {_CANVAS}, old = c.dataset.drawn, t = performance.now();"
            " const look = () => c.dataset.drawn !== old ? r(performance.now() - t) : requestAnimationFrame(look);"
            f" document.querySelector('.viewer').dispatchEvent({key}); look(); }})"
        )
        yield "next image, fetched ahead, ms", next_ms, _NEXT_MS
        gaps, _ = person.evaluate(_DRAG)
        missed = sum(gap > 1.5 * _FRAME_MS for gap in gaps)
        yield f"window drag at 60 a second: missed of {len(gaps)} frames", missed, 0
    with _looking(folder, *_FREE) as person:
        gaps, draws = person.evaluate(_DRAG)
        yield "window drag: all work of a frame, ms", statistics.median(gaps), _FRAME_MS
        yield "of it the page's own, ms", statistics.median(draws), _FRAME_MS


def main() -> None:
    """Measure each size with a server of its own, and print the table."""
    if sys.argv[1:2] == ["--serve"]:
        _serve(int(sys.argv[2]), Path(sys.argv[3]))
        return
    sizes = [int(text) for text in sys.argv[1:]] or list(_SIZES)
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measured = _measured(count, Path(folder))
        print(f"\n{count:,} rows")
        for name, value in measured.items():
            if name.startswith("server"):
                print(f"  {name:52} {value:8.0f}   target {_SERVER_MB}")
                continue
            target = _TARGETS_MS[name][count > _SIZES[0]]
            print(f"  {name:52} {value:8.0f} ms" + (f"   target {target}" if target else ""))
    size_kb = sum(len(data) for name, (data, _) in static_files().items()) / 1000
    print(f"\n  {'the page, all its files, kB':52} {size_kb:8.0f}      target {_PAGE_KB}")
    from tests.support.chromium import CHROMIUM

    if CHROMIUM:
        with tempfile.TemporaryDirectory() as name:
            (folder := Path(name) / "images").mkdir()
            for what, found, target in _on_screen(folder):
                print(f"  {what:52} {found:8.1f}      target {target:.1f}")


if __name__ == "__main__":
    main()
