"""Times and durations as text."""

from datetime import UTC, datetime, timedelta


def utc_time(at_ns: int) -> str:
    """A date and time of day in UTC with milliseconds; `at_ns` counts nanoseconds since 1970."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
    except OverflowError:
        return "(invalid time)"
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def duration(first_ns: int, last_ns: int) -> str:
    """The time between two moments, such as `1:02:03.456`."""
    return str(timedelta(milliseconds=(last_ns - first_ns) // 1_000_000)).removesuffix("000")
