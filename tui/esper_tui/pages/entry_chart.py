"""The chart of the entry at the cursor, in the rows that an opened panel does not need."""

from dataclasses import replace

from esper_tui.charts.chart_board import MOST_CURVES, ChartBoard, ChartItem
from esper_tui.charts.viewport import Viewport
from esper_tui.control.navigation import cursor_row
from esper_tui.metrics.snapshot_curves import snapshot_curves
from esper_tui.pages.chart_page import ChartPage, pane_rows
from esper_tui.pages.page import ALL, Entry, entry_keys
from esper_tui.pages.page_registry import PAGES
from esper_tui.text.spans import Rows
from esper_tui.view.view import View, ViewOptions

LEAST_ROWS = 8
"""The fewest free rows in which a chart is drawn."""


def metrics_at_cursor(view: View, options: ViewOptions) -> tuple[str, ...]:
    """The metrics of the entry at the cursor of the opened panel."""
    if options.opened not in PAGES:
        return ()
    entries = PAGES[options.opened].entries(replace(view, toggled=options.toggled), ALL)
    row = cursor_row(options.cursor, options.cursor_key, entry_keys(entries))
    return entries[row].metrics[:MOST_CURVES] if entries else ()


def entry_chart(view: View, entry: Entry, width: int, height: int) -> Rows:
    """The metrics of an entry over the whole run, below a blank row; nothing where there is no room."""
    metrics = entry.metrics[:MOST_CURVES]
    if not metrics or height < LEAST_ROWS:
        return ()
    known = {name: view.curves[name] for name in metrics if name in view.curves}
    curves = known or snapshot_curves(view.snapshot, metrics)
    ends = [(curve.x[0], curve.x[-1]) for curve in curves.values() if len(curve.x)]
    extent = (min(first for first, _ in ends), max(last for _, last in ends)) if ends else None
    at = float(view.snapshot.tamiyo.last_update) if view.is_past else None
    board = ChartBoard((ChartItem(metrics),), viewport=Viewport(cursor=at))
    page = ChartPage(board=board, curves=curves, extent=extent)
    return ((), *pane_rows(view.snapshot, page, 0, (), width, height - 1))
