"""Which values on the screen are in alarm: those that a finding is about, as long as they show it."""

from math import isfinite

from esper_schemas.findings import Finding
from esper_schemas.judgement import Health, judge_field
from esper_schemas.rules.finding_metrics import MEAN_RETURN, measured_by
from esper_schemas.snapshot import SanctumSnapshot

SEVERITIES: dict[str, Health] = {"warning": Health.WARNING, "critical": Health.CRITICAL}
"""The alarm for each severity of a finding; a notice is none."""

BEYOND = (Health.WARNING, Health.CRITICAL, Health.NOT_FINITE)
"""The judgements of values beyond their bands."""

_WORST_LAST = (Health.OK, Health.WARNING, Health.CRITICAL)


def alarm_of(snapshot: SanctumSnapshot, name: str, health: Health) -> Health:
    """Return the severity of the worst finding about a metric of which the value is judged as `health`.

    OK means that there is none. A finding can outlast its signs; a value that is within its bands again and
    no longer a symptom is not in alarm.
    """
    finding = finding_about(snapshot, name)
    if finding is None or health in (Health.WAITING, Health.NOT_MEASURED):
        return Health.OK
    return SEVERITIES[finding.severity] if health in BEYOND or _is_symptom(snapshot, name) else Health.OK


def metric_alarm(snapshot: SanctumSnapshot, name: str) -> Health:
    """Return the severity of the worst finding about one of the learner's metrics, which it still shows."""
    if finding_about(snapshot, name) is None:
        return Health.OK  # the usual case, for every metric of every frame
    return alarm_of(snapshot, name, judge_field(snapshot.tamiyo, name))


def finding_about(snapshot: SanctumSnapshot, name: str) -> Finding | None:
    """Return the worst finding about a metric; notices are none."""
    for finding in snapshot.findings:
        if name in finding.metrics and finding.severity in SEVERITIES:
            return finding
    return None


def return_alarm(snapshot: SanctumSnapshot) -> Health:
    """Return the severity of the worst finding about the mean return."""
    value = snapshot.run.mean_return
    health = Health.OK if value is None or isfinite(value) else Health.NOT_FINITE
    return alarm_of(snapshot, MEAN_RETURN, health)


def worst(*alarms: Health) -> Health:
    """Return the worst of several alarms; OK if there is none."""
    return max(alarms, key=_WORST_LAST.index, default=Health.OK)


def _is_symptom(snapshot: SanctumSnapshot, name: str) -> bool:
    return any(symptom.active and name in measured_by(symptom) for symptom in snapshot.symptoms)
