"""The anomaly detector of the trainer: which findings begin with an update.

It remembers one training as the fold does and draws conclusions by the same rules, so that a trainer never
reports what a diagnosis of its events denies.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from esper_schemas.declarations import HeadSpec
from esper_schemas.events import AnomalyDetected, PPOUpdateCompleted, RolloutCompleted
from esper_schemas.findings import Finding, Symptom
from esper_schemas.rules.declared_ranges import Definitions
from esper_schemas.rules.diagnose import Conclusion, conclude
from esper_schemas.rules.evidence import described
from esper_schemas.rules.quantities import FALL_WITHIN
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.settings import Settings
from esper_schemas.rules.streaks import merged_symptoms
from esper_schemas.rules.symptoms import SymptomState, Watchlist
from esper_schemas.rules.thresholds import DEFAULTS, Thresholds

_KINDS: Mapping[str, str] = {rule.id: rule.kind for rule in RULES}
_PER_METRIC = {rule.id for rule in RULES if rule.per_metric}

_Key = tuple[str, str, str]


class Beginning(NamedTuple):
    """A finding that begins with an update, its kind of anomaly, and its main sign with the bound of it."""

    kind: str
    finding: Finding
    sign: Symptom
    bound: float | None


class AnomalyDetector:
    """Finds what begins to be wrong, and reports it again only after it was over.

    The result depends only on the events observed so far. `settings` are those of the run, `baseline` is the
    return of a trivial policy, and `heads` are the policy's own heads, if it does not have those of Tamiyo.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        baseline: float | None = None,
        heads: Iterable[HeadSpec] = (),
        thresholds: Thresholds = DEFAULTS,
    ) -> None:
        self._settings, self._baseline = settings or {}, baseline
        self._rules, self._watchlist = thresholds.rules, Watchlist(thresholds)
        self._heads = {spec.name: spec for spec in heads}
        self._definitions = Definitions(tuple(self._heads.values()))
        self._symptoms = SymptomState()
        self._past: deque[PPOUpdateCompleted] = deque(maxlen=FALL_WITHIN)
        self._present: set[_Key] = set()

    def observe(self, rollout: RolloutCompleted | None, update: PPOUpdateCompleted) -> list[Beginning]:
        """Return the findings that begin with an update, given with the rollout that it was made from."""
        if rollout is not None:
            self._watchlist.rollout_completed(self._symptoms, rollout, self._baseline)
        if update.payload.heads:
            self._watchlist.heads_measured(self._symptoms, update, self._heads, self._past)
        self._watchlist.update_completed(
            self._symptoms, update.update, update.payload, self._past, self._definitions
        )
        self._past.append(update)
        conclusions = list(conclude(self.symptoms(), self._settings, self._rules))
        begun = [each for each in conclusions if _key(each) not in self._present]
        self._present = set(map(_key, conclusions))
        return [self._beginning(each) for each in begun]

    def symptoms(self) -> tuple[Symptom, ...]:
        """Return the symptoms after the last update."""
        return merged_symptoms(self._symptoms.symptoms())

    def _beginning(self, conclusion: Conclusion) -> Beginning:
        finding, sign = conclusion
        return Beginning(_KINDS[finding.rule], finding, sign, self._watchlist.bound_of(sign))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint of the trainer holds: text and containers."""
        return {
            "symptoms": msgspec.msgpack.encode(self._symptoms).hex(),
            "past": msgspec.msgpack.encode(list(self._past)).hex(),
            "present": sorted(map(list, self._present)),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint; one of a version that remembers something else is left out."""
        try:
            symptoms = msgspec.msgpack.decode(bytes.fromhex(state["symptoms"]), type=SymptomState)
            past = msgspec.msgpack.decode(bytes.fromhex(state["past"]), type=list[PPOUpdateCompleted])
        except (KeyError, msgspec.MsgspecError):
            return
        self._symptoms, self._past = symptoms, deque(past, maxlen=FALL_WITHIN)
        self._present = {(rule, head, metric) for rule, head, metric in state["present"]}


def _key(conclusion: Conclusion) -> _Key:
    finding, sign = conclusion
    return finding.rule, finding.head or "", sign.metric if finding.rule in _PER_METRIC else ""


def anomaly_event(update: int, beginning: Beginning) -> AnomalyDetected | None:
    """Return the event of a finding that begins; none for a notice, which is no anomaly."""
    kind, finding, sign, bound = beginning
    if finding.severity == "notice":
        return None
    return AnomalyDetected(
        update=update,
        anomaly=kind,
        severity=finding.severity,
        metric=next(iter(finding.metrics), sign.metric),
        value=sign.worst if bound is not None else None,
        threshold=bound,
        head=sign.head,
        detail=f"{finding.title}: {described(sign)}",
    )
