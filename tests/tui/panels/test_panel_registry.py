"""Tests of esper_tui.panels.panel_registry: properties of every panel."""

import pytest

from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import row_width
from esper_tui.view.view import View


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("state", ["waiting", "healthy", "critical", "nan"])
def test_a_panel_has_no_more_rows_than_it_is_given(feeds, now, panel, state):
    """With a height of 0 it has none."""
    view = View(feeds[state], now)
    for height in (0, 1, 2, 5, 40):
        assert len(PANELS[panel].rows(view, 60, height)) <= height


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_shows_something_in_every_state(feeds, now, panel):
    """A panel with room for a row is never blank."""
    for state in ("waiting", "healthy", "critical", "nan", "replay"):
        rows = PANELS[panel].rows(View(feeds[state], now), 60, 8)
        assert any(span.text.strip() for row in rows for span in row)


@pytest.mark.parametrize("panel", PANELS)
def test_titles_differ_and_a_note_fits_beside_one(feeds, now, panel):
    """Title and note have less than 80 cells together."""
    note = PANELS[panel].note(View(feeds["critical"], now))

    assert len({definition.title for definition in PANELS.values()}) == len(PANELS)
    assert row_width(note) + len(PANELS[panel].title) < 80


@pytest.mark.parametrize("panel", PANELS)
def test_only_a_panel_that_depends_on_time_changes_with_time(feeds, now, panel):
    """Other panels are redrawn for a new snapshot only."""
    rows = [PANELS[panel].rows(View(feeds["healthy"], now + s * 10**9), 60, 20) for s in (0, 100)]

    assert (rows[0] != rows[1]) == PANELS[panel].depends_on_time
