"""Tests of esper_tui.view.view."""

import pytest

from esper_tui.view.view import View


@pytest.fixture
def feed(make_feed, make_snapshot, make_state):
    """A feed after a number of updates."""
    return lambda updates: make_feed(make_snapshot(make_state(ppo_updates_count=updates)))


def test_panels_draw_the_feed_at_which_the_display_was_paused(feed, now):
    """The link is always that of the newest feed."""
    paused, newest = feed(17), feed(20)
    view = View(paused, now, newest)

    assert view.snapshot is paused.snapshot
    assert view.link is newest


def test_without_a_pause_there_is_one_feed(feed, now):
    """The number of updates behind is 0."""
    view = View(feed(17), now)

    assert view.link is view.feed
    assert view.updates_behind == 0


@pytest.mark.parametrize(("newest", "behind"), [(17, 0), (20, 3), (2, 0)])
def test_the_updates_behind_are_counted_from_the_pause(feed, now, newest, behind):
    """A run that has restarted is never a negative number of updates behind."""
    assert View(feed(17), now, feed(newest)).updates_behind == behind
