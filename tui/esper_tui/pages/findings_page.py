"""FINDINGS, opened: every finding, its evidence and its advice, or else the values beyond their bands."""

from collections.abc import Iterator

from esper_schemas.findings import Evidence, Finding
from esper_schemas.history import AtUpdate
from esper_schemas.judgement import beyond_bounds
from esper_schemas.metrics.catalogue import QUANTITIES, head_field
from esper_schemas.policy_heads import split_own
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.alarms import SEVERITIES
from esper_tui.pages.heads_page import head_entry
from esper_tui.pages.metric_pages import metric_entry
from esper_tui.pages.page import Entry, wrapped
from esper_tui.panels.findings_panel import evidence_row, finding_title, findings_rows
from esper_tui.text.choice_names import head_label
from esper_tui.text.explanation import term_rows
from esper_tui.text.numbers import counted, number
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, plain, right
from esper_tui.view.view import View

EVIDENCE_INDENT = 9


def finding_entries(view: View, width: int) -> list[Entry]:
    """The findings, or that there is none; without an alarm, also the values beyond their bands."""
    snapshot = view.snapshot
    findings = [
        entry for finding in snapshot.findings for entry in _finding_entries(snapshot, finding, width)
    ]
    if any(finding.severity in SEVERITIES for finding in snapshot.findings):
        return findings
    return [*(findings or map(Entry, findings_rows(snapshot, width, 1))), *_beyond(snapshot, width)]


def _beyond(snapshot: SanctumSnapshot, width: int) -> Iterator[Entry]:
    """How many values are beyond the bands of their metrics, and each of them with its help."""
    names = beyond_bounds(snapshot.tamiyo)
    if names:
        beyond = f"{counted(len(names), 'value')} beyond the bands of their metrics"
        yield Entry((Span(crop(f"{beyond}; that alone is not a finding", width), Tone.DIM),))
    yield from (_metric(snapshot, name) for name in names)


def _metric(snapshot: SanctumSnapshot, name: str) -> Entry:
    """A metric's row and its help, for metrics of a head and for all others."""
    if own := split_own(name):
        return head_entry(snapshot, *own)
    head = QUANTITIES[name].head
    if head is None:
        return metric_entry(snapshot, name)
    return head_entry(snapshot, head, name.removeprefix(head_field(head, "")))


def _finding_entries(snapshot: SanctumSnapshot, finding: Finding, width: int) -> Iterator[Entry]:
    """The finding, and each line of its evidence, from which the user can go to its update."""
    whole = _finding(snapshot, finding, width)
    yield whole
    for evidence in finding.evidence:
        moment = AtUpdate(max(evidence.update, 0))
        yield Entry(evidence_row(evidence.update, evidence.text, width), whole.details, moment=moment)


def _finding(snapshot: SanctumSnapshot, finding: Finding, width: int) -> Entry:
    row = finding_title(finding, width)
    is_cut = clean(finding.title) not in plain(row)

    def details(width: int) -> Rows:
        title = wrapped(finding.title, width) if is_cut else ()
        advice = [line for text in finding.advice for line in wrapped(f"→ {text}", width)]
        evidence = [line for e in finding.evidence for line in _evidence(e, width)]
        metrics = _metrics(snapshot, finding, width)
        return (*title, *advice, *wrapped("Evidence, by update", width, Tone.LABEL), *evidence, *metrics)

    moment = AtUpdate(max(finding.since_update, 0))
    return Entry(row, details, moment=moment, metrics=finding.metrics)


def _metrics(snapshot: SanctumSnapshot, finding: Finding, width: int) -> Rows:
    """The labels of the metrics that show the finding, which are marked on their panels."""
    labels = ", ".join(dict.fromkeys(_label(snapshot, name) for name in finding.metrics))
    return tuple(term_rows("Shown by", labels, width)) if labels else ()


def _label(snapshot: SanctumSnapshot, name: str) -> str:
    """The label of a metric, with its head; a name that the catalogue does not have stands for itself."""
    if name not in QUANTITIES and split_own(name) is None:
        return clean(name.replace("_", " ") if name == MEAN_RETURN else name)
    field = metric_field(snapshot.tamiyo, name)
    return f"{field.metric.label} of {head_label(field.head)}" if field.head else field.metric.label


def _evidence(evidence: Evidence, width: int) -> Iterator[Row]:
    """The update, and beside it the text, wrapped."""
    update = number(evidence.update, 0, 7)
    for place, line in enumerate(wrapped(evidence.text, width - EVIDENCE_INDENT)):
        yield (right("" if place else update, 7, Tone.DIM), Span("  "), *line)
