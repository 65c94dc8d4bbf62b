"""The anomaly detector of the trainer: which anomalies begin with an update."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from esper_schemas.declarations import HeadSpec
from esper_schemas.events import AnomalyDetected
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.policy_heads import entropy_share, max_entropy, quantity_value, split_own
from esper_schemas.rules.anomaly_rules import AnomalyRule, anomaly_rules
from esper_schemas.rules.derived_quantities import DerivedQuantities, Quantities
from esper_schemas.rules.onset import Onset


class AnomalyDetector:
    """Reports an anomaly when it begins, and again only after it was over.

    A value that was not measured, or is not finite, neither begins nor ends an anomaly; that it is not
    finite is an anomaly of its own. The result depends only on the updates observed so far. `heads` are the
    policy's own heads, if it does not have those of Tamiyo.
    """

    def __init__(self, heads: Iterable[HeadSpec] = ()) -> None:
        specs = tuple(heads)
        self._maxima = {spec.name: max_entropy(spec) for spec in specs}
        self._rules = anomaly_rules(specs)
        self._derived = DerivedQuantities()
        self._onsets: defaultdict[str, Onset] = defaultdict(Onset)

    def observe(
        self, update: int, payload: PPOUpdatePayload, mean_return: float, progress: float
    ) -> list[AnomalyDetected]:
        """Return the anomalies that begin with an update; `progress` is the share of the run that is done."""
        derived = self._derived.of(payload, mean_return, progress)
        return [
            _anomaly(rule, update, name, value, bound, payload)
            for rule in self._rules
            for name, value, bound in self._begins(rule, payload, derived, progress)
        ]

    def _begins(
        self, rule: AnomalyRule, payload: PPOUpdatePayload, derived: Quantities, progress: float
    ) -> Iterator[tuple[str, float, float]]:
        """Yield quantity, value and bound if an anomaly begins now."""
        worst, bound = self._worst(rule, payload, derived), rule.bound_at(progress)
        onset = self._onsets[_key(rule)]
        if worst is None:
            onset.skip()
            return
        value, name = worst
        witnessed = rule.is_witnessed(getattr(payload, rule.witness) if rule.witness else None)
        if onset.begins(rule, value, bound, witnessed=witnessed):
            yield name, value, bound

    def _worst(
        self, rule: AnomalyRule, payload: PPOUpdatePayload, derived: Quantities
    ) -> tuple[float, str] | None:
        """Return the worst finite value of a rule's quantities, and which of them has it."""
        values = ((self._value(name, payload, derived), name) for name in rule.quantities)
        known = [(value, name) for value, name in values if value is not None and math.isfinite(value)]
        return (min if rule.below else max)(known, default=None)

    def _value(self, name: str, payload: PPOUpdatePayload, derived: Quantities) -> float | None:
        if name in derived:
            return derived[name]
        head, family = split_own(name) or ("", "")
        if family == "entropy_legal" and head in payload.heads:
            return entropy_share(payload.heads[head], self._maxima[head])
        return quantity_value(payload, name)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint of the trainer holds: plain numbers, strings and containers."""
        onsets = {key: onset.state() for key, onset in self._onsets.items()}
        return {"derived": self._derived.state(), "courses": onsets}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint; what a version before 0.1.0 kept of its rules is left out."""
        self._derived.load(state["derived"])
        self._onsets.clear()
        for key, onset in state.get("courses", {}).items():
            self._onsets[key].load(onset)


def _key(rule: AnomalyRule) -> str:
    return f"{rule.kind}:{rule.head}" if rule.head else rule.kind


def _anomaly(
    rule: AnomalyRule, update: int, name: str, value: float, bound: float, payload: PPOUpdatePayload
) -> AnomalyDetected:
    return AnomalyDetected(
        update=update,
        anomaly=rule.kind,
        severity=rule.severity,
        metric=name,
        value=value,
        threshold=bound,
        head=_head_of(name),
        detail=_detail(rule, name, value, bound, payload),
    )


def _head_of(name: str) -> str | None:
    own = split_own(name)
    if own is not None:
        return own[0]
    return CATALOGUE[name].head if name in CATALOGUE else None


def _detail(rule: AnomalyRule, name: str, value: float, bound: float, payload: PPOUpdatePayload) -> str:
    """Describe an anomaly to a user; for ratios, with the entropy and the KL divergence of the update."""
    side = "below" if rule.below else "above"
    lasted = f" for {rule.updates} updates" if rule.updates > 1 else ""
    text = f"{rule.kind}: {name} {value:.4g} is {side} {bound:.4g}{lasted}"
    if not rule.kind.startswith("ratio_"):
        return text
    return (
        f"{text}; entropy {_number(payload.entropy_normalized)} of its maximum, "
        f"KL {_number(payload.kl_divergence)}"
    )


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
