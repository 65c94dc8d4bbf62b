"""Opened lists of reports: events, log, anomalies and findings, each entry with all that is known of it."""

from collections.abc import Iterator
from dataclasses import replace

from esper_schemas.findings import Evidence, Finding
from esper_schemas.judgement import beyond_bounds
from esper_schemas.snapshot import EventEntry, LogEntry, SanctumSnapshot
from esper_tui.metrics.metric_help import about_metric
from esper_tui.pages.metric_pages import quantity_entry
from esper_tui.pages.page import ALL, Entry, explanation_entry, wrapped
from esper_tui.panels import anomalies_panel, events_panel, findings_panel, log_panel
from esper_tui.panels.anomaly_reports import AnomalyReport, incidents
from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import count, number, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, plain, right
from esper_tui.view.view import View

EVIDENCE_INDENT = 9


def event_entries(view: View, width: int) -> list[Entry]:
    """The last events, in full."""
    rows = events_panel.events_rows(view.snapshot, width, ALL)
    entries = view.snapshot.recent_events
    told = [_told(row, entry, entry.kind, entry.text) for row, entry in zip(rows, entries, strict=False)]
    return told or [*map(Entry, rows)]


def _told(row: Row, entry: EventEntry | LogEntry, what: str, text: str) -> Entry:
    """A line of a list, and below when it came, from whom, and all of it."""
    head = f"{time_of_day(entry.at_ns)}  {what} of {entry.producer}"
    return Entry(row, lambda width: (*wrapped(head, width, Tone.LABEL), *wrapped(text, width)), key=entry)


def log_entries(view: View, width: int) -> list[Entry]:
    """The trainers' warnings and errors, in full."""
    rows, entries = log_panel.log_rows(view.snapshot, width, ALL), view.snapshot.log
    told = [_told(row, entry, entry.level, entry.message) for row, entry in zip(rows, entries, strict=False)]
    return told or [*map(Entry, rows)]


def anomaly_entries(view: View, width: int) -> list[Entry]:
    """How much is measured, then every report with what it was about."""
    reports = [_report(view.snapshot, report, width) for report in incidents(view.snapshot)]
    telemetry = replace(
        explanation_entry(anomalies_panel.telemetry_row(view.snapshot, width), TELEMETRY), key=TELEMETRY
    )
    return [telemetry, *(reports or [Entry(anomalies_panel.NOTHING)])]


TELEMETRY = Explanation(
    "How much the trainer measures: what `--telemetry` asked for, or more for a while after an anomaly.",
    "as asked for",
    "The reports below say what raised it. It goes back by itself, and costs a little while it lasts.",
)


def _report(snapshot: SanctumSnapshot, report: AnomalyReport, width: int) -> Entry:
    def about(width: int) -> Rows:
        at = f"{time_of_day(report.at_ns)}  update {count(report.update)}, {report.producer}"
        details = (row for text in report.details for row in wrapped(text, width))
        metric = about_metric(snapshot, report.metric, width) if report.metric else ()
        return (*wrapped(at, width, Tone.LABEL), *details, *([()] if metric else []), *metric)

    # What a report says may still change, such as whether more is measured because of it.
    key = (report.at_ns, report.producer, report.update, report.kind)
    return Entry(anomalies_panel.report_row(report, width), about, key)


def finding_entries(view: View, width: int) -> list[Entry]:
    """What the diagnosis found, with all evidence and all advice; else what is beyond its bounds alone."""
    found = view.snapshot.findings
    if found:
        return [_finding(finding, width) for finding in found]
    beyond = [quantity_entry(view.snapshot, name) for name in beyond_bounds(view.snapshot.tamiyo)]
    return [*map(Entry, findings_panel.findings_rows(view.snapshot, width, 1)), *beyond]


def _finding(finding: Finding, width: int) -> Entry:
    row = findings_panel.finding_title(finding, width)
    is_cut = clean(finding.title) not in plain(row)

    def about(width: int) -> Rows:
        title = wrapped(finding.title, width) if is_cut else ()
        advice = [line for text in finding.advice for line in wrapped(f"→ {text}", width)]
        evidence = [line for e in finding.evidence for line in _evidence(e, width)]
        return (*title, *advice, *wrapped("Evidence, by update", width, Tone.LABEL), *evidence)

    return Entry(row, about)


def _evidence(evidence: Evidence, width: int) -> Iterator[Row]:
    """The update, and beside it as many rows as the text needs."""
    update = number(evidence.update, 0, 7)
    for place, line in enumerate(wrapped(evidence.text, width - EVIDENCE_INDENT)):
        yield (right("" if place else update, 7, Tone.DIM), Span("  "), *line)
