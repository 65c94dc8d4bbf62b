"""ANOMALIES, opened: the telemetry level, and every report with its details and its metric."""

from dataclasses import replace

from esper_schemas.history import AtUpdate
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.metric_help import about_metric
from esper_tui.pages.page import Entry, explained_entry, wrapped
from esper_tui.panels.anomalies_panel import NO_REPORTS, report_row, telemetry_row
from esper_tui.panels.anomaly_reports import AnomalyReport, anomaly_reports
from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import count, time_of_day
from esper_tui.text.spans import Rows, Tone
from esper_tui.view.view import View

TELEMETRY = Explanation(
    "How much the trainer measures: the level that `--telemetry` requests, or a higher one for a while after "
    "an anomaly.",
    "the requested level",
    "The reports below show what raised it. It is lowered automatically, and costs a little until then.",
)


def anomaly_entries(view: View, width: int) -> list[Entry]:
    """The telemetry level, then every report, newest last."""
    reports = [_report(view.snapshot, report, width) for report in anomaly_reports(view.snapshot)]
    telemetry = explained_entry(telemetry_row(view.snapshot, width), TELEMETRY)
    return [replace(telemetry, key=TELEMETRY), *(reports or [Entry(NO_REPORTS)])]


def _report(snapshot: SanctumSnapshot, report: AnomalyReport, width: int) -> Entry:
    def details(width: int) -> Rows:
        at = f"{time_of_day(report.at_ns)}  update {count(report.update)}, {report.producer}"
        rows = (row for text in report.details for row in wrapped(text, width))
        metric = about_metric(snapshot, report.metric, width) if report.metric else ()
        return (*wrapped(at, width, Tone.LABEL), *rows, *([()] if metric else []), *metric)

    # The rest of a report may still change, such as whether the telemetry level is raised because of it.
    key = (report.at_ns, report.producer, report.update, report.kind)
    return Entry(report_row(report, width), details, key, AtUpdate(max(report.update, 0)))
