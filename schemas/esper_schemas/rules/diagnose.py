"""The diagnosis: from the symptoms of a snapshot to findings, by the rules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from esper_schemas.findings import Finding, Severity, Symptom
from esper_schemas.rules.duplicate_ranks import duplicate_ranks
from esper_schemas.rules.evidence import evidence_of
from esper_schemas.rules.failed_training import failed_training
from esper_schemas.rules.finding_metrics import metrics_of
from esper_schemas.rules.implausible_values import implausible_values
from esper_schemas.rules.lost_data import lost_data
from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.settings import Settings, settings_of
from esper_schemas.rules.thresholds import ignored_thresholds, thresholds_of
from esper_schemas.snapshot import SanctumSnapshot

CHAIN = 20
"""A symptom that ended at most this many updates before the sign of a finding may have led to it."""

PATIENCE = 50
"""Updates after which a sign that was benign for a while is one of a fault: many policies recover earlier."""

MAX_EVIDENCE = 6

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "notice")
"""From the worst."""

_ORDER = {rule.id: place for place, rule in enumerate(RULES)}

ByName = Mapping[str, Sequence[Symptom]]


def diagnose(snapshot: SanctumSnapshot) -> list[Finding]:
    """Return the findings about a run: critical ones first, then those whose evidence begins first.

    They follow from the symptoms, which depend on the bounds with which the run was folded, from the settings
    of the run and from its ranks. Equal snapshots give equal findings.
    """
    thresholds = thresholds_of(snapshot.tamiyo.thresholds)
    of_recording = [finding for finding in _of_recording(snapshot) if finding.rule not in thresholds.disabled]
    if not snapshot.symptoms:
        return sorted(of_recording, key=_rank)  # the usual case, twenty times a second
    settings = settings_of(snapshot.run.config, snapshot.run.device)
    concluded = conclude(snapshot.symptoms, settings, thresholds.rules)
    return sorted([*of_recording, *[conclusion.finding for conclusion in concluded]], key=_rank)


def _of_recording(snapshot: SanctumSnapshot) -> list[Finding]:
    """Return the findings that are about the recording rather than the training."""
    heads = {spec.name: spec for spec in snapshot.tamiyo.head_specs}
    return [
        *failed_training(snapshot),
        *duplicate_ranks(snapshot.ranks),
        *lost_data(snapshot.losses),
        *ignored_thresholds(snapshot.tamiyo.thresholds),
        *implausible_values(snapshot.symptoms, heads),
    ]


class Conclusion(NamedTuple):
    """A finding, and the symptom that is its main sign."""

    finding: Finding
    main: Symptom


def conclude(
    symptoms: Iterable[Symptom], settings: Settings, rules: Iterable[Rule] = RULES
) -> Iterator[Conclusion]:
    """Yield what follows from symptoms in a training with some settings, in the order of the rules."""
    by_name: dict[str, list[Symptom]] = {}
    for symptom in symptoms:
        by_name.setdefault(symptom.name, []).append(symptom)
    shown = [rule for rule in rules if any(sign.symptom in by_name for sign in rule.signs)]
    concluded = [
        (rule, tuple(_conclusions(rule, by_name))) for rule in shown if is_applicable(rule, settings)
    ]
    found = {rule.id for rule, conclusions in concluded if conclusions}
    for rule, conclusions in concluded:
        if found.isdisjoint(rule.covered_by):
            yield from conclusions


def is_applicable(rule: Rule, settings: Settings) -> bool:
    """Return whether a rule applies to trainings with these settings."""
    if rule.only_with_several and settings.get(rule.only_with_several) == 1:
        return False
    if any(settings.get(setting, 0.0) > 0.0 for setting in rule.excludes):
        return False
    return all(settings.get(setting, 0.0) > 0.0 for setting in rule.requires)


def _rank(finding: Finding) -> tuple[int, int, int, int, str]:
    cause = min((evidence.update for evidence in finding.evidence), default=finding.since_update)
    return (
        SEVERITIES.index(finding.severity),
        cause,
        finding.since_update,
        _ORDER.get(finding.rule, -1),
        finding.head or "",
    )


def _conclusions(rule: Rule, by_name: ByName) -> Iterator[Conclusion]:
    """Yield what a rule finds: at most one finding, or one per head or metric."""
    if rule.per_metric:
        yield from _per_metric(rule, by_name)
        return
    signs = [symptom for symptom in _shown(rule.signs, by_name) if symptom.active or rule.lasting]
    if signs and not rule.per_head:
        yield from _conclusion(rule, None, signs, by_name)
    elif signs:
        for head in sorted({sign.head or "" for sign in signs}):
            yield from _conclusion(rule, head, [s for s in signs if s.head == head], by_name)


def _per_metric(rule: Rule, by_name: ByName) -> Iterator[Conclusion]:
    """Yield at most one finding for each metric, as if there were no other."""
    metrics = {s.metric for sign in rule.signs for s in by_name.get(sign.symptom, ())}
    for metric in sorted(metrics):
        of_metric = {name: [s for s in group if s.metric == metric] for name, group in by_name.items()}
        signs = [symptom for symptom in _shown(rule.signs, of_metric) if symptom.active or rule.lasting]
        if signs:
            yield from _conclusion(rule, None, signs, of_metric)


def _conclusion(rule: Rule, head: str | None, signs: list[Symptom], by_name: ByName) -> Iterator[Conclusion]:
    main = min(signs, key=lambda s: (_since(rule, s), s.name, s.metric), default=None)
    if main is None:
        return
    causes = _near(_shown(rule.together_with, by_name), main, head)
    explained = _near(_shown(rule.unless, by_name), main, head)
    if (rule.together_with and not causes) or (explained and not _is_decided(rule, main, head, by_name)):
        return
    if not _holds_now(rule, main, by_name):
        return
    context = _near((s for name in rule.context for s in by_name.get(name, ())), main, head)
    finding = Finding(
        rule=rule.id,
        severity=rule.severity,
        title=rule.title.replace("{head}", str(head)).replace("{metric}", main.metric),
        head=head,
        since_update=_onset(rule, main, by_name),
        evidence=evidence_of(_chain(main, [*signs, *causes[:1], *context])),
        advice=rule.advice,
        metrics=metrics_of(main, [*signs, *causes, *context]),
    )
    yield Conclusion(finding, main)


def _is_decided(rule: Rule, main: Symptom, head: str | None, by_name: ByName) -> bool:
    """Return whether a sign is present for which no other explanation counts."""
    return bool(_near(_shown(rule.decisive, by_name), main, head))


def _holds_now(rule: Rule, main: Symptom, by_name: ByName) -> bool:
    """Return whether the signs that a rule needs at the newest update are there, and no others."""
    barred = [s for s in _shown(rule.not_while, by_name) if s.active]
    recent = [s for s in _shown(rule.not_after, by_name) if s.last_update >= main.last_update - CHAIN]
    return not barred and not recent and (bool(_needed(rule, main, by_name)) or not rule.while_one_of)


def _needed(rule: Rule, main: Symptom, by_name: ByName) -> list[Symptom]:
    """Return the signs that a rule needs at the newest update; they have to last if its sign was benign."""
    needed = [symptom for symptom in _shown(rule.while_one_of, by_name) if symptom.active]
    if not _was_benign(rule, main):
        return needed
    return [symptom for symptom in needed if symptom.updates >= PATIENCE]


def _was_benign(rule: Rule, main: Symptom) -> bool:
    """Return whether the return was near its best while the main sign lasted, so that it may recover."""
    return rule.recovers and main.at_best >= CHAIN


def _shown(signs: Iterable[Sign], by_name: ByName) -> list[Symptom]:
    """Return the symptoms that are one of the signs and lasted long enough."""
    return [
        symptom
        for sign in signs
        for symptom in by_name.get(sign.symptom, ())
        if (symptom.critical_updates if sign.critical else symptom.updates) >= sign.updates
    ]


def _since(rule: Rule, symptom: Symptom) -> int:
    """Return the update at which a sign began; a critical sign begins when its symptom becomes critical."""
    critical = any(sign.symptom == symptom.name and sign.critical for sign in rule.signs)
    return symptom.critical_since if critical and symptom.critical_since is not None else symptom.since_update


def _onset(rule: Rule, main: Symptom, by_name: ByName) -> int:
    """Return the update since which a rule applies: of a benign sign, that at which it ceased to be so."""
    since = _since(rule, main)
    if not _was_benign(rule, main):
        return since
    needed = min((symptom.since_update for symptom in _needed(rule, main, by_name)), default=since)
    benign = (symptom.last_update + 1 for symptom in _shown(rule.not_while, by_name))
    return max(since, needed, *benign)


def _near(symptoms: Iterable[Symptom], main: Symptom, head: str | None) -> list[Symptom]:
    """Return the symptoms that were present with the sign or shortly before, of the same head or of none."""
    return [
        symptom
        for symptom in symptoms
        if main.since_update - CHAIN <= symptom.last_update
        and symptom.since_update <= main.last_update
        and (head is None or symptom.head in (head, None))
    ]


def _chain(main: Symptom, others: Iterable[Symptom]) -> list[Symptom]:
    """Return the sign and the symptoms around it, the first of each name, as all heads may have the same."""
    first = {main.name: main}
    for symptom in sorted(others, key=lambda s: (s.since_update, s.name, s.metric, s.active)):
        first.setdefault(symptom.name, symptom)
    return list(first.values())[:MAX_EVIDENCE]
