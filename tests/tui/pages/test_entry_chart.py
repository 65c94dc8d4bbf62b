"""Tests of esper_tui.pages.entry_chart."""

import pytest

from esper_tui.pages.entry_chart import LEAST_ROWS, entry_chart, metrics_at_cursor
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.pages.page import Entry
from esper_tui.text.spans import plain
from esper_tui.view.view import View, ViewOptions


@pytest.fixture
def view(feeds, now):
    """A healthy run."""
    return View(feeds["healthy"], now)


def test_free_rows_of_an_opened_panel_have_the_chart_of_the_entry_at_the_cursor(view):
    """The panel is as high as its place."""
    rows = opened_rows(view, "losses", 1, 116, 40)
    assert len(rows) == 40
    assert plain(rows[-1]).strip().endswith("update")
    assert any(plain(row).startswith("KL  0.0117") for row in rows[20:])


def test_without_room_or_metrics_there_is_no_chart(view):
    """A chart of a few rows would say nothing."""
    entry = Entry((), metrics=("kl_divergence",))
    assert len(entry_chart(view, entry, 80, LEAST_ROWS)) == LEAST_ROWS
    assert entry_chart(view, entry, 80, LEAST_ROWS - 1) == ()
    assert entry_chart(view, Entry(()), 80, 40) == ()


def test_the_metrics_at_the_cursor_are_those_of_its_entry(view):
    """A list without metrics, and a screen without an opened panel, have none."""
    assert metrics_at_cursor(view, ViewOptions(opened="losses", cursor=1)) == ("kl_divergence",)
    assert metrics_at_cursor(view, ViewOptions(opened="runs")) == ()
    assert metrics_at_cursor(view, ViewOptions()) == ()
