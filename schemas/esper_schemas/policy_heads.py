"""The action heads of a policy: Tamiyo's eight, or those that a run declares, through one set of functions.

The measurements of Tamiyo's heads are flat fields (`head_op_entropy`), those of a run's own heads are in
`heads`. A quantity of one head has a name in both cases: `head_op_entropy` or `heads/move/entropy`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from math import log
from typing import get_args, get_type_hints

from esper_schemas.aliases import HEADS_PREFIX
from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import ENTROPY_COEFFICIENT_MULTIPLIERS, HEAD_ENUMS
from esper_schemas.metrics.catalogue import HEAD_FAMILIES, QUANTITIES, MetricField, head_field
from esper_schemas.metrics.metric import Bands, Metric
from esper_schemas.payload import HeadMeasures, PPOMetrics
from esper_schemas.state import TamiyoState

TAMIYO_HEADS: tuple[HeadSpec, ...] = tuple(
    HeadSpec(
        name=head,
        size=len(choices),
        entropy_coefficient=ENTROPY_COEFFICIENT_MULTIPLIERS[head],
        choices=tuple(choice.name.lower() for choice in choices),
    )
    for head, choices in HEAD_ENUMS.items()
)
"""The heads of a run that declares none."""

TAMIYO_SPECS: dict[str, HeadSpec] = {spec.name: spec for spec in TAMIYO_HEADS}

OWN_FAMILIES: dict[str, Metric] = {
    name: next(item for item in get_args(hint) if isinstance(item, Metric))
    for name, hint in get_type_hints(HeadMeasures, include_extras=True).items()
}
"""The metrics that are measured for each of a run's own heads, by family."""

_LARGEST_SIZE = 2**63


def heads_of(state: TamiyoState) -> tuple[HeadSpec, ...]:
    """Return the heads of a run, in their order."""
    return state.head_specs or TAMIYO_HEADS


def families_of(state: TamiyoState) -> tuple[str, ...]:
    """Return the quantities that the heads of a run may have; "std" only if one of them has it."""
    has_std = any(measures.std is not None for measures in state.heads.values())
    return (*HEAD_FAMILIES, "std") if has_std else HEAD_FAMILIES


def head_spec(state: TamiyoState, head: str) -> HeadSpec:
    """Return the description of one head; one of unknown size for a head that the run does not have."""
    for spec in state.head_specs:
        if spec.name == head:
            return spec
    return TAMIYO_SPECS.get(head) or HeadSpec(head)


def is_own(spec: HeadSpec) -> bool:
    """Return whether a head is not one of Tamiyo's, although it may have the name of one."""
    return TAMIYO_SPECS.get(spec.name) != spec


def max_entropy(spec: HeadSpec) -> float | None:
    """Return the entropy of a uniform choice, in nats; None for a head without a finite choice."""
    size = spec.size
    return log(size) if size is not None and 1 < size < _LARGEST_SIZE else None


def entropy_share(measures: HeadMeasures, maximum: float | None) -> float | None:
    """Return an entropy over that of a uniform choice among the legal ones; without masks, among all.

    `maximum` is the largest entropy of the head. None if the share was not measured and is not known.
    """
    if measures.entropy_legal is not None or measures.entropy is None or maximum is None:
        return measures.entropy_legal
    return measures.entropy / maximum


def own_quantity(head: str, family: str) -> str:
    """Return the name of a quantity of one of a run's own heads."""
    return f"{HEADS_PREFIX}{head}/{family}"


def head_quantity(state: TamiyoState, head: str, family: str) -> str:
    """Return the name of a quantity of one head; Tamiyo's have no flat field for "std"."""
    if family not in HEAD_FAMILIES or (state.head_specs and is_own(head_spec(state, head))):
        return own_quantity(head, family)
    return head_field(head, family) if head in TAMIYO_SPECS else own_quantity(head, family)


def head_value(state: TamiyoState, head: str, family: str) -> float | None:
    """Return a quantity of one head; None if it was not measured."""
    return quantity_value(state, head_quantity(state, head, family))


def quantity_value(metrics: PPOMetrics, name: str) -> float | None:
    """Return the value of a quantity by its name; `metrics` is a payload or the learner's state."""
    split = split_own(name)
    if split is None:
        value: float | None = getattr(metrics, name, None)
        return value
    measures: dict[str, HeadMeasures] = getattr(metrics, "heads", {})
    return getattr(measures.get(split[0]), split[1], None)


def split_own(name: str) -> tuple[str, str] | None:
    """Return head and family of the name of an own head's quantity; None for any other name."""
    if not name.startswith(HEADS_PREFIX):
        return None
    head, slash, family = name.removeprefix(HEADS_PREFIX).rpartition("/")
    return (head, family) if slash and family in OWN_FAMILIES else None


def measured_own(state: TamiyoState) -> tuple[str, ...]:
    """Return the names of all quantities of own heads that the last update measured."""
    return tuple(
        own_quantity(head, family)
        for head, measures in state.heads.items()
        for family in OWN_FAMILIES
        if getattr(measures, family) is not None
    )


def measured_heads(metrics: PPOMetrics, names: Iterable[str] = TAMIYO_SPECS) -> list[HeadSpec]:
    """Return those of Tamiyo's heads of which a payload has any measurement."""
    return [
        TAMIYO_SPECS[head]
        for head in names
        if any(getattr(metrics, head_field(head, family)) is not None for family in HEAD_FAMILIES)
    ]


def is_any_measured(state: TamiyoState) -> bool:
    """Return whether the last update measured anything of any head."""
    return bool(state.heads or measured_heads(state))


def own_field(spec: HeadSpec, family: str, quantities: Mapping[str, MetricField] = QUANTITIES) -> MetricField:
    """Return the metric of a quantity of one own head.

    A table of a project may have the quantity itself, or the family of all heads ("head_entropy").
    """
    if quantities is QUANTITIES:
        return _default_field(spec, family)
    return _own_field(spec, family, shared_metric(spec, family, quantities))


def shared_metric(spec: HeadSpec, family: str, quantities: Mapping[str, MetricField]) -> Metric:
    """Return the metric of a family before it is given the maximum of a head."""
    given = quantities.get(own_quantity(spec.name, family)) or quantities.get(head_family(family))
    return given.metric if given else OWN_FAMILIES[family]


def head_family(family: str) -> str:
    """Return the name of a quantity of all heads at once."""
    return f"head_{family}"


@lru_cache(maxsize=4096)
def _default_field(spec: HeadSpec, family: str) -> MetricField:
    return _own_field(spec, family, OWN_FAMILIES[family])


def _own_field(spec: HeadSpec, family: str, metric: Metric) -> MetricField:
    """Give a metric the maximum of a head; without one, an entropy has no bounds and may be negative."""
    name = own_quantity(spec.name, family)
    if not metric.share_of_maximum:
        return MetricField(name, metric, None, spec.name)
    maximum = max_entropy(spec)
    if maximum is None:
        unbounded = replace(metric, bands=Bands(), minimum=None, share_of_maximum=False)
        return MetricField(name, unbounded, None, spec.name)
    return MetricField(name, metric, None, spec.name, maximum)
