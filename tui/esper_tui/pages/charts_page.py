"""RETURN and CHARTS, opened: the metrics that they chart, with their help."""

from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.pages.metric_pages import metric_entry
from esper_tui.pages.page import Entry
from esper_tui.pages.scalars_page import scalar_entry
from esper_tui.pages.value_page import mean_return_entry
from esper_tui.panels.charts_panel import charted_metrics
from esper_tui.view.view import View


def return_entries(view: View, width: int) -> list[Entry]:
    """The mean return."""
    return [mean_return_entry(view.snapshot)]


def charts_entries(view: View, width: int) -> list[Entry]:
    """One row for each metric that has a chart, or would have one in a larger window."""
    return [_entry(view.snapshot, name, width) for name in charted_metrics(view.snapshot)]


def _entry(snapshot: SanctumSnapshot, name: str, width: int) -> Entry:
    return metric_entry(snapshot, name) if name in QUANTITIES else scalar_entry(snapshot, name, width)
