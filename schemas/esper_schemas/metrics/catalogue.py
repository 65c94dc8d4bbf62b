"""The table of all measured and derived quantities with their metrics, read from the types of the fields."""

from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from esper_schemas.heads import HEAD_MAX_ENTROPIES, HEADS
from esper_schemas.metrics import LossRatio
from esper_schemas.metrics.metric import Metric
from esper_schemas.payload import PPOMetrics
from esper_schemas.state import TamiyoState


@dataclass(frozen=True, slots=True)
class MetricField:
    """One field of the payload or the state; `head` is set if it is about one action head.

    The value is divided by `maximum` before its bands apply; it is 1 for most fields.
    """

    name: str
    metric: Metric
    default: float | None
    head: str | None = None
    maximum: float = 1.0

    @property
    def label(self) -> str:
        """The label of the metric, with the head if it is about one."""
        return f"{self.metric.label} {self.head.replace('_', ' ')}" if self.head else self.metric.label


def _head_of(name: str) -> str | None:
    matches = [head for head in HEADS if name.startswith(f"head_{head}_")]
    return max(matches, key=len, default=None)


def _field(name: str, annotation: Any, default: float | None) -> MetricField:
    metric = next(item for item in get_args(annotation) if isinstance(item, Metric))
    head = _head_of(name)
    maximum = HEAD_MAX_ENTROPIES[head] if head and metric.share_of_maximum else 1.0
    return MetricField(name, metric, default, head, maximum)


def _catalogue(of: type[PPOMetrics]) -> dict[str, MetricField]:
    """Return the fields of a type that carry a metric, in their order."""
    hints = get_type_hints(of, include_extras=True)
    defaults = of()
    carriers = (
        name
        for name in of.__struct_fields__
        if any(isinstance(item, Metric) for item in get_args(hints[name]))
    )
    return {name: _field(name, hints[name], getattr(defaults, name)) for name in carriers}


CATALOGUE: dict[str, MetricField] = _catalogue(PPOMetrics)
"""Measured quantities: payload field to metric, in the order of the payload."""

DERIVED: dict[str, MetricField] = {
    name: field for name, field in _catalogue(TamiyoState).items() if name not in CATALOGUE
} | {"loss_ratio": MetricField("loss_ratio", LossRatio, None)}
"""Derived quantities: the fields of the state that no trainer sends, and Lv/Lp."""

QUANTITIES: dict[str, MetricField] = CATALOGUE | DERIVED
"""All quantities that can be judged, by name."""

HEAD_FAMILIES: tuple[str, ...] = tuple(
    name.removeprefix(f"head_{HEADS[0]}_") for name, field in CATALOGUE.items() if field.head == HEADS[0]
)
"""The quantities that are measured for each head: "entropy", "ratio_max", ..."""


def head_field(head: str, family: str) -> str:
    """Return the payload field of a head's metric: `head_field("op", "entropy") == "head_op_entropy"`."""
    return f"head_{head}_{family}"


def per_head(metrics: PPOMetrics, family: str) -> dict[str, float | None]:
    """Return one metric of all heads, in the order of `HEADS`."""
    return {head: getattr(metrics, head_field(head, family)) for head in HEADS}
