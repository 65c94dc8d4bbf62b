"""Every panel by name: its title, its rows and the note in its border."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.panels import (
    anomalies_panel,
    charts_panel,
    events_panel,
    findings_panel,
    heads_panel,
    link_panel,
    log_panel,
    losses_panel,
    ranks_panel,
    scalars_panel,
    slots_panel,
    vitals_panel,
)
from esper_tui.panels.metric_panels import METRIC_PANELS, MetricPanel, metric_panel_note, metric_panel_rows
from esper_tui.text.spans import Row, Rows
from esper_tui.view.view import View


@dataclass(frozen=True, slots=True)
class PanelDefinition:
    """A panel's title, its content for a size, and the note in its frame.

    `depends_on_time` marks the panels that also show ages, which change without a new snapshot.
    """

    title: str
    rows: Callable[[View, int, int], Rows]
    note: Callable[[View], Row] = lambda _: ()
    depends_on_time: bool = False


def _of_snapshot(
    title: str,
    rows: Callable[[SanctumSnapshot, int, int], Rows],
    note: Callable[[SanctumSnapshot], Row] = lambda _: (),
) -> PanelDefinition:
    """A panel that depends on nothing but the snapshot."""
    return PanelDefinition(title, lambda v, w, h: rows(v.snapshot, w, h), lambda v: note(v.snapshot))


def _metric_panel(panel: MetricPanel) -> PanelDefinition:
    return _of_snapshot(panel.title, partial(metric_panel_rows, panel), partial(metric_panel_note, panel))


PANELS: dict[str, PanelDefinition] = {
    "losses": _of_snapshot(losses_panel.TITLE, losses_panel.losses_rows, losses_panel.losses_note),
    "findings": _of_snapshot(
        findings_panel.TITLE, findings_panel.findings_rows, findings_panel.findings_note
    ),
    "return": PanelDefinition(charts_panel.RETURN_TITLE, charts_panel.return_rows, charts_panel.return_note),
    "heads": _of_snapshot(heads_panel.TITLE, heads_panel.heads_rows),
    "scalars": _of_snapshot(scalars_panel.TITLE, scalars_panel.scalars_rows, scalars_panel.scalars_note),
    **{name: _metric_panel(panel) for name, panel in METRIC_PANELS.items()},
    "slots": _of_snapshot(slots_panel.TITLE, slots_panel.slots_rows, slots_panel.slots_note),
    "anomalies": _of_snapshot(
        anomalies_panel.TITLE, anomalies_panel.anomalies_rows, anomalies_panel.anomalies_note
    ),
    "vitals": PanelDefinition(
        vitals_panel.TITLE,
        vitals_panel.vitals_rows,
        lambda view: vitals_panel.vitals_note(view.snapshot),
        depends_on_time=True,
    ),
    "link": PanelDefinition(link_panel.TITLE, link_panel.link_rows, depends_on_time=True),
    "ranks": _of_snapshot(ranks_panel.TITLE, ranks_panel.ranks_rows, ranks_panel.ranks_note),
    "log": _of_snapshot(log_panel.TITLE, log_panel.log_rows, log_panel.log_note),
    "events": _of_snapshot(events_panel.TITLE, events_panel.events_rows, events_panel.events_note),
    "charts": PanelDefinition(charts_panel.CHARTS_TITLE, charts_panel.charts_rows),
}
"""Every panel, in the order of selection."""
