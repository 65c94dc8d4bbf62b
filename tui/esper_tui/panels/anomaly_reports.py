"""Everything that a trainer's detector reported and did, as one list in the order of time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from esper_schemas.declarations import HeadSpec
from esper_schemas.judgement import Health
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.policy_heads import head_quantity, heads_of, split_own
from esper_schemas.snapshot import (
    AnomalyEntry,
    EscalationEntry,
    InstabilityEntry,
    RatioExplosionEntry,
    SanctumSnapshot,
)
from esper_schemas.state import TamiyoState
from esper_tui.metrics.alarms import SEVERITIES, finding_about, worst
from esper_tui.text.choice_names import choice_name, head_label
from esper_tui.text.numbers import count, counted, number, significant
from esper_tui.text.spans import clean
from esper_tui.view.rank_labels import prefixed, rank_labels


@dataclass(frozen=True, slots=True)
class AnomalyReport:
    """One report: time, producer, update, health, kind, text, details, and the metric that it is about.

    `alarm` is the severity of a finding that the run has about the same, OK without one.
    """

    at_ns: int
    producer: str
    update: int
    health: Health
    kind: str
    text: str
    details: tuple[str, ...] = ()
    metric: str = ""
    alarm: Health = Health.OK


def anomaly_reports(snapshot: SanctumSnapshot) -> tuple[AnomalyReport, ...]:
    """All reports of the snapshot, oldest first."""
    found = (
        *map(_anomaly, snapshot.anomalies),
        *map(_instability, snapshot.instabilities),
        *(_explosion(snapshot.tamiyo, entry) for entry in snapshot.ratio_explosions),
        *map(_escalation, snapshot.telemetry),
    )
    labels = rank_labels(snapshot)
    named = (
        replace(
            report,
            text=prefixed(labels, report.producer, report.text),
            alarm=_alarm(snapshot, report),
        )
        for report in found
    )
    return tuple(sorted(named, key=lambda report: report.at_ns))


def _alarm(snapshot: SanctumSnapshot, report: AnomalyReport) -> Health:
    """The severity of the finding about the same metric, or about values that are not finite."""
    if report.health is Health.NOT_FINITE:
        return not_finite_alarm(snapshot)
    finding = finding_about(snapshot, report.metric)
    if finding is None or report.update < min((e.update for e in finding.evidence), default=0):
        return Health.OK
    return SEVERITIES[finding.severity]


def not_finite_alarm(snapshot: SanctumSnapshot) -> Health:
    """The severity of the worst finding about values that are not finite."""
    about = (f for f in snapshot.findings if f.rule.endswith("not_finite"))
    return worst(*(SEVERITIES.get(finding.severity, Health.OK) for finding in about))


def level_name(level: int | str | bool | float | None) -> str:
    """The name of a telemetry level that is given as a number or as a name."""
    if isinstance(level, int):
        return TelemetryLevel(level).name.lower() if level in tuple(TelemetryLevel) else f"#{count(level)}"
    return clean(level) if isinstance(level, str) else ""


def with_blanks(name: str) -> str:
    """A name from outside with blanks for its underscores."""
    return clean(name).replace("_", " ")


def _anomaly(entry: AnomalyEntry) -> AnomalyReport:
    anomaly = entry.anomaly
    return AnomalyReport(
        entry.at_ns,
        entry.producer,
        anomaly.update,
        Health.CRITICAL if anomaly.severity == "critical" else Health.WARNING,
        with_blanks(anomaly.anomaly),
        " ".join(_comparison(entry)),
        (clean(anomaly.detail),) if anomaly.detail else (),
        anomaly.metric if anomaly.metric in QUANTITIES or split_own(anomaly.metric) else "",
    )


def _comparison(entry: AnomalyEntry) -> Iterator[str]:
    """The head or the metric, the value, and the bound that it has crossed."""
    anomaly = entry.anomaly
    if anomaly.head:
        yield head_label(clean(anomaly.head))
    elif anomaly.metric:
        known = QUANTITIES.get(anomaly.metric)
        yield known.metric.label if known else with_blanks(anomaly.metric)
    if anomaly.value is None:
        return
    yield significant(anomaly.value, 7)
    if anomaly.threshold is not None:
        sign = "<" if anomaly.value < anomaly.threshold else ">"
        yield f"{sign} {significant(anomaly.threshold, 7)}"


def _instability(entry: InstabilityEntry) -> AnomalyReport:
    report = entry.report
    where = ", ".join(clean(name) for name in report.where)
    counts = f"{count(report.nan_count)} NaN, {count(report.inf_count)} Inf"
    norm = number(report.grad_norm_pre_clip, 3, 9)
    return AnomalyReport(
        entry.at_ns,
        entry.producer,
        report.update,
        Health.NOT_FINITE,
        "not finite",
        f"{counts}: {where}" if where else counts,
        (f"Found in: {where or 'unknown'}.", f"The gradient norm before clipping was {norm}."),
    )


def _explosion(state: TamiyoState, entry: RatioExplosionEntry) -> AnomalyReport:
    """The text names the worst transition, the details list all of them."""
    explosion = entry.explosion
    spec = next((spec for spec in heads_of(state) if spec.name == explosion.head), None)
    transitions = zip(
        explosion.ratios, explosion.environments, explosion.steps, explosion.actions, strict=False
    )
    details = tuple(
        f"ratio {significant(ratio, 9)} in environment {count(environment)}, step {count(step)}: "
        f"{_choice(spec, action)}"
        for ratio, environment, step, action in transitions
    )
    worst = significant(explosion.ratios[0], 7) if explosion.ratios else ""
    return AnomalyReport(
        entry.at_ns,
        entry.producer,
        explosion.update,
        Health.WARNING,
        "worst ratios",
        f"{head_label(explosion.head)} {worst} in {counted(len(details), 'transition')}",
        details,
        head_quantity(state, spec.name, "ratio_max") if spec else "",
    )


def _choice(spec: HeadSpec | None, action: int) -> str:
    if spec is None or not 0 <= action < len(spec.choices):
        return f"action {count(action)}"
    return choice_name(spec, action)


def _escalation(entry: EscalationEntry) -> AnomalyReport:
    escalation = entry.escalation
    level, until = level_name(escalation.level), count(escalation.until_update)
    reason = with_blanks(escalation.reason)
    return AnomalyReport(
        entry.at_ns,
        entry.producer,
        escalation.update,
        Health.WARNING if entry.active else Health.OK,
        "telemetry raised",
        f"{level} until update {until}" + (f": {reason}" if reason else ""),
        ("More is measured for a while, to help find the cause.",),
    )
