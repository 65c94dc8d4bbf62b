"""Charts of snapshots with any value in any field."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tui.test_hostile import SEEDS, SIZES, snapshot_of

from esper_schemas.source import Feed
from esper_tui.charts.chart_board import GRIDS, SMOOTHINGS
from esper_tui.metrics.snapshot_curves import snapshot_curves
from esper_tui.pages.chart_items import board_for
from esper_tui.pages.chart_page import ChartPage, page_rows
from esper_tui.text.spans import plain, row_width
from esper_tui.view.view import View, ViewOptions


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, st.sampled_from(GRIDS), st.sampled_from(SMOOTHINGS), st.booleans(), st.booleans())
def test_any_value_in_any_field_is_charted(seed, size, grid, smoothing, logarithmic, own_ranges):
    """The page fills its place with printable text, for the first charts and for the last ones."""
    view = View(Feed(snapshot=snapshot_of(seed)), 0)
    board = board_for(view, ViewOptions())
    board = replace(board, grid=grid, smoothing=smoothing, logarithmic=logarithmic, own_ranges=own_ranges)
    for selected in (0, len(board.items) - 1):
        shown = replace(board, selected=selected)
        curves = snapshot_curves(view.snapshot, shown.metrics())
        places = [place for curve in curves.values() for place in curve.x]
        extent = (min(places), max(places)) if places else None
        rows = page_rows(view.snapshot, ChartPage(board=shown, curves=curves, extent=extent), *size)
        assert [row_width(row) for row in rows] == [size[0]] * size[1]
        assert all(plain(row).isprintable() for row in rows)
