"""The charts to choose from: first those of the panel that the user was looking at, then all others."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from esper_schemas.policy_heads import families_of, head_quantity, heads_of
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.chart_board import MOST_CURVES, ChartBoard, ChartItem
from esper_tui.charts.viewport import Viewport
from esper_tui.control.navigation import cursor_row
from esper_tui.metrics.charted_metric import RUN_SERIES, charted_metric
from esper_tui.pages.page import ALL, Entry, entry_keys
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels.panel_registry import PANELS
from esper_tui.view.measured_fields import measured_fields
from esper_tui.view.view import View, ViewOptions

RETURN = ChartItem((MEAN_RETURN,))
_LISTED = tuple(panel for panel in PANELS if panel not in ("heads", "scalars", "findings", "charts"))


def board_for(view: View, options: ViewOptions) -> ChartBoard:
    """The charts to open on a screen: that of the entry at the cursor of the opened panel, of the first
    metric of the selected panel, or of the return. In the past the cursor is at the update that is shown.
    """
    panel = options.opened or options.selected
    chosen = _at_cursor(view, options) if options.opened in PANELS else ()
    if not chosen and panel in PANELS:
        chosen = panel_items(view, panel)
    items = tuple(dict.fromkeys((*chosen, *all_items(view))))
    at = float(view.snapshot.tamiyo.last_update) if view.is_past else None
    return ChartBoard(items, viewport=Viewport(cursor=at))


def _at_cursor(view: View, options: ViewOptions) -> tuple[ChartItem, ...]:
    """The charts of the entry at the cursor, and those of the entries below and above it."""
    panel = options.opened or ""
    entries = PAGES[panel].entries(replace(view, toggled=options.toggled), ALL)
    row = cursor_row(options.cursor, options.cursor_key, entry_keys(entries))
    at = _items_of(panel, view.snapshot, entries[row : row + 1])
    return (*at, *panel_items(view, panel)) if at else ()


def panel_items(view: View, panel: str) -> tuple[ChartItem, ...]:
    """The charts of a panel, in the order of its rows."""
    if panel == "scalars":
        return tuple(ChartItem((name,)) for name in view.snapshot.scalars)
    entries = PAGES[panel].entries(view, ALL)
    return tuple(dict.fromkeys(_items_of(panel, view.snapshot, entries)))


def _items_of(panel: str, snapshot: SanctumSnapshot, entries: Iterable[Entry]) -> Iterator[ChartItem]:
    """One chart for each entry; the metrics of a finding have different sizes, so that each has its own."""
    for entry in entries:
        if panel == "findings":
            yield from (ChartItem((metric,)) for metric in entry.metrics)
        elif entry.metrics:
            yield _item(snapshot, entry.metrics)


def _item(snapshot: SanctumSnapshot, metrics: tuple[str, ...]) -> ChartItem:
    """A chart of some metrics; that of a quantity of all heads has the name of the quantity."""
    families = (f for f in families_of(snapshot.tamiyo) if metrics[0] == _of_first_head(snapshot, f))
    family = next(families, None) if len(metrics) > 1 else None
    title = metric_field(snapshot.tamiyo, metrics[0]).metric.label if family else ""
    return ChartItem(metrics[:MOST_CURVES], title)


def _of_first_head(snapshot: SanctumSnapshot, family: str) -> str:
    return head_quantity(snapshot.tamiyo, heads_of(snapshot.tamiyo)[0].name, family)


def all_items(view: View) -> Iterator[ChartItem]:
    """Every chart of the run: the return, the panels, the heads, the scalars, the results of rollouts."""
    measured = measured_fields(view.snapshot)
    yield RETURN
    for panel in _LISTED:
        for item in panel_items(view, panel):
            if measured.intersection(item.metrics):
                yield item
    yield from panel_items(view, "heads")
    yield from panel_items(view, "scalars")
    yield from (ChartItem((name,)) for name in RUN_SERIES)


def item_title(snapshot: SanctumSnapshot, item: ChartItem) -> str:
    """The title of a chart."""
    return item.title or " + ".join(charted_metric(snapshot, name).label for name in item.metrics)
