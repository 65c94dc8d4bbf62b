"""The watches: quantities whose values beyond a bound are symptoms, as data.

The bounds are those of the catalogue, or a project's overrides, moved outwards where healthy runs cross them
now and then (`factor`, `power`). Quantities without bands in the catalogue have their bounds here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import MetricField, head_field
from esper_schemas.metrics.metric import Bands
from esper_schemas.policy_heads import own_quantity, shared_metric

GAP = 3
"""A streak goes on over at most this many updates in a row without a value beyond its bound."""


FLAT_RETURNS = "flat_returns"
FLAT_SPREAD = 1e-9
"""The spread of the returns of a rollout up to which they are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One side of a quantity on which its values are symptoms.

    `quantity` is a field of the payload, or one of `RELATIVE` or `OF_ROLLOUTS`; with `per_head`, it is a
    family of fields. Values above the bounds are symptoms, or below them if `below`; `text` describes one in
    a chain of evidence. Unless the watch has bounds of its own, in the unit of the field, they are those of
    the catalogue, changed to `(bound * factor) ** power`; with `only_critical`, the critical bound is also
    the warning one. `bands_of` names another family that has the bands. `only_where` names a family of
    fields that must be above 0 for the head. With `only_own`, it is only about heads that a run declares.
    """

    name: str
    quantity: str
    text: str
    below: bool = False
    warning: float | None = None
    critical: float | None = None
    factor: float = 1.0
    power: float = 1.0
    only_critical: bool = False
    bands_of: str = ""
    per_head: bool = False
    only_where: str = ""
    only_own: bool = False


RELATIVE = ("value_spread", "value_loss_growth")
"""`value_std` over `return_std`, and `value_loss` over its baseline level."""

ENTROPY_FALL = "entropy_fall"
"""The factor by which the entropy of a head that was not low has fallen within `FALL_WITHIN` updates."""

FALL_WITHIN = 3
FALL_FROM = 0.1
"""Learning makes a head sure over tens of updates; a head that is sure within a few has not learnt it. An
entropy below this share of its maximum was low before, and varies by large factors."""

OF_ROLLOUTS = ("mean_return", "return_spread", "lost_return", "baseline_lead")
"""The mean return; its spread over the environments; by how many tolerances it has fallen below its best
level; and by how much it exceeds that of always choosing WAIT."""

NOT_FINITE: dict[str, str] = {
    "mean_return": "reward_not_finite",
    "policy_loss": "loss_not_finite",
    "value_loss": "loss_not_finite",
    "entropy_normalized": "loss_not_finite",
    "kl_divergence": "loss_not_finite",
    "grad_norm": "gradient_not_finite",
    "grad_norm_pre_clip": "gradient_not_finite",
}
"""The symptom that a value of a quantity is if it is not finite; for others, `OTHER_NOT_FINITE`."""

OTHER_NOT_FINITE = "not_finite"

WATCHES: tuple[Watch, ...] = (
    Watch(name="large_kl", quantity="kl_divergence", text="KL divergence {value}"),
    Watch(name="no_kl", quantity="kl_divergence", text="KL divergence {value}", below=True, warning=1e-7),
    Watch(name="large_clip", quantity="clip_fraction", text="clip fraction {value}"),
    Watch(
        name="ratio_explosion",
        quantity="ratio_max",
        text="{head} ratio {value}",
        power=4.0,
        only_critical=True,
        per_head=True,
    ),
    Watch(
        name="ratio_collapse",
        quantity="ratio_min",
        text="{head} ratio down to {value}",
        below=True,
        power=4.0,
        only_critical=True,
        per_head=True,
    ),
    Watch(
        name="low_entropy",
        quantity="entropy_normalized",
        text="policy entropy {value} of its maximum",
        below=True,
    ),
    Watch(
        name="low_head_entropy",
        quantity="entropy_legal",
        text="{head} entropy {value} of its maximum",
        below=True,
        factor=0.4,
        only_critical=True,
        bands_of="entropy",
        per_head=True,
    ),
    Watch(
        name="head_entropy_fall",
        quantity=ENTROPY_FALL,
        text="{head} entropy fell by a factor of {value} within a few updates",
        critical=5.0,
        per_head=True,
        only_own=True,
    ),
    Watch(
        name="no_entropy_bonus",
        quantity="entropy_coefficient",
        text="entropy coefficient {value}",
        below=True,
        warning=1e-12,
    ),
    Watch(name="improbable_choice", quantity="log_prob_min", text="log-probability {value}", below=True),
    Watch(name="large_gradient", quantity="grad_norm_pre_clip", text="gradient norm {value} before clipping"),
    Watch(
        name="no_gradient",
        quantity="grad_norm_pre_clip",
        text="gradient norm {value}",
        below=True,
        critical=1e-6,
    ),
    Watch(
        name="head_without_gradient",
        quantity="grad_norm",
        text="{head} gradient norm {value}",
        below=True,
        factor=1e-5,
        only_critical=True,
        per_head=True,
        only_where="relevance",
    ),
    Watch(name="nan_gradient", quantity="nan_grad_count", text="{value} NaN entries in the gradient"),
    Watch(name="inf_gradient", quantity="inf_grad_count", text="{value} infinite entries in the gradient"),
    Watch(name="skipped_steps", quantity="skipped_steps", text="{value} optimiser steps skipped"),
    Watch(
        name="early_stop",
        quantity="epochs_completed",
        text="stopped in epoch {value}",
        below=True,
        warning=1.5,
    ),
    Watch(
        name="unexplained_returns",
        quantity="explained_variance",
        text="explained variance {value}",
        below=True,
        only_critical=True,
    ),
    Watch(name="large_value_loss", quantity="value_loss", text="value loss {value}"),
    Watch(
        name="value_loss_growth",
        quantity="value_loss_growth",
        text="value loss {value} times its baseline level",
        critical=10.0,
    ),
    Watch(
        name="flat_values",
        quantity="value_spread",
        text="values spread {value} times as much as returns",
        below=True,
        warning=0.1,
    ),
    Watch(
        name="flat_advantages",
        quantity="advantage_std",
        text="advantage spread {value}",
        below=True,
        warning=1e-6,
    ),
    Watch(
        name=FLAT_RETURNS,
        quantity="return_spread",
        text="spread of the environments' returns {value}",
        below=True,
        warning=FLAT_SPREAD,
    ),
    Watch(
        name="lost_return",
        quantity="lost_return",
        text="return fell by {value} times the tolerance below its best level",
        warning=1.0,
        critical=2.0,
    ),
    Watch(
        name="below_baseline",
        quantity="baseline_lead",
        text="return {value} compared to always choosing WAIT",
        below=True,
        warning=0.0,
    ),
    *(
        Watch(name="", quantity=quantity, text="")
        for quantity in ("mean_return", "policy_loss", "return_mean", "return_std", "value_mean", "grad_norm")
    ),
)
"""All watches; one without a name only reports values that are not finite."""

OWN_METRIC_ABOVE, OWN_METRIC_BELOW = "own_metric_above", "own_metric_below"
"""Symptoms of the run's own metrics, whose bounds the run gives."""

