"""Every page by the name of its panel."""

from esper_tui.pages.anomalies_page import anomaly_entries
from esper_tui.pages.charts_page import charts_entries, return_entries
from esper_tui.pages.connection_pages import link_entries, run_entries
from esper_tui.pages.event_pages import event_entries, log_entries
from esper_tui.pages.findings_page import finding_entries
from esper_tui.pages.gradients_page import gradient_entries
from esper_tui.pages.heads_page import heads_entries, heads_titles
from esper_tui.pages.help_page import LOSSES_METRICS
from esper_tui.pages.metric_pages import metrics_page, panel_page
from esper_tui.pages.page import Page
from esper_tui.pages.ranks_page import rank_entries
from esper_tui.pages.scalars_page import scalar_entries
from esper_tui.pages.slots_page import slot_entries
from esper_tui.pages.value_page import value_entries
from esper_tui.pages.vitals_page import vitals_entries
from esper_tui.panels.metric_panels import METRIC_PANELS

PAGES: dict[str, Page] = {
    "losses": metrics_page((*LOSSES_METRICS, "loss_ratio")),
    "heads": Page(heads_entries, heads_titles),
    "findings": Page(finding_entries),
    "return": Page(return_entries),
    "scalars": Page(scalar_entries),
    "health": panel_page(METRIC_PANELS["health"]),
    "value": Page(value_entries),
    "gradients": Page(gradient_entries),
    "slots": Page(slot_entries),
    "anomalies": Page(anomaly_entries, newest_last=True),
    "vitals": Page(vitals_entries),
    "ranks": Page(rank_entries),
    "link": Page(link_entries),
    "log": Page(log_entries, newest_last=True),
    "events": Page(event_entries, newest_last=True),
    "charts": Page(charts_entries),
    "runs": Page(run_entries),
}
"""Every panel that can be opened, and the list of runs."""
