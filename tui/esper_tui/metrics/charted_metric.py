"""Any number that has a series as a chart shows it: its name, its bounds and its precision."""

from dataclasses import fields
from typing import NamedTuple

from esper_schemas.metrics.catalogue import QUANTITIES, MetricField
from esper_schemas.metrics.metric import Bands, Metric
from esper_schemas.policy_heads import split_own
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.chart import Reference
from esper_tui.metrics.own_scalar import scalar_metric
from esper_tui.text.choice_names import head_label
from esper_tui.text.spans import clean

_OF_RUN = {
    MEAN_RETURN: ("Return", 3),
    "std_return": ("Return std", 3),
    "mean_length": ("Episode length", 1),
    "mean_accuracy": ("Host accuracy", 3),
    "steps_per_second": ("Speed", 0),
    "env_steps_total": ("Env steps", 0),
}
"""The results of rollouts that are no metrics of the catalogue: their labels and decimals."""
RUN_SERIES = tuple(_OF_RUN)
"""The names of these results."""
OWN_PRECISION = 4
_BOUNDS = tuple(field.name for field in fields(Bands) if field.name != "inclusive")


class ChartedMetric(NamedTuple):
    """A label, the bounds of the values as they are drawn, the decimals and the unit."""

    label: str
    bands: Bands = Bands()
    precision: int = OWN_PRECISION
    unit: str = ""


def charted_metric(snapshot: SanctumSnapshot, name: str) -> ChartedMetric:
    """Describe a metric of the catalogue, a result of rollouts or one of the run's own scalars."""
    if name in _OF_RUN:
        return ChartedMetric(_OF_RUN[name][0], precision=_OF_RUN[name][1])
    if name in snapshot.scalars or name in snapshot.metric_specs:
        spec = snapshot.metric_specs.get(name)
        described = _of_metric(scalar_metric(name, spec))
        return described if spec else described._replace(precision=OWN_PRECISION)
    if name in QUANTITIES or split_own(name):
        return _of_field(metric_field(snapshot.tamiyo, name))
    return ChartedMetric(clean(name))


def baseline_of(snapshot: SanctumSnapshot) -> tuple[Reference, ...]:
    """The return of always choosing WAIT, as a line in the chart of the return."""
    baseline = snapshot.run.baseline_return
    return () if baseline is None else (Reference("WAIT", baseline),)


def _of_field(field: MetricField) -> ChartedMetric:
    """The bounds of a share of a maximum are those of the share, but the values are drawn undivided."""
    described = _of_metric(field.metric)
    if field.head is not None:
        described = described._replace(label=f"{described.label} {head_label(field.head)}")
    return described._replace(bands=_scaled(described.bands, field.maximum))


def _of_metric(metric: Metric) -> ChartedMetric:
    return ChartedMetric(metric.label, metric.bands, metric.precision, metric.unit)


def _scaled(bands: Bands, factor: float) -> Bands:
    if factor == 1.0:
        return bands
    bounds = {bound: getattr(bands, bound) for bound in _BOUNDS}
    scaled = {bound: None if value is None else value * factor for bound, value in bounds.items()}
    return Bands(**scaled, inclusive=bands.inclusive)
