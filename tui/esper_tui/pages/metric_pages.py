"""Pages of metrics: each with its bounds, trend and history, and its help as details."""

from collections.abc import Sequence

from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH
from esper_tui.metrics.metric_help import about_metric
from esper_tui.metrics.metric_row import GAP, Column, Part, metric_row
from esper_tui.metrics.metric_value import value_in_snapshot
from esper_tui.pages.page import Entry, Page
from esper_tui.panels.metric_panels import MetricPanel, listed_metrics

LABEL_WIDTH = 16
COLUMNS = (
    Column(Part.LABEL, LABEL_WIDTH),
    Column(Part.VALUE, 11),
    Column(Part.ARROW, 3),
    Column(Part.MARK, 1),
    GAP,
    Column(Part.HISTORY, HISTORY_LENGTH),
    GAP,
    Column(Part.OK, 14),
    Column(Part.CRITICAL, 28),
    Column(Part.UNIT, 13),
    Column(Part.ID, 8),
)

LOSS_RATIO, LOSSES = "loss_ratio", ("value_loss", "policy_loss")
"""The chart of a ratio, of which no series is kept, is that of its parts."""


def metric_entry(snapshot: SanctumSnapshot, name: str) -> Entry:
    """A metric's row and its help."""
    row = metric_row(value_in_snapshot(snapshot, name), COLUMNS)
    metrics = LOSSES if name == LOSS_RATIO else (name,)
    return Entry(row, lambda width: about_metric(snapshot, name, width), metrics=metrics)


def panel_page(panel: MetricPanel) -> Page:
    """The metrics of a panel, and the signs that were measured."""
    return Page(
        lambda view, width: [
            metric_entry(view.snapshot, name) for name in listed_metrics(panel, view.snapshot)
        ]
    )


def metrics_page(names: Sequence[str]) -> Page:
    """The metrics of a group."""
    return Page(lambda view, width: [metric_entry(view.snapshot, name) for name in names])
