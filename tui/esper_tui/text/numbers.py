"""Numbers, durations and times of day as text of bounded width."""

import math
import time
from collections.abc import Iterable, Iterator

NOT_MEASURED = "–"


def number(value: float | None, precision: int, width: int) -> str:
    """Write a number with `precision` decimals in at most `width` characters.

    A longer number loses decimals first, then is written in thousands (k, M, G, T), then as a power of ten;
    "#" means that none of these fits. None is "–"; NaN and infinities are named.
    """
    if value is None:
        return NOT_MEASURED[:width]
    value = float(value)
    if not math.isfinite(value):
        return _first_that_fits((_name(value),), width)
    return _first_that_fits(_spellings(value, precision), width)


def significant(value: float | None, width: int, precision: int = 3) -> str:
    """Write a number as `number` does, but as a power of ten where it would otherwise look like zero."""
    if value is None or not math.isfinite(value) or value == 0.0 or abs(value) >= 10.0**-precision:
        return number(value, precision, width)
    return _first_that_fits((_power_of_ten(float(value)),), width)


def _name(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Inf" if value > 0 else "-Inf"


def _first_that_fits(spellings: Iterable[str], width: int) -> str:
    return next((text for text in spellings if len(text) <= width), "#" * width)


def _spellings(value: float, precision: int) -> Iterator[str]:
    """All spellings, longest first; a number beyond a quadrillion has only one, as a power of ten."""
    if abs(value) < 1e15:
        for decimals in range(precision, -1, -1):
            yield _without_negative_zero(f"{value:.{decimals}f}")
        yield from _thousands(value)
    yield _power_of_ten(value)


def _without_negative_zero(text: str) -> str:
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def _thousands(value: float) -> tuple[str, ...]:
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return tuple(f"{value / factor:.{p}f}{letter}" for p in (2, 1, 0))
    return ()


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def count(value: int | None, width: int = 7) -> str:
    """Write a number of things."""
    return number(value, 0, width)


def counted(value: int, thing: str) -> str:
    """Write a number with its noun: "1 update", "2 updates"."""
    return f"{count(value)} {thing}" if value == 1 else f"{count(value)} {thing}s"


def range_text(first: int, shown: int, number: int) -> str:
    """Write which entries of a list are in sight, from the first on, which is 0: "1-4 of 10"; empty if all
    are.
    """
    if shown >= number or shown < 1:
        return ""
    last = first + shown
    places = count(last) if shown == 1 else f"{count(first + 1)}-{count(last)}"
    return f"{places} of {count(number)}"


def percent(value: float | None, width: int = 6) -> str:
    """Write a share as a percentage with one decimal."""
    if value is None:
        return NOT_MEASURED
    return number(value * 100, 1, width - 1) + "%"


def age(seconds: float) -> str:
    """Write a duration in at most six characters: 7s, 3m05s, 2h07m, 4d03h; below zero is 0s, and NaN "–"."""
    if math.isnan(seconds):
        return NOT_MEASURED
    whole = int(min(max(seconds, 0.0), 1e9))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if not minutes:
        return f"{whole}s"
    if not hours:
        return f"{minutes}m{whole % 60:02}s"
    if not days:
        return f"{hours}h{minutes % 60:02}m"
    return f"{days}d{hours % 24:02}h" if days < 100 else f"{days}d"


def date(at_ns: int) -> str:
    """Write the local date with hours and minutes; "-" for a time outside the calendar."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_ns / 1e9))
    except (OverflowError, OSError, ValueError):
        return "-"


def time_of_day(at_ns: int) -> str:
    """Write the local time as hours, minutes and seconds; "--:--:--" for a time outside the calendar."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(at_ns / 1e9))
    except (OverflowError, OSError, ValueError):
        return "--:--:--"
