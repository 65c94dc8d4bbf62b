"""Tests of esper_tui.control.redraw_schedule: how often to poll and to draw."""

import pytest

from esper_tui.app import SanctumApp
from esper_tui.control.redraw_schedule import (
    FASTEST,
    PAUSED_RATE,
    QUIET_AFTER_S,
    QUIET_RATE,
    SLOWEST,
    RedrawRate,
    is_due,
)


def test_new_snapshots_are_drawn_at_the_chosen_rate():
    """Each new snapshot restarts the quiet interval."""
    pace = RedrawRate(chosen=20.0)

    assert [pace.rate(object(), False, 0.9 * QUIET_AFTER_S * n) for n in range(4)] == [20.0] * 4


def test_the_rate_drops_until_there_is_a_new_snapshot():
    """The next snapshot restores it; the quiet rate is never above the chosen one."""
    pace, old, new = RedrawRate(chosen=20.0), object(), object()
    pace.rate(old, False, 0.0)

    assert pace.rate(old, False, QUIET_AFTER_S) == QUIET_RATE
    assert pace.rate(new, False, QUIET_AFTER_S + 1) == 20.0
    pace.choose(2.0)
    assert pace.rate(new, False, 99.0) == 2.0


def test_a_paused_screen_is_drawn_at_the_paused_rate():
    """A lower chosen rate still applies."""
    assert RedrawRate(chosen=20.0).rate(object(), True, 0.0) == PAUSED_RATE
    assert RedrawRate(chosen=1.0).rate(object(), True, 0.0) == 1.0


def test_choices_have_bounds():
    """The rate is limited to the range from SLOWEST to FASTEST."""
    pace = RedrawRate()
    for rate, chosen in ((1000.0, FASTEST), (0.0, SLOWEST), (4.0, 4.0)):
        pace.choose(rate)
        assert pace.chosen == chosen


def test_panels_with_a_longer_interval_are_not_due_yet():
    """After 0.15 s header and losses are due and slots are not; a panel that was never drawn is due."""
    due = {panel: is_due(panel, 0.0, 0.15) for panel in ("header", "losses", "slots")}

    assert due == {"header": True, "losses": True, "slots": False}
    assert is_due("slots", None, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["p", None])
async def test_the_source_is_polled_less_often_while_nothing_changes(
    make_source, make_feed, make_snapshot, now, key
):
    """A paused or quiet app polls less often, until it is resumed or a new snapshot arrives."""
    source = make_source(make_feed())
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.ticks_per_second == FASTEST
        if key:
            await pilot.press(key)
            assert app.ticks_per_second == PAUSED_RATE
            await pilot.press(key)
        else:
            while app.ticks_per_second != QUIET_RATE:
                await pilot.pause(0.05)
            source.feed = make_feed(make_snapshot(mean_return=9.0))
            while app.ticks_per_second == QUIET_RATE:
                await pilot.pause(0.05)
        assert app.ticks_per_second == FASTEST


def test_panels_are_drawn_at_their_own_intervals():
    """Losses are drawn ten times a second, lists four times, the header at every tick."""
    assert is_due("losses", None, 0.0)
    assert not is_due("losses", 1.0, 1.09)
    assert is_due("losses", 1.0, 1.11)
    assert not is_due("events", 1.0, 1.2)
    assert is_due("events", 1.0, 1.25)
    assert is_due("header", 1.0, 1.0)
