"""ANOMALIES: what the trainer's own detector saw, and whether more is measured because of it."""

from esper_schemas.events import TelemetryEscalated
from esper_schemas.judgement import Health
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.panels.anomaly_reports import AnomalyReport, incidents, level_name, words
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Rows, Span, Tone, crop, left, right
from esper_tui.text.theme import mark, tone

TITLE = "ANOMALIES"
NOTHING: Row = (Span("✓ nothing was reported", Tone.GOOD),)
KIND_WIDTH = 22


def anomalies_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """How much is measured now, then the last reports that fit, newest last."""
    if height < 1:
        return ()
    found = incidents(snapshot)
    shown = found[len(found) - min(height - 1, len(found)) :]
    reports = tuple(report_row(report, width) for report in shown)
    return (telemetry_row(snapshot, width), *(reports or (NOTHING,)))[:height]


def anomalies_note(snapshot: SanctumSnapshot) -> Row:
    """For the title: how many in the whole run, and what was not finite, which is never forgotten."""
    totals = snapshot.instability_totals
    if totals.nan_count or totals.inf_count:
        words = f"{count(totals.nan_count)} NaN, {count(totals.inf_count)} Inf"
        return (mark(Health.NOT_FINITE), Span(f" {words}", Tone.CRITICAL))
    anomalies = sum(snapshot.anomaly_counts.values())
    return (Span("1 anomaly" if anomalies == 1 else f"{count(anomalies)} anomalies", Tone.DIM),)


def telemetry_row(snapshot: SanctumSnapshot, width: int) -> Row:
    """The level now and, while it is raised, since when, until when and why; else when it was last."""
    label = left("Telemetry", 11, Tone.LABEL)
    raised = [entry for entry in snapshot.telemetry if entry.active]
    if raised:
        now = raised[0].escalation
        said = f"! {_span(now)}" + (f": {words(now.reason)}" if now.reason else "")
        return (label, Span(crop(said, width - 11), Tone.WARNING))
    asked = level_name(snapshot.run.config.get("telemetry")) or "–"
    return (label, Span(asked, Tone.VALUE), *_before(snapshot, width - 11 - len(asked)))


def _span(escalation: TelemetryEscalated) -> str:
    updates = f"{count(escalation.update)} to {count(escalation.until_update)}"
    return f"{level_name(escalation.level)} from update {updates}"


def _before(snapshot: SanctumSnapshot, room: int) -> Row:
    if not snapshot.telemetry:
        return ()
    last = max(snapshot.telemetry, key=lambda entry: entry.at_ns).escalation
    return (Span(crop(f", was {_span(last)}", room), Tone.DIM),)


def report_row(report: AnomalyReport, width: int) -> Row:
    """Update, mark, kind, and what was seen."""
    kind_width = min(KIND_WIDTH, max(width - 18, 0))
    return (
        right(count(report.update), 6, Tone.DIM),
        Span(" "),
        mark(report.health),
        Span(" "),
        left(report.kind, kind_width, tone(report.health, Tone.PLAIN)),
        Span(" "),
        Span(crop(report.text, max(width - kind_width - 10, 0))),
    )
