"""Tests of esper_tui.grid.arrangement."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper_tui.grid.arrangement import OPENED, arrange
from esper_tui.grid.border import BOX_ROWS, inner_size
from esper_tui.grid.grid_plans import NEEDS, PLANS

SIZES = [(80, 24), (120, 40), (160, 50), (200, 60)]


def panels(width, height):
    """The names of the panels that have a place in a window."""
    return {place.panel for place in arrange(width, height)}


@settings(deadline=None)  # The duration is not under test.
@given(st.integers(1, 400), st.integers(1, 150), st.frozensets(st.sampled_from(tuple(NEEDS))), st.booleans())
def test_places_lie_inside_the_window_and_do_not_overlap(width, height, hidden, opened):
    """Every cell belongs to at most one panel, for any size of window and any hidden panels."""
    taken = set()
    for place in arrange(width, height, hidden, opened):
        assert place.width > 0
        assert place.height > 0
        assert place.x + place.width <= width
        assert place.y + place.height <= height
        assert place.panel not in hidden
        rows = range(place.y, place.y + place.height)
        columns = range(place.x, place.x + place.width)
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("height", range(1, 60))
def test_losses_are_shown_if_any_panel_is(height):
    """The losses are the last panel to be dropped, at every width; three rows are enough for them."""
    for width in (*range(1, 320, 12), *(plan.from_width for plan in PLANS[1:])):
        shown = panels(width, height) - {"header", "footer"}
        assert "losses" in shown or not shown
        assert shown or height < 3


@pytest.mark.parametrize("width", [80, 120, 160, 180, 200, 240, 300])
def test_a_low_window_shows_the_most_important_panels(width):
    """Three rows hold the header and the losses; an opened panel always has a row for its content."""
    assert [place.panel for place in arrange(width, 3)] == ["header", "losses"]
    for height in (3, 4, 5):
        opened = next(place for place in arrange(width, height, opened=True) if place.panel == OPENED)
        assert inner_size(opened.width, opened.height, opened.boxed)[1] > 0


@pytest.mark.parametrize("hidden", ["losses", "heads", "findings"])
def test_a_low_window_shows_a_panel_if_others_are_hidden(hidden):
    """It is another panel than header and footer, and not a hidden one."""
    shown = {place.panel for place in arrange(200, 6, frozenset({hidden}))}

    assert shown - {"header", "footer"}
    assert hidden not in shown


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_usual_windows_show_both_panels(width, height):
    """Losses and heads have all their rows even at 80 by 24, where findings are shown too."""
    heights = {place.panel: place.height for place in arrange(width, height)}

    assert heights["losses"] >= 8
    assert "findings" in heights
    assert heights["heads"] >= 11


def test_larger_windows_show_events():
    """The remaining space goes to the list of events."""
    assert "events" not in panels(80, 24)
    assert "events" in panels(120, 40)


def test_wide_windows_have_panels_side_by_side():
    """At 200 cells, losses and heads share their rows."""
    places = {place.panel: place for place in arrange(200, 60)}

    assert places["losses"].y == places["heads"].y
    assert places["losses"].x < places["heads"].x


def test_every_size_has_a_layout():
    """A single line shows the header, six lines the losses too."""
    assert panels(80, 1) == {"header"}
    assert panels(1, 1) == {"header"}
    assert panels(80, 6) == {"header", "losses"}


def test_large_windows_show_every_panel():
    """From 160 by 50 on, no panel is left out; at 200 by 60 there is room for own scalars too, and in still
    larger windows for charts.
    """
    without_scalars = {place.panel for place in arrange(160, 50, frozenset({"scalars"}))}

    assert without_scalars == {"header", "footer", *NEEDS} - {"scalars", "charts"}
    assert panels(200, 60) == {"header", "footer", *NEEDS} - {"charts"}
    assert panels(300, 120) == {"header", "footer", *NEEDS}


def test_charts_have_only_the_rows_that_no_other_panel_needs():
    """With or without them, all others are as large as they are comfortable with."""
    hidden = frozenset({"scalars"})
    without = {p.panel: p for p in arrange(200, 90, hidden | {"charts"})}
    with_charts = {p.panel: p for p in arrange(200, 90, hidden)}
    kept = with_charts["charts"].height
    assert kept >= NEEDS["charts"].minimum + BOX_ROWS
    assert with_charts["events"].height == without["events"].height - kept
    assert all(with_charts[panel].height == without[panel].height for panel in ("heads", "health", "slots"))


@pytest.mark.parametrize("width", [100, 120, 160, 200, 260])
@pytest.mark.parametrize("height", [24, 40, 60])
def test_the_return_is_always_shown_from_a_hundred_columns_on(width, height):
    """It is beside or below the losses, in every window that has room for boxes."""
    assert "return" in panels(width, height)


def test_a_hidden_panel_leaves_its_room_to_others():
    """The panel beside it becomes wider, and those below move up."""
    places = {place.panel: place for place in arrange(120, 40, frozenset({"findings", "return", "heads"}))}

    assert places["losses"].width == 120
    assert "slots" in places


def test_an_opened_panel_has_all_but_header_and_footer():
    """It replaces all other panels."""
    assert [place.panel for place in arrange(120, 40, opened=True)] == ["header", "footer", OPENED]
    assert panels(80, 24) >= {"losses", "heads", "findings"}


def test_stacked_panels_share_the_remaining_rows():
    """The last panel grows to its comfortable height first, then the ones above it."""
    heights = {place.panel: place.height for place in arrange(200, 60, frozenset({"scalars"}))}

    assert heights["link"] == NEEDS["link"].comfortable + BOX_ROWS
    assert heights["ranks"] > NEEDS["ranks"].sufficient + BOX_ROWS
    assert heights["anomalies"] > NEEDS["anomalies"].sufficient + BOX_ROWS
    assert heights["ranks"] + heights["link"] == heights["anomalies"] + heights["log"] == heights["events"]
