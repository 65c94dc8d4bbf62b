"""A diagnosis as text: the verdict with its findings, or the answer of every rule."""

from collections import Counter
from collections.abc import Iterable, Iterator

from esper_schemas.findings import Evidence, Finding
from esper_schemas.rules.answers import VERDICTS, Answer
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.verdict import verdict_text

OPEN_END = "the recording has no end: the training is still running, or it was killed"


def findings_text(snapshot: SanctumSnapshot, encoding: str) -> list[str]:
    """The verdict, then a block for each finding, the most severe first."""
    signs = _signs(encoding)
    return [*_heading(snapshot), *(line for f in snapshot.findings for line in _block(f, signs))]


def answers_text(snapshot: SanctumSnapshot, answers: Iterable[Answer], encoding: str) -> list[str]:
    """The verdict, then the answer of every rule, grouped: what is wrong first, what does not apply last."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.verdict, []).append(answer)
    lines = _heading(snapshot)
    for verdict in VERDICTS:
        if group := groups.get(verdict, []):
            lines += ["", f"{verdict.upper()} ({len(group)})"]
            lines += [line for answer in group for line in _answer(answer, _signs(encoding))]
    return lines


def _heading(snapshot: SanctumSnapshot) -> list[str]:
    updates = _number(snapshot.tamiyo.ppo_updates_count, "update")
    verdict = f"{snapshot.run.run}: {verdict_text(snapshot.verdict)}"
    found = f"; {_counts(snapshot.findings)} after" if snapshot.findings else ", no finding in"
    return [f"{verdict}{found} {updates}", *(f"  {line}" for line in _limits(snapshot))]


def _limits(snapshot: SanctumSnapshot) -> list[str]:
    """What the recording does not have."""
    if snapshot.run.excerpt:
        return [f"the recording is {snapshot.run.excerpt}"]
    return [OPEN_END] if snapshot.run.outcome is None else []


def _counts(findings: Iterable[Finding]) -> str:
    """How many findings there are of each severity; notices only if there are any."""
    counts = Counter(finding.severity for finding in findings)
    notices = f", {_number(counts['notice'], 'notice')}" if counts["notice"] else ""
    return f"{counts['critical']} critical, {_number(counts['warning'], 'warning')}{notices}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _block(finding: Finding, signs: dict[str, str]) -> list[str]:
    head = f"{signs[finding.severity]} {finding.severity.upper()} since update {finding.since_update}"
    return [
        "",
        f"{head}: {finding.title}  [{finding.rule}]",
        f"  because  {_chain(finding, signs)}",
        *(f"  try      {advice}" for advice in finding.advice),
    ]


def _answer(answer: Answer, signs: dict[str, str]) -> Iterator[str]:
    """The lines of one answer: of a rule that found something, those of its findings."""
    why = f"needs {', '.join(answer.needs)}" if answer.needs else answer.reason
    if not answer.findings:
        yield f"  {answer.title}  [{answer.rule}]{f'  {why}' if why else ''}"
    for finding in answer.findings:
        yield f"  {signs[finding.severity]} {finding.title}  [{answer.rule}]"
        yield f"      since    update {finding.since_update}, confidence {answer.confidence}"
        yield f"      because  {_chain(finding, signs)}"
        yield from (f"      try      {advice}" for advice in finding.advice)
        if finding.metrics:
            yield f"      open     {', '.join(finding.metrics)}"


def _chain(finding: Finding, signs: dict[str, str]) -> str:
    return f" {signs['then']} ".join(map(_link, finding.evidence))


def _link(link: Evidence) -> str:
    return f"{link.text} at {link.update}" + (f" ({link.later})" if link.later else "")


def _signs(encoding: str) -> dict[str, str]:
    """Glyphs, or plain characters where the output cannot show them."""
    glyphs = {"critical": "✖", "warning": "▲", "notice": "·", "then": "→"}
    try:
        "".join(glyphs.values()).encode(encoding)
    except UnicodeEncodeError:
        return {"critical": "x", "warning": "!", "notice": "-", "then": "->"}
    return glyphs
