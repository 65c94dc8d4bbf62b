"""Numbers, steps and times as they stand in the cells of a table or in JSON."""

import math
from datetime import UTC, datetime
from typing import Any

_FLAGS = {"true": 1.0, "false": 0.0}
_YEAR_2001 = 1e9
"""Seconds since 1970; a smaller number counts from the start of the training."""
_UNITS = ((1e17, 1.0), (1e14, 1e3), (1e11, 1e6), (_YEAR_2001 / 2, 1e9))
"""From nanoseconds down to seconds: a time of at least so much has this many nanoseconds per unit."""


def number(value: Any) -> float | None:
    """The number that a cell or a JSON value holds; None if it is not one."""
    if isinstance(value, float):
        return value
    if isinstance(value, str) and "_" in value:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def step_number(value: Any) -> int | None:
    """A step; None for what is not a whole number of at most 63 bits."""
    found = number(value)
    if found is None or not math.isfinite(found) or abs(found) >= 2**63 or found != int(found):
        return None
    return value if type(value) is int else int(found)


def elapsed_seconds(value: Any) -> float | None:
    """The seconds since the start of a training; None if the value is not one, or an absolute time."""
    found = number(value)
    return found if found is not None and 0 <= found < _YEAR_2001 / 2 else None


def absolute_ns(value: Any) -> int | None:
    """A time in nanoseconds since 1970, from a number of any unit or a text in ISO 8601, else None."""
    found = number(value)
    if found is None:
        return _iso_ns(value) if isinstance(value, str) else None
    for least, factor in _UNITS:
        if found >= least:
            nanoseconds = found * factor
            return int(nanoseconds) if nanoseconds < 9e18 else None
    return None


def _iso_ns(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        nanoseconds = int(moment.timestamp() * 1e9)
    except (ValueError, OverflowError):
        return None
    return nanoseconds if nanoseconds > 0 else None
