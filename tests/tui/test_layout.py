"""Tests of esper_tui.layout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.layout import arrange

SIZES = [(80, 24), (120, 40), (160, 50), (200, 60)]


def panels(width, height):
    """The names of the panels that have a place."""
    return {place.panel for place in arrange(width, height)}


@given(st.integers(1, 400), st.integers(1, 150))
def test_places_lie_inside_the_window_and_do_not_overlap(width, height):
    """Every cell belongs to at most one panel, for every size of window."""
    taken = set()
    for place in arrange(width, height):
        assert place.width > 0
        assert place.height > 0
        assert place.x + place.width <= width
        assert place.y + place.height <= height
        rows = {(place.x, y) for y in range(place.y, place.y + place.height)}
        assert not rows & taken
        taken |= rows


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_usual_windows_show_both_panels(width, height):
    """Losses and heads have all their rows at 80 by 24 already."""
    heights = {place.panel: place.height for place in arrange(width, height)}

    assert heights["losses"] >= 8
    assert heights["heads"] >= 11


def test_larger_windows_show_events():
    """What is left over becomes the list of events."""
    assert "events" not in panels(80, 24)
    assert "events" in panels(120, 40)


def test_wide_windows_have_the_panels_beside_each_other():
    """From 180 cells on, losses and heads share their rows."""
    places = {place.panel: place for place in arrange(200, 60)}

    assert places["losses"].y == places["heads"].y
    assert places["losses"].x < places["heads"].x


def test_no_size_is_refused():
    """Down to one line, which is the header."""
    assert panels(80, 1) == {"header"}
    assert panels(1, 1) == {"header"}
    assert panels(80, 6) == {"header", "losses"}
