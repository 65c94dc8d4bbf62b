"""Tests of esper_tui.screens.panel_widget: which rows are painted."""

import pytest
from msgspec import structs

from esper_tui.app import SanctumApp
from esper_tui.screens.panel_widget import PanelWidget, changed_rows, runs
from esper_tui.text.spans import Span

A, B, C = (Span("a"),), (Span("b"),), (Span("c"),)


def test_changed_rows_are_those_that_differ():
    """Also those that came or went."""
    assert changed_rows((A, B, C), (A, C, C)) == [1]
    assert changed_rows((A,), (A, B, C)) == [1, 2]
    assert changed_rows((A, B), (A,)) == [1]
    assert changed_rows((A, B), (A, B)) == []


def test_neighbours_are_one_region():
    """A region costs as much as several rows."""
    assert runs([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 1), (7, 2)]
    assert runs([]) == []


@pytest.fixture
def painted(monkeypatch):
    """The rows that are really painted, as they are painted."""
    seen = []
    paint = PanelWidget.render_line

    def record(panel, y):
        seen.append((panel.id, y))
        return paint(panel, y)

    monkeypatch.setattr(PanelWidget, "render_line", record)
    return seen


async def test_only_changed_rows_are_painted(given, make_feed, make_snapshot, make_state, now, painted):
    """Another KL divergence paints the row of the KL divergence and nothing else."""
    source = given(make_feed(make_snapshot(make_state(kl_divergence=0.0101))))
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        source.feed = make_feed(make_snapshot(make_state(kl_divergence=0.0102)))
        while not painted:
            await pilot.pause(0.02)

    assert painted == [("losses", 2)]


async def test_noise_below_the_last_digit_paints_nothing(
    given, make_feed, make_snapshot, make_state, now, painted
):
    """Numbers are rounded before they are compared."""
    source = given(make_feed(make_snapshot(make_state(kl_divergence=0.01011))))
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        source.feed = make_feed(make_snapshot(make_state(kl_divergence=0.01012)))
        dirty = app.redraw()
        await pilot.pause()

    assert dirty == 0
    assert painted == []


async def test_time_alone_paints_the_header_alone(given, make_feed, now, painted):
    """An idle screen costs one row a second."""
    clock = [now]
    source = given(make_feed())
    app = SanctumApp(source, clock=lambda: clock[0])
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        clock[0] += 2_000_000_000
        while not painted:
            await pilot.pause(0.02)

    assert painted == [("header", 0)]


async def test_a_resized_window_is_painted_whole(given, make_feed, now, painted):
    """Every row of every panel is painted for its new width."""
    source = given(structs.replace(make_feed()))
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        painted.clear()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()

    assert {("losses", y) for y in range(8)} <= set(painted)
    assert {("heads", y) for y in range(11)} <= set(painted)