_OWN_METRICS = (
    Watch(name=OWN_METRIC_ABOVE, quantity="", text="{metric} {value}"),
    Watch(name=OWN_METRIC_BELOW, quantity="", text="{metric} {value}", below=True),
)

WATCH_NAMES: dict[str, Watch] = {watch.name: watch for watch in (*WATCHES, *_OWN_METRICS) if watch.name}


@dataclass(frozen=True, slots=True)
class BoundedWatch:
    """A watch of one field with its bounds, in the unit of the field.

    A value beyond `warning` is a symptom, a value beyond `critical` a critical one. A bound that is never
    crossed is infinite.
    """

    name: str
    metric: str
    head: str | None
    below: bool
    warning: float
    critical: float
    only_where: str = ""

    def is_beyond(self, value: float, bound: float) -> bool:
        """Return whether a value is beyond a bound."""
        return value < bound if self.below else value > bound


def bounded_watches(quantities: Mapping[str, MetricField]) -> Iterator[BoundedWatch]:
    """Yield each watch of each field, with the bounds that a table of metrics gives it."""
    for watch in WATCHES:
        if watch.only_own:
            continue
        for head in HEADS if watch.per_head else (None,):
            named = watch.bands_of or watch.quantity
            bands = quantities[_field(head, named)].metric.bands if _needs_bands(watch) else Bands()
            yield _bounded(watch, head, bands, _field(head, watch.quantity), _field(head, watch.only_where))


def own_head_watches(spec: HeadSpec, quantities: Mapping[str, MetricField]) -> Iterator[BoundedWatch]:
    """Yield each watch of one of a run's own heads, with the bounds that a table of metrics gives it.

    The bands of `entropy` are about shares of the maximum, even where the size of the head is not known.
    `only_where` is a field of the head's measurements.
    """
    for watch in WATCHES:
        if watch.per_head:
            family = watch.bands_of or watch.quantity
            bands = shared_metric(spec, family, quantities).bands if _needs_bands(watch) else Bands()
            metric = own_quantity(spec.name, watch.quantity)
            yield _bounded(watch, spec.name, bands, metric, watch.only_where)


def _needs_bands(watch: Watch) -> bool:
    return watch.warning is None and watch.critical is None and bool(watch.name)


def _bounded(watch: Watch, head: str | None, bands: Bands, metric: str, only_where: str) -> BoundedWatch:
    warning, critical = watch.warning, watch.critical
    if _needs_bands(watch):
        warning, critical = (_moved(watch, bound, bands) for bound in _side(watch, bands))
    never = -math.inf if watch.below else math.inf
    critical = never if critical is None else critical
    if watch.only_critical or warning is None:
        warning = critical
    return BoundedWatch(watch.name, metric, head, watch.below, warning, critical, only_where)


def _field(head: str | None, name: str) -> str:
    return head_field(head, name) if head and name else name


def _side(watch: Watch, bands: Bands) -> tuple[float | None, float | None]:
    if watch.below:
        return bands.warning_below, bands.critical_below
    return bands.warning_above, bands.critical_above


def _moved(watch: Watch, bound: float | None, bands: Bands) -> float | None:
    """Return the bound of a watch for that of a band; an inclusive bound becomes the last value within it."""
    if bound is None:
        return None
    try:
        moved: float = (bound * watch.factor) ** watch.power
    except OverflowError:  # a project's bound may be so large that nothing is beyond it
        return None
    if not bands.inclusive:
        return moved
    return math.nextafter(moved, math.inf if watch.below else -math.inf)
