"""The metrics of a run with the bounds that it gives itself."""

from collections.abc import Mapping

from esper_schemas.metrics.catalogue import MetricField
from esper_schemas.policy_heads import head_spec, own_field, split_own
from esper_schemas.rules.thresholds import thresholds_of
from esper_schemas.state import TamiyoState


def quantities_of(state: TamiyoState) -> Mapping[str, MetricField]:
    """Return all quantities with the bounds of the catalogue, or those of the run where it gives some."""
    return thresholds_of(state.thresholds).quantities


def metric_field(
    state: TamiyoState, name: str, quantities: Mapping[str, MetricField] | None = None
) -> MetricField:
    """Return the metric of any quantity, also of a run's own head. Raises `KeyError` for an unknown name.

    Its bounds are those of `quantities`, or else those of the run.
    """
    table = quantities_of(state) if quantities is None else quantities
    split = split_own(name)
    if split is None:
        return table[name]
    return own_field(head_spec(state, split[0]), split[1], table)
