"""FINDINGS: what the diagnosis has found, worst first, since which update, and its evidence."""

from esper_schemas.findings import Finding
from esper_schemas.judgement import Health, beyond_bounds_text
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.text.numbers import count, counted
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, justified
from esper_tui.text.theme import MARKS, TONES, mark

TITLE = "FINDINGS"
WAITING = "waiting for the first update"
ONLY_SCALARS = "no findings; no metric of PPO was logged"
NOTHING_BEYOND = "✓ no findings"
NO_FINDINGS = "no findings"
NOTICE = "·"
_HEALTH = {"warning": Health.WARNING, "critical": Health.CRITICAL}


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
    """Single metrics can be beyond their bounds without amounting to a finding, as happens in most healthy
    runs; they are listed in one dim row.
    """
    if not snapshot.tamiyo.ppo_data_received:
        words = ONLY_SCALARS if snapshot.scalars else WAITING
        return ((Span(crop(words, width), Tone.DIM),),)[:height]
    beyond = beyond_bounds_text(snapshot.tamiyo)
    if not beyond:
        return ((Span(NOTHING_BEYOND, Tone.GOOD),),)[:height]
    return ((Span(NO_FINDINGS),), (Span(crop(beyond, width), Tone.DIM),))[:height]


def findings_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the number of findings that are more than a notice."""
    found = sum(finding.severity != "notice" for finding in snapshot.findings)
    if not found:
        return ()
    critical = any(finding.severity == "critical" for finding in snapshot.findings)
    health = Health.CRITICAL if critical else Health.WARNING
    return (mark(health), Span(f" {counted(found, 'finding')}", TONES[health]))


def finding_title(finding: Finding, width: int) -> Row:
    """Mark, title, and the update since which the finding holds."""
    health = _HEALTH.get(finding.severity)
    symbol, tone = (MARKS[health], TONES[health]) if health else (NOTICE, Tone.VALUE)
    since = (Span(f"since {count(finding.since_update)}", Tone.DIM),)
    title = crop(f"{symbol} {clean(finding.title)}", max(width - 15, width // 2))
    return justified((Span(title, tone),), since, width)


def finding_details(finding: Finding, width: int) -> list[Row]:
    """The first advice, then the evidence by update."""
    room = max(width - 4, 0)
    advice = [(Span("  → ", Tone.LABEL), Span(crop(clean(text), room))) for text in finding.advice[:1]]
    evidence = [_evidence(e.update, e.text, width) for e in finding.evidence]
    return [*advice, *evidence]


def _evidence(update: int, text: str, width: int) -> Row:
    return (
        Span(f"  {count(update):>6}  ", Tone.DIM),
        Span(crop(clean(text), max(width - 10, 0)), Tone.LABEL),
    )
