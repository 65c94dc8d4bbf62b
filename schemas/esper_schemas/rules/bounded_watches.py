"""The bounds of the watches: those of a table of metrics, or their own."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import MetricField, head_field
from esper_schemas.metrics.metric import Bands
from esper_schemas.policy_heads import own_quantity, shared_metric
from esper_schemas.rules.watch import NO_LEVELS, BoundedWatch, Levels, Watch
from esper_schemas.rules.watches import WATCHES


def bounded_watches(
    quantities: Mapping[str, MetricField], levels: Mapping[str, Levels] = NO_LEVELS
) -> Iterator[BoundedWatch]:
    """Yield each watch of each field, with the bounds that a table of metrics gives it.

    `levels` are those that a project gives, by the names of watches; they take precedence.
    """
    for watch in WATCHES:
        for head in HEADS if watch.per_head else (None,):
            named = watch.bands_of or watch.quantity
            bands = quantities[_field(head, named)].metric.bands if _needs_bands(watch) else Bands()
            metric, only_where = _field(head, watch.quantity), _field(head, watch.only_where)
            yield _at_levels(_bounded(watch, head, bands, metric, only_where), levels)


def own_head_watches(
    spec: HeadSpec, quantities: Mapping[str, MetricField], levels: Mapping[str, Levels] = NO_LEVELS
) -> Iterator[BoundedWatch]:
    """Yield each watch of one of a run's own heads, with its levels, or the bounds of a table of metrics.

    The bands of `entropy` are about shares of the maximum, even where the size of the head is not known.
    `only_where` is a field of the head's measurements.
    """
    for watch in WATCHES:
        if watch.per_head:
            family = watch.bands_of or watch.quantity
            bands = shared_metric(spec, family, quantities).bands if _needs_bands(watch) else Bands()
            metric = own_quantity(spec.name, watch.quantity)
            yield _at_levels(_bounded(watch, spec.name, bands, metric, watch.only_where), levels)


def _at_levels(bounded: BoundedWatch, levels: Mapping[str, Levels]) -> BoundedWatch:
    """Return a watch at the levels that a project gives; a watch with one level only has that one moved."""
    given = levels.get(bounded.name)
    if given is None:
        return bounded
    critical = bounded.critical if given.critical is None else given.critical
    kept = critical if bounded.warning == bounded.critical else bounded.warning
    return replace(bounded, warning=kept if given.warning is None else given.warning, critical=critical)


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
