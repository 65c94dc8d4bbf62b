"""Tests of esper_tui.pages.chart_marks."""

import pytest

from esper_schemas.history import Mark, Place
from esper_tui.charts.curve import curve_of_values
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.pages.chart_marks import PLACES, chart_marks, nearest_mark, place_on
from esper_tui.text.spans import Tone

AXIS = PlaceAxis(0, 1000)


def finding(update, severity, title="t"):
    """The onset of a finding."""
    return Mark(
        place=Place(update * 35, update, update * 10**9), kind="finding", title=title, severity=severity
    )


def test_a_mark_has_a_place_on_every_axis():
    """Over environment steps it is where the run was at its update."""
    place = Place(9, 2, 7 * 10**9)
    assert place_on("update", place) == 2
    assert place_on("time", place) == 7.0
    assert place_on("env_step", place) is None
    assert place_on("env_step", place, curve_of_values("env_steps_total", (100, 200, 300), 3.0)) == 200.0


@pytest.mark.parametrize("axis", ["update", "time", "env_step"])
def test_a_mark_before_all_updates_has_no_place(axis):
    """Nothing is drawn for it."""
    assert place_on(axis, Place(0), curve_of_values("env_steps_total", (100,), 3.0)) is None


def test_severe_marks_cover_others():
    """They come last; their tones are those of the severities."""
    marks = [finding(10, "critical"), finding(500, "notice"), finding(700, "warning")]
    assert [mark.tone for mark in chart_marks(marks, AXIS)] == [Tone.LABEL, Tone.WARNING, Tone.CRITICAL]


def test_of_very_close_marks_the_most_severe_one_is_drawn():
    """Ten thousand marks are at most a thousand symbols."""
    marks = [finding(update / 10, "notice") for update in range(10_000)]
    marks[500] = finding(50.0, "critical")
    drawn = chart_marks(marks, AXIS)
    assert len(drawn) == PLACES
    assert drawn[-1].place == 50.0


def test_marks_beyond_the_axis_are_left_out():
    """The window may be a part of the run."""
    assert not chart_marks([finding(5, "critical")], PlaceAxis(10, 20))


def test_the_nearest_mark_is_the_most_severe_one_within_reach():
    """None if there is none."""
    marks = [finding(100, "notice", "near"), finding(104, "critical", "worse")]
    assert nearest_mark(marks, AXIS, 100, 5).title == "worse"
    assert nearest_mark(marks, AXIS, 100, 1).title == "near"
    assert nearest_mark(marks, AXIS, 300, 5) is None
