"""Numbers as people read them: counts with separators, decimal bytes, durations; and as services write them."""

from __future__ import annotations

_DAYS_FROM_S = 48 * 3600
_NO_HOURS_DAYS = 10
_MOST_DIGITS = 19
"""Of 63 bits, which is what a column of the database holds."""


def whole_number(text: str | None) -> int | None:
    """What a service wrote as digits alone; None where it is anything else, or more than 63 bits hold."""
    if text is None or len(text) > _MOST_DIGITS or not text.isdecimal():
        return None
    number = int(text)
    return number if number < 1 << 63 else None


def amount(count: int) -> str:
    """`160,861`."""
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """`1 image`, `2,000 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def share(part: int, whole: int) -> str:
    """`31 %`, `0.4 %`; the smallest that is shown is `<0.1 %`."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.0f} %" if 10 <= percent < 99.5 or percent in (0, 100) else f"{min(percent, 99.9):.1f} %"


def size(size_bytes: int) -> str:
    """`1.2 GB`: decimal units, as clouds and disks are sold (IEC 80000-13)."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """`4 s`, `3 min 20 s`, `2 h 05 min`, `3 days 4 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < _DAYS_FROM_S:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{plural(days, 'day')} {hours} h" if days < _NO_HOURS_DAYS else plural(days, "day")
