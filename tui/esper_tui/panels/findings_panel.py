"""FINDINGS: what the diagnosis has found, worst first, since which update, and its evidence."""

from esper_schemas.findings import Finding
from esper_schemas.judgement import Health
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.alarms import SEVERITIES, worst
from esper_tui.text.numbers import count, counted
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, justified
from esper_tui.text.theme import ALARM_TONES, MARKS, alarm_mark

TITLE = "FINDINGS"
WAITING = "waiting for the first update"
ONLY_SCALARS = "no finding; no metric of PPO was logged"
NOTICE = "·"
"""The symbol of a finding that is worth knowing and not an alarm."""


def findings_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """A title for each finding that fits; the rest of the room shows advice and evidence, worst first."""
    findings = snapshot.findings
    if not findings:
        return _without_findings(snapshot, width, height)
    shown = findings[: max(height, 0)]
    room, rows = height - len(shown), list[Row]()
    for finding in shown:
        details = finding_details(finding, width)[: max(room, 0)]
        room -= len(details)
        rows.extend((finding_title(finding, width), *details))
    return tuple(rows)


def _without_findings(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """How many updates were diagnosed. Values beyond their bands are not counted here: most healthy runs
    have some.
    """
    if not snapshot.tamiyo.ppo_data_received:
        words = ONLY_SCALARS if snapshot.scalars else WAITING
        return ((Span(crop(words, width), Tone.DIM),),)[:height]
    words = f"✓ no finding in {counted(snapshot.tamiyo.ppo_updates_count, 'update')}"
    return ((Span(crop(words, width), Tone.GOOD),),)[:height]


def findings_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the number of findings, without notices."""
    alarms = [SEVERITIES[finding.severity] for finding in snapshot.findings if finding.severity in SEVERITIES]
    if not alarms:
        return ()
    highest = worst(*alarms)
    return (alarm_mark(highest), Span(f" {counted(len(alarms), 'finding')}", ALARM_TONES[highest]))


def finding_title(finding: Finding, width: int) -> Row:
    """Mark, title, and the update since which the finding holds; a notice is quiet."""
    alarm = SEVERITIES.get(finding.severity, Health.OK)
    since = (Span(f"since {count(finding.since_update)}", Tone.DIM),)
    sign = MARKS[alarm] if alarm in ALARM_TONES else NOTICE
    title = crop(f"{sign} {clean(finding.title)}", max(width - 15, width // 2))
    return justified((Span(title, ALARM_TONES.get(alarm, Tone.PLAIN)),), since, width)


def finding_details(finding: Finding, width: int) -> list[Row]:
    """The first advice, then the evidence by update."""
    room = max(width - 4, 0)
    advice = [(Span("  → ", Tone.LABEL), Span(crop(clean(text), room))) for text in finding.advice[:1]]
    evidence = [evidence_row(e.update, e.text, width) for e in finding.evidence]
    return [*advice, *evidence]


def evidence_row(update: int, text: str, width: int) -> Row:
    """The update and what was seen in it."""
    return (
        Span(f"  {count(update):>6}  ", Tone.DIM),
        Span(crop(clean(text), max(width - 10, 0)), Tone.LABEL),
    )
