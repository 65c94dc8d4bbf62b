"""Tests of esper_tui.charts.place_axis."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.charts.place_axis import PlaceAxis, axis_title, place_ticks

MIDNIGHT = 1_700_006_400.0


def labels(first, last, most=5, axis="update"):
    """The labels of an axis."""
    return [label for _, label in place_ticks(PlaceAxis(first, last, axis), most)]


def test_updates_have_whole_numbers():
    """Also an axis of few updates has no fractions."""
    assert labels(0, 1000) == ["0", "200", "400", "600", "800", "1000"]
    assert labels(7, 9) == ["7", "8", "9"]


def test_large_numbers_of_steps_are_shortened():
    """They would not fit beside each other."""
    assert labels(0, 5e7, axis="env_step")[-1] == "50.00M"


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        (4, ["00:00:00", "00:00:01", "00:00:02", "00:00:03", "00:00:04"]),
        (600, ["00:00", "00:02", "00:04", "00:06", "00:08", "00:10"]),
        (86_400, ["00:00", "06:00", "12:00", "18:00", "00:00"]),
        (86_400 * 4, ["11-15", "11-16", "11-17", "11-18", "11-19"]),
    ],
)
def test_times_are_round_on_the_clock(spread, expected):
    """Seconds, minutes, hours or days, whichever are few enough."""
    assert labels(MIDNIGHT, MIDNIGHT + spread, axis="time") == expected


def test_the_axis_of_time_has_the_date_as_its_name():
    """The ticks have times of day only."""
    assert axis_title(PlaceAxis(MIDNIGHT, MIDNIGHT + 60, "time")) == "2023-11-15"
    assert axis_title(PlaceAxis(0, 9, "env_step")) == "env step"


def test_the_only_update_is_in_the_middle():
    """An axis of one place has one tick."""
    axis = PlaceAxis(3, 3)
    assert axis.dot(3, 101) == 50
    assert labels(3, 3) == ["3"]


@given(st.floats(), st.floats(), st.integers(1, 30), st.sampled_from(["update", "env_step", "time"]))
def test_every_axis_has_a_bounded_number_of_ticks(first, last, most, axis):
    """Also one that makes no sense, such as years after the end of the calendar."""
    assert len(labels(first, last, most, axis)) <= 2 * most + 2 or math.isnan(first)
