"""Tests of esper_tui.charts.viewport."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.charts.viewport import Viewport

RUN = (0.0, 1000.0)


def test_without_a_window_the_whole_run_is_shown():
    """It follows a run that grows."""
    assert Viewport().shown(RUN).last == 1000.0
    assert Viewport().shown((0.0, 2000.0)).last == 2000.0


def test_zooming_keeps_the_cursor_in_its_place():
    """A cursor at a quarter of the window stays there; without one the middle does."""
    assert Viewport(cursor=250.0).zoomed(0.5, RUN).window == (125.0, 625.0)
    assert Viewport().zoomed(0.5, RUN).window == (250.0, 750.0)


def test_zooming_out_ends_at_the_whole_run():
    """A window never extends beyond the run."""
    near_the_end = Viewport(window=(900.0, 1000.0))
    assert near_the_end.zoomed(2.0, RUN).window == (800.0, 1000.0)
    assert near_the_end.zoomed(16.0, RUN).window is None


def test_zooming_in_ends_at_two_units():
    """There is nothing between two updates."""
    assert Viewport(window=(10.0, 13.0)).zoomed(0.1, RUN).window == (10.5, 12.5)


def test_panning_stops_at_the_ends_of_the_run():
    """The whole run has nowhere to move."""
    assert Viewport(window=(100.0, 300.0)).panned(0.5, RUN).window == (200.0, 400.0)
    assert Viewport(window=(100.0, 300.0)).panned(-2.0, RUN).window == (0.0, 200.0)
    assert Viewport().panned(0.5, RUN) == Viewport()


def test_panning_takes_the_cursor_along():
    """A cursor that would be out of sight is at the edge."""
    assert Viewport(window=(100.0, 300.0), cursor=120.0).panned(0.5, RUN).cursor == 200.0


def test_a_new_cursor_starts_at_the_end():
    """It moves by the width of a cell, but at least by one update."""
    first = Viewport().moved(-1, 101, RUN)
    assert first.cursor == 1000.0
    assert first.moved(-2, 101, RUN).cursor == 980.0
    assert Viewport(window=(0.0, 10.0), cursor=5.0).moved(1, 101, RUN).cursor == 6.0
    assert Viewport("time", (0.0, 10.0), 5.0).moved(1, 101, RUN).cursor == pytest.approx(5.1)


def test_the_window_follows_the_cursor():
    """At either edge it moves by as much as is needed; the cursor stays within the run."""
    seen = Viewport(window=(100.0, 200.0), cursor=200.0)
    assert seen.moved(10, 101, RUN).window == (110.0, 210.0)
    assert seen.at(90.0, RUN).window == (90.0, 190.0)
    assert seen.moved(9999, 101, RUN).cursor == 1000.0


def test_another_axis_shows_the_whole_run():
    """Places of one axis mean nothing on another one."""
    assert Viewport("update", (1.0, 2.0), 1.0).over("time") == Viewport("time")


FINITE = st.floats(-1e12, 1e12)


@given(FINITE, st.floats(0, 1e12), st.lists(st.tuples(st.integers(0, 3), st.floats(-3.0, 3.0))))
def test_a_window_is_always_within_the_run(first, length, movements):
    """Whatever the user does, and also on a run of one update."""
    extent, seen = (first, first + length), Viewport()
    for kind, amount in movements:
        match kind:
            case 0:
                seen = seen.zoomed(abs(amount) + 0.1, extent)
            case 1:
                seen = seen.panned(amount, extent)
            case 2:
                seen = seen.moved(round(amount), 80, extent)
            case 3:
                seen = seen.whole()
        axis = seen.shown(extent)
        tolerance = 1e-3 + 1e-9 * max(abs(first), length)
        assert extent[0] - tolerance <= axis.first <= axis.last <= extent[1] + tolerance
