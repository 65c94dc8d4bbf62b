"""Times in a readable form."""

from esper_cli.output.time_format import duration, utc_time


def test_a_time_of_day_is_utc_with_milliseconds():
    """One and a half seconds into 1970."""
    assert utc_time(1_500_000_000) == "1970-01-01 00:00:01.500"


def test_an_impossible_time_is_named_as_such():
    """A damaged time stamp raises nothing."""
    assert utc_time(2**80) == "(invalid time)"


def test_a_span_is_hours_minutes_seconds():
    """Two seconds and 250 milliseconds."""
    assert duration(0, 2_250_000_000) == "0:00:02.250"
