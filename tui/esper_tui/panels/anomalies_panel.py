"""ANOMALIES: the reports of the trainer's detector, and the telemetry level that follows from them."""

from esper_schemas.events import TelemetryEscalated
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.panels.anomaly_reports import (
    AnomalyReport,
    anomaly_reports,
    level_name,
    not_finite_alarm,
    with_blanks,
)
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Rows, Span, Tone, crop, left, right
from esper_tui.text.theme import ALARM_TONES, alarm_mark, tone
from esper_tui.view.rank_labels import prefixed, rank_labels

TITLE = "ANOMALIES"
NO_REPORTS: Row = (Span("✓ no anomalies", Tone.GOOD),)
KIND_WIDTH = 22


def anomalies_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The telemetry level, then the last reports that fit, newest last."""
    if height < 1:
        return ()
    found = anomaly_reports(snapshot)
    shown = found[len(found) - min(height - 1, len(found)) :]
    reports = tuple(report_row(report, width) for report in shown)
    return (telemetry_row(snapshot, width), *(reports or (NO_REPORTS,)))[:height]


def anomalies_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the number of anomalies in the whole run, or of all values that were not finite."""
    totals = snapshot.instability_totals
    if totals.nan_count or totals.inf_count:
        words = f"{count(totals.nan_count)} NaN, {count(totals.inf_count)} Inf"
        alarm = not_finite_alarm(snapshot)
        sign = (alarm_mark(alarm), Span(" ")) if alarm in ALARM_TONES else ()
        return (*sign, Span(words, ALARM_TONES.get(alarm, Tone.BEYOND)))
    anomalies = sum(snapshot.anomaly_counts.values())
    return (Span("1 anomaly" if anomalies == 1 else f"{count(anomalies)} anomalies", Tone.DIM),)


def telemetry_row(snapshot: SanctumSnapshot, width: int) -> Row:
    """The level and, while it is raised, from when to when and why; otherwise when it was last raised."""
    label = left("Telemetry", 11, Tone.LABEL)
    raised = [entry for entry in snapshot.telemetry if entry.active]
    if raised:
        now = raised[0].escalation
        period = prefixed(rank_labels(snapshot), raised[0].producer, _period(now))
        text = period + (f": {with_blanks(now.reason)}" if now.reason else "")
        return (label, Span(crop(text, width - 11), Tone.VALUE))
    requested = level_name(snapshot.run.config.get("telemetry")) or "–"
    return (label, Span(requested, Tone.VALUE), *_last_raised(snapshot, width - 11 - len(requested)))


def _period(escalation: TelemetryEscalated) -> str:
    updates = f"{count(escalation.update)} to {count(escalation.until_update)}"
    return f"{level_name(escalation.level)} from update {updates}"


def _last_raised(snapshot: SanctumSnapshot, room: int) -> Row:
    if not snapshot.telemetry:
        return ()
    last = max(snapshot.telemetry, key=lambda entry: entry.at_ns)
    period = prefixed(rank_labels(snapshot), last.producer, f"was {_period(last.escalation)}")
    return (Span(crop(f", {period}", room), Tone.DIM),)


def report_row(report: AnomalyReport, width: int) -> Row:
    """Update, the mark of a finding about the same, kind and text."""
    kind_width = min(KIND_WIDTH, max(width - 18, 0))
    return (
        right(count(report.update), 6, Tone.DIM),
        Span(" "),
        alarm_mark(report.alarm),
        Span(" "),
        left(report.kind, kind_width, ALARM_TONES.get(report.alarm) or tone(report.health, Tone.PLAIN)),
        Span(" "),
        Span(crop(report.text, max(width - kind_width - 10, 0))),
    )
