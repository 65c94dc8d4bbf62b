"""Tests of esper_tui.pages.chart_items."""

import pytest

from esper_schemas.heads import HEADS
from esper_tui.pages.chart_items import board_for, item_title
from esper_tui.panels.panel_registry import PANELS
from esper_tui.view.view import View, ViewOptions


@pytest.fixture
def view(feeds, now):
    """The main screen of a critical run."""
    return View(feeds["critical"], now)


def first(view, **options):
    """The metrics of the chart that opens first."""
    return board_for(view, ViewOptions(**options)).item.metrics


def test_without_a_selection_the_return_is_charted(view):
    """All other charts follow."""
    assert first(view) == ("mean_return",)
    metrics = {m for item in board_for(view, ViewOptions()).items for m in item.metrics}
    assert {"kl_divergence", "head_op_entropy", "value_mean", "steps_per_second"} <= metrics


def test_a_selected_panel_has_its_own_charts_first(view):
    """In the order of its rows."""
    assert first(view, selected="health") == ("advantage_mean",)


def test_the_metric_at_the_cursor_is_charted(view):
    """It is that of the row, with the rest of its panel behind it."""
    assert first(view, selected="losses", opened="losses", cursor=1) == ("kl_divergence",)


def test_the_row_of_a_head_family_charts_all_heads(view):
    """Their curves are in one chart, which has the name of the family."""
    board = board_for(view, ViewOptions(selected="heads", opened="heads", cursor=3))
    assert board.item.metrics == tuple(f"head_{head}_entropy" for head in HEADS)
    assert item_title(view.snapshot, board.item) == "Entr"


def test_each_metric_of_a_finding_has_its_own_chart(view):
    """Their sizes differ."""
    finding = next(f for f in view.snapshot.findings if f.metrics)
    board = board_for(view, ViewOptions(selected="findings"))
    assert board.items[: len(finding.metrics)] == tuple(
        type(board.item)((metric,)) for metric in finding.metrics
    )


def test_a_ratio_without_a_series_charts_its_parts(view):
    """Lv/Lp follows from the two losses."""
    board = board_for(view, ViewOptions(selected="losses"))
    assert ("value_loss", "policy_loss") in {item.metrics for item in board.items}


@pytest.mark.parametrize("panel", [*PANELS, "runs"])
def test_every_panel_can_be_charted(view, foreign_feeds, now, panel):
    """A panel without metrics opens the return; this applies to any run, and to one that has not begun."""
    for feed in (view.feed, *foreign_feeds.values(), type(view.feed)()):
        board = board_for(View(feed, now), ViewOptions(selected=panel, opened=panel))
        assert board.item.metrics
        assert all(isinstance(item_title(feed.snapshot, item), str) for item in board.items)
        assert len(set(board.items)) == len(board.items)
