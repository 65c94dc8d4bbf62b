"""Tests of esper_tui.screens.panel_area: what is redrawn, and when."""

import pytest
from msgspec import structs

from esper_tui.control.redraw_schedule import AGE_INTERVAL_S, DEFAULT_INTERVAL_S
from esper_tui.grid.arrangement import OPENED, arrange
from esper_tui.screens import panel_area
from esper_tui.screens.panel_area import PanelArea, PanelLayout
from esper_tui.view.view import View, ViewOptions

SIZE = (120, 40)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is advanced by hand."""
    at = [100.0]
    monkeypatch.setattr(panel_area.time, "monotonic", lambda: at[0])
    return at


@pytest.fixture
def drawn(monkeypatch):
    """The names of the panels that were drawn."""
    names = []
    draw = panel_area.draw_place

    def record(view, place, old, options):
        names.append(place.panel)
        return draw(view, place, old, options)

    monkeypatch.setattr(panel_area, "draw_place", record)
    return names


@pytest.fixture
def area():
    """Panels without a screen."""
    return PanelArea()


@pytest.fixture
def view(make_feed, make_snapshot, now):
    """Makes views of a new snapshot each, with the same curves."""
    curves = View(make_feed(make_snapshot()), now).curves
    return lambda **feed: View(make_feed(structs.replace(make_snapshot()), **feed), now, curves=curves)


def test_a_new_snapshot_is_drawn_by_the_panels_that_are_due(area, view, clock, drawn):
    """The header is redrawn at once, losses, heads and findings after 0.1 s, the others later."""
    area.show(view(), *SIZE, ViewOptions())
    everything = set(drawn)
    for after, panels in ((0.0, {"header"}), (0.1, {"header", "losses", "heads", "findings"})):
        drawn.clear()
        clock[0] += after + 0.001
        area.show(view(), *SIZE, ViewOptions())
        assert set(drawn) == panels
    drawn.clear()
    clock[0] += DEFAULT_INTERVAL_S
    area.show(view(), *SIZE, ViewOptions())

    assert set(drawn) == everything


def test_without_a_new_snapshot_only_ages_are_drawn(area, view, clock, drawn):
    """Header and footer are redrawn once per interval, not at every tick."""
    same = view()
    area.show(same, *SIZE, ViewOptions())
    drawn.clear()
    area.show(same, *SIZE, ViewOptions())
    assert drawn == []
    clock[0] += AGE_INTERVAL_S
    area.show(same, *SIZE, ViewOptions())

    assert set(drawn) == {"header", "footer"}


@pytest.mark.parametrize(
    "change",
    [
        {"options": ViewOptions(selected="heads")},
        {"options": ViewOptions(symbols="ascii")},
        {"size": (110, 40)},
        {"feed": {"received_ns": 0}},
    ],
)
def test_a_change_of_options_or_size_redraws_everything(area, view, clock, drawn, change):
    """So does the loss of the aggregator, which fades all panels."""
    area.show(view(), *SIZE, ViewOptions())
    everything = set(drawn)
    drawn.clear()
    area.show(view(**change.get("feed", {})), *change.get("size", SIZE), change.get("options", ViewOptions()))

    assert set(drawn) == everything


def test_an_opened_panel_is_drawn_instead_of_all_others(area, view, clock, drawn):
    """Header and footer are still drawn."""
    area.show(view(), *SIZE, ViewOptions(opened="losses"))

    assert set(drawn) == {"header", "footer", OPENED}
    assert area.layout.plan.opened


def test_the_layout_gives_each_widget_its_place():
    """Widgets of panels without a place are left out."""
    area, layout = PanelArea(), PanelLayout()
    placements = layout.arrange(None, list(area.widgets.values()), panel_area.Size(*SIZE))
    regions = {placement.widget.id: tuple(placement.region) for placement in placements}

    assert regions == {place.panel: (place.x, place.y, place.width, place.height) for place in arrange(*SIZE)}
