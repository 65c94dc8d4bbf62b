"""The description of a metric: its unit and meaning, when it is healthy, and how it is reduced.

A payload field carries its `Metric` in its type (`Annotated[float, Metric(...)]`), so that the trainer's
detector, the panels, the help and the docs share one definition.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Good(StrEnum):
    """The direction in which a metric should move."""

    RISING = "rising"
    FALLING = "falling"
    NEITHER = "neither"


class Reduction(StrEnum):
    """How several values of one metric are reduced to one."""

    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    SUM = "sum"
    LAST = "last"


class TelemetryLevel(IntEnum):
    """How much a trainer measures; each level includes the ones below it.

    OFF still measures faults and the fields that every payload has; DEBUG adds further kinds of events.
    """

    OFF = 0
    MINIMAL = 1
    NORMAL = 2
    DEBUG = 3


class Group(StrEnum):
    """The subject of a metric; panels show the metrics of a group together."""

    LOSSES = "losses"
    POLICY = "policy"
    HEADS = "heads"
    VALUE = "value"
    RETURNS = "returns"
    ADVANTAGES = "advantages"
    GRADIENTS = "gradients"
    LSTM = "lstm"
    TIMING = "timing"


BOUNDS = ("critical_below", "warning_below", "warning_above", "critical_above")
"""The bounds of `Bands`, from the lowest to the highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """The bounds beyond which a value is a warning or critical; `None` is never crossed.

    A value on a bound is beyond it only if `inclusive`.
    """

    critical_below: float | None = None
    warning_below: float | None = None
    warning_above: float | None = None
    critical_above: float | None = None
    inclusive: bool = False

    def is_critical(self, value: float) -> bool:
        """Return whether a finite value is beyond a critical bound."""
        return self._outside(value, self.critical_below, self.critical_above)

    def is_warning(self, value: float) -> bool:
        """Return whether a finite value is beyond a warning bound."""
        return self._outside(value, self.warning_below, self.warning_above)

    def _outside(self, value: float, below: float | None, above: float | None) -> bool:
        if self.inclusive:
            return (below is not None and value <= below) or (above is not None and value >= above)
        return (below is not None and value < below) or (above is not None and value > above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One measured quantity.

    `id` is the TELE record that specifies it, or empty. With `share_of_maximum`, the bands apply to the
    value divided by the largest possible one (a head's entropy by ln of its number of choices).
    `trend_threshold` is the relative change of a window's mean that counts as a trend. `advice` is what to
    do about a bad value, unless a rule of the diagnosis says it.
    """

    id: str = ""
    label: str
    group: Group
    unit: str
    meaning: str
    question: str
    advice: str = ""
    precision: int = 3
    minimum: float | None = None
    maximum: float | None = None
    bands: Bands = Bands()
    share_of_maximum: bool = False
    trend_threshold: float = 0.15
    good: Good = Good.NEITHER
    over_epochs: Reduction = Reduction.MEAN
    over_ranks: Reduction = Reduction.MEAN
    level: TelemetryLevel = TelemetryLevel.NORMAL


RATIO_BANDS = Bands(critical_below=0.5, warning_below=0.8, warning_above=1.2, critical_above=1.5)
FAULT_COUNT_BANDS = Bands(warning_above=0.0, critical_above=5.0)
