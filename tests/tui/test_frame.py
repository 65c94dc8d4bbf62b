"""Tests of esper_tui.frame: panels, frames and layout together. Hostile values are in test_hostile.py."""

from cProfile import Profile
from pstats import Stats

import pytest

from esper_tui.frame import draw, draw_place, frame_rows
from esper_tui.grid.arrangement import arrange
from esper_tui.panels import panel_registry
from esper_tui.panels.panel_registry import PANELS, PanelDefinition
from esper_tui.text.spans import Tone, plain, row_width
from esper_tui.view.view import View, ViewOptions


@pytest.mark.parametrize("name", ["waiting", "healthy", "critical", "stale", "disconnected"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (160, 50), (200, 60)])
def test_usual_sizes_have_complete_panels(feeds, now, name, width, height):
    """No row is wider than the window."""
    rows = frame_rows(View(feeds[name], now), width, height)

    assert max(map(row_width, rows)) <= width
    assert sum("PPO LOSSES" in plain(row) for row in rows) == 1
    assert sum("ACTION HEADS" in plain(row) for row in rows) == 1
    assert any("Lv/Lp" in plain(row) for row in rows)


def test_a_screen_without_aggregator_is_faded_and_one_without_trainer_is_not(feeds, now):
    """Only without an aggregator it is unknown whether the snapshot is still current."""

    def tones(name):
        view = View(feeds[name], now)
        panels = [rows for place, rows in draw(view, 120, 40) if place.panel in PANELS]
        return {span.tone for rows in panels for row in rows for span in row}

    assert tones("disconnected") == {Tone.FADED}
    assert Tone.FADED not in tones("stale") | tones("finished") | tones("replay")


def test_a_panel_that_fails_shows_the_error(feeds, now, monkeypatch):
    """The error is shown in the panel, which keeps its size."""

    def broken(view, width, height):
        raise ValueError("no such head\x1b[2J")

    monkeypatch.setitem(panel_registry.PANELS, "heads", PanelDefinition("ACTION HEADS", broken))
    view = View(feeds["healthy"], now)
    place = next(place for place in arrange(120, 40) if place.panel == "heads")
    lines = [plain(row) for row in draw_place(view, place, False, ViewOptions())]

    assert "✗ This panel cannot be drawn: ValueError('no such head\\x1b[2J')" in lines[1]
    assert len(lines) == place.height


def test_a_frame_takes_a_bounded_number_of_function_calls(feeds, now):
    """A frame takes a few milliseconds; unlike time, calls do not depend on the load of the machine."""
    view = View(feeds["critical"], now)
    draw(view, 200, 60)  # fills the caches
    with Profile() as profile:
        draw(view, 200, 60)

    assert Stats(profile).total_calls < 35_000
