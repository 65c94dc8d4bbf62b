"""From symptoms to findings: pure, total, and the same for equal snapshots."""

from collections.abc import Iterable, Iterator, Sequence

from esper_schemas.diagnosis.rules import RULES, Rule, Sign
from esper_schemas.diagnosis.words import evidence_of
from esper_schemas.findings import Finding, Symptom
from esper_schemas.snapshot import SanctumSnapshot

CHAIN = 20
"""What began so many updates before a finding's signs, or less, may have led to it."""

MOST_EVIDENCE = 6


def diagnose(snapshot: SanctumSnapshot) -> list[Finding]:
    """What is wrong, critical findings first, then by what began first.

    Looks at the snapshot's symptoms alone, which were judged by the bands that its fold was given.
    """
    found = [finding for rule in RULES for finding in _findings(rule, snapshot.symptoms)]
    order = {rule.id: place for place, rule in enumerate(RULES)}
    return sorted(found, key=lambda f: (f.severity != "critical", _began(f), order[f.rule], f.head or ""))


def _began(finding: Finding) -> int:
    return min((evidence.update for evidence in finding.evidence), default=finding.since_update)


def _findings(rule: Rule, symptoms: Sequence[Symptom]) -> Iterator[Finding]:
    """What a rule says: at most one finding, or one per head."""
    signs = [s for s in symptoms if (s.active or rule.lasting) and _shown(rule.signs, s)]
    if rule.per_head:
        for head in dict.fromkeys(sign.head for sign in signs):
            about = [s for s in symptoms if s.head in (head, None)]
            yield from _finding(rule, head, [s for s in signs if s.head == head], about)
    elif signs:
        yield from _finding(rule, None, signs, symptoms)


def _finding(
    rule: Rule, head: str | None, signs: list[Symptom], symptoms: Sequence[Symptom]
) -> Iterator[Finding]:
    main = min(signs, key=lambda s: (_since(rule, s), s.name, s.metric))
    others = sorted((s for s in symptoms if _is_near(s, main)), key=lambda s: (s.since_update, s.name, s.metric))
    causes = [s for s in others if _shown(rule.together_with, s)]
    if any(_shown(rule.unless, s) for s in others) or (rule.together_with and not causes):
        return
    chain = [main, *(s for s in others if s in causes or s in signs or s.name in rule.context)]
    yield Finding(
        rule=rule.id,
        severity=rule.severity,
        title=rule.title.format(head=head),
        head=head,
        since_update=_since(rule, main),
        evidence=evidence_of(_without_repetition(chain)[:MOST_EVIDENCE]),
        advice=rule.advice,
    )


def _shown(signs: Iterable[Sign], symptom: Symptom) -> bool:
    """Whether a symptom is one of the signs, and for long enough."""
    return any(
        sign.symptom == symptom.name
        and (symptom.critical_updates if sign.critical else symptom.updates) >= sign.updates
        for sign in signs
    )


def _since(rule: Rule, symptom: Symptom) -> int:
    """Since when a sign has been one: critical ones begin when they become critical."""
    critical = any(sign.symptom == symptom.name and sign.critical for sign in rule.signs)
    return symptom.critical_since if critical and symptom.critical_since is not None else symptom.since_update


def _is_near(symptom: Symptom, main: Symptom) -> bool:
    """Whether it was there while the sign was, or shortly before it began."""
    return main.since_update - CHAIN <= symptom.last_update and symptom.since_update <= main.last_update


def _without_repetition(chain: Iterable[Symptom]) -> list[Symptom]:
    """The first of each name, since eight heads tell the same."""
    first: dict[str, Symptom] = {}
    for symptom in chain:
        first.setdefault(symptom.name, symptom)
    return list(first.values())
