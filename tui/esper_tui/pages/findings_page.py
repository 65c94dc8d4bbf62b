"""FINDINGS, opened: every finding with its evidence and advice, or else the metrics beyond their bounds."""

from collections.abc import Iterator

from esper_schemas.findings import Evidence, Finding
from esper_schemas.judgement import beyond_bounds
from esper_schemas.metrics.catalogue import QUANTITIES, head_field
from esper_schemas.policy_heads import split_own
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.pages.heads_page import head_entry
from esper_tui.pages.metric_pages import metric_entry
from esper_tui.pages.page import Entry, wrapped
from esper_tui.panels.findings_panel import finding_title, findings_rows
from esper_tui.text.numbers import number
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, plain, right
from esper_tui.view.view import View

EVIDENCE_INDENT = 9


def finding_entries(view: View, width: int) -> list[Entry]:
    """The findings; without any, the metrics that are beyond their bounds."""
    findings = view.snapshot.findings
    if findings:
        return [_finding(finding, width) for finding in findings]
    beyond = [_metric(view.snapshot, name) for name in beyond_bounds(view.snapshot.tamiyo)]
    return [*map(Entry, findings_rows(view.snapshot, width, 1)), *beyond]


def _metric(snapshot: SanctumSnapshot, name: str) -> Entry:
    """A metric's row and its help, for metrics of a head and for all others."""
    if own := split_own(name):
        return head_entry(snapshot, *own)
    head = QUANTITIES[name].head
    if head is None:
        return metric_entry(snapshot, name)
    return head_entry(snapshot, head, name.removeprefix(head_field(head, "")))


def _finding(finding: Finding, width: int) -> Entry:
    row = finding_title(finding, width)
    is_cut = clean(finding.title) not in plain(row)

    def details(width: int) -> Rows:
        title = wrapped(finding.title, width) if is_cut else ()
        advice = [line for text in finding.advice for line in wrapped(f"→ {text}", width)]
        evidence = [line for e in finding.evidence for line in _evidence(e, width)]
        return (*title, *advice, *wrapped("Evidence, by update", width, Tone.LABEL), *evidence)

    return Entry(row, details)


def _evidence(evidence: Evidence, width: int) -> Iterator[Row]:
    """The update, and beside it the text, wrapped."""
    update = number(evidence.update, 0, 7)
    for place, line in enumerate(wrapped(evidence.text, width - EVIDENCE_INDENT)):
        yield (right("" if place else update, 7, Tone.DIM), Span("  "), *line)
