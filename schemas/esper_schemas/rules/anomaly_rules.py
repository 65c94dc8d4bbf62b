"""The kinds of anomalies that the trainer's detector finds, as data: their bounds and how long they escalate.

Bounds are the critical ones of the catalogue. A rule has its own where healthy updates cross those, and where
the quantity is not a payload field.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from esper_schemas.declarations import HeadSpec
from esper_schemas.drift import GRADIENT_DRIFT
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, head_field
from esper_schemas.policy_heads import own_quantity

COLLAPSE_FALL = 0.5
COLLAPSE_WITHIN = 10
"""A low entropy is a collapse if it fell by this much within this many updates.

A policy that converges falls more slowly, and some of its heads become deterministic.
"""

DETERMINISTIC = 0.02
"""Below this, the entropy of the whole policy is a collapse however slowly it fell."""

LSTM_CELL_BOUND = 32.0
"""Healthy cell states exceed the catalogue's 10; in an episode of 64 steps none can exceed 64."""

RETURN_MOMENTUM = 0.9
RETURN_WARM_UP = 5
RETURN_SKIPPED = 0.1
"""The first part of a run, in which the mean return is not judged."""

RETURN_DROP = 0.1
RETURN_NOISE = 3.0
"""A drop of the mean return is tolerated up to this share of its running mean, or this many times its mean
absolute deviation, whichever is more. A larger drop moves the mean only as far as a tolerated one would."""

EXPLAINED_VARIANCE_BY_PROGRESS = ((0.1, -0.5), (0.25, -0.2), (0.75, 0.0), (1.0, 0.1))
"""Pairs of a share of the run and the explained variance that is required until then."""

HEAD_ENTROPY_BOUNDS = dict.fromkeys(HEADS, 0.08) | {"slot": 0.10, "blueprint": 0.05, "tempo": 0.05}
"""The lowest entropy of each head, as a share of that of a uniform choice among the legal ones."""

