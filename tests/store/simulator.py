"""What laden's control of requests makes of bad weather, in virtual time: every case beside its ideal.

`python -m tests.store.simulator [part of a case's name]` prints the table. The ideal is what nobody could beat: all
bytes and requests at the most that service, link and `MOST` requests in flight give from the first moment on, repeated
ones included, plus the time in which nothing was possible. Pauses and the search for the pace are laden's own cost.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from laden.store.pace import MOST
from tests.store.weather import Played, Weather, play


@dataclass(frozen=True)
class Case:
    """Puts through some weather."""

    name: str
    weather: Weather
    puts: int
    bound: float
    """What laden may take, as a multiple of the ideal."""
    lost_s: float = 0.0
    """In which the weather lets nothing, or the last request, pass."""
    latency_s: float = 0.005
    size_bytes: int = 20_000
    window_items: int = 1024
    refused_at_most: float = 1.0
    """Share of the requests that may be refused, where the service has a limit."""

    @property
    def ideal_s(self) -> float:
        weather = self.weather
        asked = self.puts / (1 - weather.refused - weather.cut)
        spans_s = [asked * weather.serve_s, asked * self.latency_s / MOST]
        if weather.per_s:
            spans_s.append(self.puts / weather.per_s - weather.burst_s)
        if weather.link_bytes_per_s:
            spans_s.append(self.puts * self.size_bytes / weather.link_bytes_per_s)
        return max(spans_s) + self.latency_s + self.lost_s

    def play(self, seed: int = 1) -> Played:
        return play(self.weather, self.puts, size_bytes=self.size_bytes, seed=seed, window_items=self.window_items)


def _at(latency_s: float) -> Callable[[float], float]:
    return lambda _: latency_s


def _noise(refused: float, cut: float, puts: int, bound: float, latency_s: float = 0.005) -> Case:
    parts = [f"{share:.1%} {what}" for share, what in ((refused, "refused"), (cut, "cut")) if share]
    name = f"{' + '.join(parts)}, {latency_s * 1000:.0f} ms"
    return Case(name, Weather(_at(latency_s), refused=refused, cut=cut), puts, bound, latency_s=latency_s)


def _down(length_s: float, *, silent: bool = False) -> Case:
    name = f"{'broken' if silent else 'refused'} for {length_s:.0f} s, 30 ms"
    weather = Weather(_at(0.03), down=((0.3, 0.3 + length_s),), silent=silent)
    # What is more than the outage: 2.3 s, or a twentieth.
    bound = (1.03 + length_s + max(2.3, length_s / 20)) / (1.03 + length_s)
    return Case(name, weather, 10_000, bound, lost_s=length_s, latency_s=0.03)


def _limit(per_s: float, puts: int, bound: float, refused_at_most: float, latency_s: float, **noise: float) -> Case:
    name = f"{per_s:.0f} a second{''.join(f' + {share:.0%} {what}' for what, share in noise.items())}"
    weather = Weather(_at(latency_s), per_s=per_s, **noise)  # type: ignore[arg-type]
    return Case(
        f"{name}, {latency_s * 1000:.0f} ms",
        weather,
        puts,
        bound,
        latency_s=latency_s,
        refused_at_most=refused_at_most,
    )


def _throttled(latency_s: float, burst_s: float) -> Case:
    """A rested service takes more at first than it goes on to take; below 0.5 ms one request at a time is too many."""
    weather = Weather(_at(latency_s), per_s=2_000, burst_s=burst_s, retry_after_s=1)
    name = f"2000 a second, {burst_s:g} s at once, {latency_s * 1000:.0f} ms"
    # Who is refused in the end comes back a second later, when the others may be through.
    return Case(name, weather, 20_000, 1.15, latency_s=latency_s, refused_at_most=0.12 if latency_s > 0.01 else 0.06)


def _busy(latency_s: float, bound: float, refused_at_most: float) -> Case:
    """A machine that sends hardly more than is taken: what a crowd queues there reaches the service among the fewer."""
    weather = Weather(_at(latency_s), serve_s=3e-4, per_s=2_000, retry_after_s=1)
    name = f"2000 a second, busy machine, {latency_s * 1000:.0f} ms"
    return Case(name, weather, 20_000, bound, latency_s=latency_s, refused_at_most=refused_at_most)


def _lull(serve_s: float, bound: float) -> Case:
    """Few at once: where all were refused, nobody asks for a second, and that second is no measure of the service."""
    weather = Weather(_at(0.0), serve_s=serve_s, per_s=2_000, retry_after_s=1)
    name = f"2000 a second, 64 at once, {1 / serve_s:.0f} sent"
    return Case(name, weather, 10_000, bound, latency_s=0.0, window_items=64, refused_at_most=0.05)


def _link(mbit_per_s: float, puts: int, bound: float) -> Case:
    weather = Weather(_at(0.03), link_bytes_per_s=mbit_per_s * 125_000)
    name = f"{mbit_per_s:.0f} Mbit/s, {puts} of 6.5 MB"
    return Case(name, weather, puts, bound, latency_s=0.03, size_bytes=6_500_000, window_items=40)


CASES = (
    Case("clean, 5 ms", Weather(), 10_000, 1.15),
    Case("clean, 30 ms", Weather(_at(0.03)), 10_000, 1.4, latency_s=0.03),
    Case("clean, 200 ms", Weather(_at(0.2)), 10_000, 1.5, latency_s=0.2),
    _noise(0.001, 0, 10_000, 1.4),
    _noise(0.01, 0, 10_000, 1.6),
    _noise(0.03, 0, 10_000, 1.9),
    _noise(0, 0.06, 10_000, 1.9),
    _noise(0.08, 0.04, 5_000, 2.5),
    _noise(0.08, 0.04, 10_000, 4.0, 0.03),
    _noise(0.3, 0, 5_000, 8.0),
    _noise(0, 0.3, 5_000, 10.0),
    _down(1),
    _down(5),
    _down(60),
    _down(60, silent=True),
    _down(400),
    _limit(500, 6_000, 1.1, 0.06, 0.005),
    _limit(500, 6_000, 1.05, 0.08, 0.03),
    _limit(2_000, 10_000, 1.1, 0.15, 0.03),
    _limit(500, 6_000, 1.25, 0.05, 0.005, cut=0.01),
    _limit(500, 6_000, 1.4, 0.25, 0.005, refused=0.08),
    *(_throttled(latency_s, burst_s) for latency_s in (0.0, 0.001, 0.005, 0.03) for burst_s in (0.1, 1, 2)),
    _busy(0.0, 1.12, 0.03),
    _busy(0.03, 1.15, 0.1),
    _lull(1e-4, 2.1),
    _lull(3e-4, 1.4),
    Case(
        "latency from 5 to 200 ms",
        Weather(lambda t: 0.005 if t < 0.4 else 0.2),
        8_000,
        1.9,
        # Four thousand are through by then; the others at 512 in flight.
        lost_s=0.4 + 4_000 * 0.2 / MOST - 0.8,
    ),
    Case("latency from 200 to 5 ms", Weather(lambda t: 0.2 if t < 2 else 0.005), 10_000, 1.5, lost_s=1.4),
    Case("0.1 % take 30 s", Weather(slow=0.001), 10_000, 1.1, lost_s=30),
    Case("0.1 % refused for 60 s", Weather(refused=0.001, retry_after_s=60), 10_000, 1.1, lost_s=60),
    Case("0.1 % refused for an hour", Weather(refused=0.001, retry_after_s=3_600), 10_000, 1.1, lost_s=60),
    _link(1, 12, 1.05),
    _link(10, 80, 1.05),
    _link(100, 160, 1.05),
    _link(1_000, 320, 1.15),
)


def main(part: str = "") -> None:
    """Print the table."""
    print(f"{'case':36} {'ideal s':>9} {'laden s':>9} {'ratio':>6} {'bound':>6} {'refused':>8} {'in flight':>9}")
    for case in CASES:
        if part not in case.name:
            continue
        played = case.play()
        ratio = played.seconds / case.ideal_s
        print(
            f"{case.name:36} {case.ideal_s:9.2f} {played.seconds:9.2f} {ratio:6.2f} {case.bound:6.2f}"
            f" {played.service.refused:8} {played.store.pace.flight:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
