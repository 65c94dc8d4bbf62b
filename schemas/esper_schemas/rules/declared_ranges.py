"""Values that the definition of a metric rules out: no rule reads them as if they were measured.

An explained variance above 1 or a negative value loss is not a large or a small one: it is another quantity,
in another unit, with another sign, or from another estimator.
"""

import math
from collections.abc import Collection, Mapping

from msgspec import Struct
from msgspec.structs import replace

from esper_schemas.aliases.alias import EXACT, EXACT_OR_K2, K2, K3
from esper_schemas.declarations import HeadSpec
from esper_schemas.metrics.catalogue import CATALOGUE, MetricField
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.policy_heads import OWN_FAMILIES, measured_heads, own_field
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.watched_row import FINITE, Bounds
from esper_schemas.rules.watches import IMPLAUSIBLE

ROUNDING = 1e-6
ROUNDING_OF_KL = 1e-3
"""Values this far beyond a bound are rounded ones; half precision rounds each term of an estimated KL."""

ROUNDING_OF_ENTROPY = 0.01
"""The same for the largest entropy of a head, as a share of it."""

NEVER_NEGATIVE = frozenset({K2, K3, EXACT, EXACT_OR_K2})
"""Definitions of the KL divergence that give no negative value; k1, the mean log-ratio, may be negative."""

OF_DENSITIES = ("entropy", "log_prob_min", "log_prob_max")
"""Metrics without a bound for a policy with continuous actions, whose probabilities are densities."""

KL = "kl_divergence"


class Definitions(Struct, frozen=True):
    """What a run says of its metrics: its own heads, and the definition of a metric that its trainer uses."""

    heads: Collection[HeadSpec] = ()
    conventions: Mapping[str, str] = {}


UNKNOWN = Definitions()


def declared_range(field: MetricField) -> Bounds:
    """Return the values that a metric can have, in the unit of the field."""
    metric = field.metric
    low, high = metric.minimum, metric.maximum
    if metric.share_of_maximum:
        high = field.maximum * (1.0 + ROUNDING_OF_ENTROPY)
    rounding = ROUNDING_OF_KL if field.name.endswith(KL) else ROUNDING
    return (FINITE[0] if low is None else low - rounding, FINITE[1] if high is None else high + rounding)


RANGES: dict[str, Bounds] = {
    name: bounds for name, field in CATALOGUE.items() if (bounds := declared_range(field)) != FINITE
}
"""The ranges of the metrics that have one."""


def range_text(low: float, high: float) -> str:
    """Return a range in words, without the tolerance for rounding."""
    least, most = (f"{round(bound, 2) + 0.0:g}" for bound in (low, high))  # not -0
    if high >= FINITE[1]:
        return f"at least {least}"
    return f"at most {most}" if low <= FINITE[0] else f"between {least} and {most}"


def own_head_ranges(spec: HeadSpec) -> dict[str, Bounds]:
    """Return the ranges of the measurements of one of a run's own heads, by family.

    The entropy of a head of unknown size has none, as it may be that of a density; neither has its KL
    divergence, whose estimator is not known.
    """
    return {family: declared_range(own_field(spec, family)) for family in OWN_FAMILIES if family != KL}


def without_implausible(
    streaks: Streaks,
    update: int,
    payload: PPOUpdatePayload,
    definitions: Definitions,
) -> PPOUpdatePayload:
    """Return a payload without the values outside of their ranges, which extend streaks of their metrics."""
    values = [(name, getattr(payload, name), *bounds) for name, bounds in RANGES.items()]
    outside = {name: value for name, value, low, high in values if is_outside(value, low, high)}
    if outside:
        for name in _without_range(payload, definitions) & outside.keys():
            del outside[name]
    for name, value in outside.items():
        extend(streaks, name, CATALOGUE[name].head, update, value, RANGES[name])
    return replace(payload, **dict.fromkeys(outside)) if outside else payload


def extend(streaks: Streaks, name: str, head: str | None, update: int, value: float, bounds: Bounds) -> None:
    """Add an implausible value to the streak of its metric."""
    streaks.extend((IMPLAUSIBLE, name), head, update, float(value), below=value < bounds[0])


def is_outside(value: float | None, low: float, high: float) -> bool:
    """Return whether a finite value is outside of a range."""
    return value is not None and not low <= value <= high and math.isfinite(value)


def _without_range(payload: PPOUpdatePayload, definitions: Definitions) -> set[str]:
    """Return the metrics whose range does not hold in a run, or is not known to hold."""
    free = {name for name in RANGES if name.endswith(KL)}
    if definitions.conventions.get(KL) in NEVER_NEGATIVE:
        free.discard(KL)
    sizes = [spec.size for spec in definitions.heads]
    discrete = None not in sizes if sizes else bool(measured_heads(payload))
    return free if discrete else free | set(OF_DENSITIES)
