"""Times for people."""

from datetime import UTC, datetime, timedelta


def clock_time(at_ns: int) -> str:
    """A time of day in UTC with milliseconds; `at_ns` counts nanoseconds since 1970."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
    except OverflowError:
        return "at an impossible time"
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def span(first_ns: int, last_ns: int) -> str:
    """The time between two moments: `1:02:03.456`."""
    return str(timedelta(milliseconds=(last_ns - first_ns) // 1_000_000)).removesuffix("000")