OWN_HEAD_ENTROPY_BOUND = 0.08
"""The same for the heads that a run declares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyRule:
    """When a kind of anomaly begins and when it is over.

    `quantities` are payload fields or names of `DERIVED_QUANTITIES`; the worst finite value counts. The
    anomaly begins when that value has been beyond `bound` (above it, or below it if `below`) for `updates`
    updates in a row. It is over when the value has been within `bound * clears`, or within `bound / clears`
    where large values are bad, for `calm` updates in a row. `by_progress` replaces the bound by pairs of a
    share of the run and the bound until then.

    With `fall`, the value must also have fallen by that much within `COLLAPSE_WITHIN` updates, or be below
    `floor`. `witness` is a payload field that must be beyond its warning bound, too, unless it was not
    measured. `escalation` is the number of updates for which telemetry is raised to DEBUG.
    """

    kind: str
    quantities: tuple[str, ...]
    severity: Literal["warning", "critical"] = "critical"
    below: bool = False
    bound: float | None = None
    by_progress: tuple[tuple[float, float], ...] = ()
    updates: int = 1
    clears: float = 1.0
    calm: int = 3
    fall: float | None = None
    floor: float | None = None
    witness: str | None = None
    escalation: int = 5
    head: str | None = None

    def bound_at(self, progress: float) -> float:
        """Return the bound at a share of the run between 0 and 1."""
        for until, bound in self.by_progress:
            if progress <= until:
                return bound
        if self.by_progress:
            return self.by_progress[-1][1]
        return self.bound if self.bound is not None else self._catalogued()

    def is_beyond(self, value: float, bound: float) -> bool:
        """Return whether a finite value is on the bad side of a bound."""
        return value < bound if self.below else value > bound

    def clearing(self, bound: float) -> float:
        """Return the bound that a value must be within for the anomaly to be over."""
        return bound * self.clears if self.below else bound / self.clears

    def is_witnessed(self, value: float | None) -> bool:
        """Return whether the value of `witness` confirms the anomaly, or is missing."""
        if self.witness is None or value is None or not isfinite(value):
            return True
        bands = CATALOGUE[self.witness].metric.bands
        return bands.is_warning(value) or bands.is_critical(value)

    def _catalogued(self) -> float:
        bands = CATALOGUE[self.quantities[0]].metric.bands
        bound = bands.critical_below if self.below else bands.critical_above
        assert bound is not None, self.kind
        return bound


DERIVED_QUANTITIES = (
    "not_finite",
    "value_spread",
    "explained_variance",
    "gradient_drift",
    "return_drop",
)
"""How many values are not finite; `value_std` over `return_std`; the explained variance, where returns vary;
how many times larger or smaller than its running mean the gradient norm is; and the drop of the mean return
below its running mean, in units of the tolerated one."""


def _all_heads(family: str) -> tuple[str, ...]:
    return tuple(head_field(head, family) for head in HEADS)


ANOMALY_RULES: tuple[AnomalyRule, ...] = (
    AnomalyRule(kind="numerical_instability", quantities=("not_finite",), bound=0.0, escalation=10),
    AnomalyRule(
        kind="entropy_collapse",
        quantities=("entropy_normalized",),
        below=True,
        clears=1.5,
        fall=COLLAPSE_FALL,
        floor=DETERMINISTIC,
    ),
    AnomalyRule(kind="kl_spike", quantities=("kl_divergence",), bound=0.1),
    AnomalyRule(
        kind="ratio_explosion", quantities=_all_heads("ratio_max"), bound=5.0, witness="kl_divergence"
    ),
    AnomalyRule(
        kind="ratio_collapse",
        quantities=_all_heads("ratio_min"),
        below=True,
        bound=0.1,
        witness="kl_divergence",
    ),
    AnomalyRule(
        kind="low_explained_variance",
        quantities=("explained_variance",),
        severity="warning",
        below=True,
        by_progress=EXPLAINED_VARIANCE_BY_PROGRESS,
        updates=3,
        escalation=3,
    ),
    AnomalyRule(
        kind="value_collapse", quantities=("value_spread",), below=True, bound=0.1, updates=3, clears=1.5
    ),
    AnomalyRule(kind="value_explosion", quantities=("value_loss",)),
    AnomalyRule(
        kind="gradient_drift",
        quantities=("gradient_drift",),
        severity="warning",
        bound=GRADIENT_DRIFT,
        updates=3,
        escalation=2,
    ),
    AnomalyRule(kind="lstm_explosion", quantities=("lstm_cell_rms",), bound=LSTM_CELL_BOUND, clears=1.5),
    AnomalyRule(kind="lstm_vanishing", quantities=("lstm_hidden_rms", "lstm_cell_rms"), below=True),
    AnomalyRule(
        kind="lstm_saturation",
        quantities=(
            "lstm_input_gate_saturation",
            "lstm_forget_gate_saturation",
            "lstm_output_gate_saturation",
        ),
        severity="warning",
        updates=3,
        escalation=3,
    ),
    *(
        AnomalyRule(
            kind="head_entropy_collapse",
            quantities=(head_field(head, "entropy_legal"),),
            below=True,
            bound=bound,
            updates=3,
            clears=1.5,
            fall=COLLAPSE_FALL,
            head=head,
        )
        for head, bound in HEAD_ENTROPY_BOUNDS.items()
    ),
    AnomalyRule(
        kind="performance_degradation",
        quantities=("return_drop",),
        severity="warning",
        bound=1.0,
        updates=3,
        escalation=3,
    ),
)
"""One rule per kind of anomaly, or per kind and head."""


def anomaly_rules(heads: Iterable[HeadSpec]) -> tuple[AnomalyRule, ...]:
    """Return the rules for a policy with these heads of its own; for those of Tamiyo if there are none."""
    specs = tuple(heads)
    if not specs:
        return ANOMALY_RULES
    common = [rule for rule in ANOMALY_RULES if rule.head is None]
    return (*[_of_own_heads(rule, specs) for rule in common], *_collapse_rules(specs))


def _of_own_heads(rule: AnomalyRule, heads: Iterable[HeadSpec]) -> AnomalyRule:
    """Return a rule about the ratios of all heads with those of own heads; any other rule as it is."""
    for family in ("ratio_max", "ratio_min"):
        if rule.quantities == _all_heads(family):
            return replace(rule, quantities=tuple(own_quantity(spec.name, family) for spec in heads))
    return rule


def _collapse_rules(heads: Iterable[HeadSpec]) -> Iterator[AnomalyRule]:
    of_tamiyo = next(rule for rule in ANOMALY_RULES if rule.kind == "head_entropy_collapse")
    for spec in heads:
        quantity = own_quantity(spec.name, "entropy_legal")
        yield replace(of_tamiyo, quantities=(quantity,), bound=OWN_HEAD_ENTROPY_BOUND, head=spec.name)
