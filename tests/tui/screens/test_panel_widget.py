"""Tests of esper_tui.screens.panel_widget: which rows are painted."""

import pytest
from msgspec import structs

from esper_tui.app import SanctumApp
from esper_tui.screens.panel_widget import PanelWidget, changed_rows, runs
from esper_tui.text.spans import Span

A, B, C = (Span("a"),), (Span("b"),), (Span("c"),)


def test_changed_rows_are_those_that_differ():
    """Added and removed rows are included."""
    assert changed_rows((A, B, C), (A, C, C)) == [1]
    assert changed_rows((A,), (A, B, C)) == [1, 2]
    assert changed_rows((A, B), (A,)) == [1]
    assert changed_rows((A, B), (A, B)) == []


def test_adjacent_rows_are_one_region():
    """Painting a region costs as much as painting several rows."""
    assert runs([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 1), (7, 2)]
    assert runs([]) == []


@pytest.fixture
def painted(monkeypatch):
    """The rows that are painted, in order."""
    seen = []
    paint = PanelWidget.render_line

    def record(panel, y):
        seen.append((panel.id, y))
        return paint(panel, y)

    monkeypatch.setattr(PanelWidget, "render_line", record)
    return seen


async def test_only_changed_rows_are_painted(make_source, make_feed, make_snapshot, make_state, now, painted):
    """A new KL divergence paints its row and nothing else."""
    source = make_source(make_feed(make_snapshot(make_state(kl_divergence=0.0101))))
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        source.feed = make_feed(make_snapshot(make_state(kl_divergence=0.0102)))
        while not painted:
            await pilot.pause(0.02)

    assert painted == [("losses", 2)]


async def test_a_change_below_the_last_digit_paints_nothing(
    make_source, make_feed, make_snapshot, make_state, now, painted
):
    """Numbers are rounded before they are compared."""
    source = make_source(make_feed(make_snapshot(make_state(kl_divergence=0.01011))))
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        source.feed = make_feed(make_snapshot(make_state(kl_divergence=0.01012)))
        dirty = app.redraw()
        await pilot.pause()

    assert dirty == 0
    assert painted == []


async def test_time_alone_paints_ages_alone(make_source, make_feed, now, painted):
    """An idle screen repaints only the rows with the times of the header and the age of the checkpoint."""
    clock = [now]
    source = make_source(make_feed())
    app = SanctumApp(source, clock=lambda: clock[0])
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        clock[0] += 2_000_000_000
        while not painted:
            await pilot.pause(0.02)

    assert painted[:2] == [("header", 0), ("header", 1)]
    assert [panel for panel, _ in painted[2:]] in ([], ["vitals"])


async def test_a_resized_window_is_painted_whole(make_source, make_feed, now, painted):
    """All rows of losses and heads are painted for the new width."""
    source = make_source(structs.replace(make_feed()))
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()

    assert {("losses", y) for y in range(8)} <= set(painted)
    assert {("heads", y) for y in range(11)} <= set(painted)
