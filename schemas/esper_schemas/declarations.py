"""What a run declares of itself: its action heads, its own metrics, and its thresholds."""

from typing import Literal

import msgspec


class HeadSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action head of a policy.

    `size` is the number of choices, None for a continuous head, whose entropy is differential and may be
    negative. `entropy_coefficient` is the factor of the head's entropy bonus beside the other heads.
    `choices` are the names of the choices, for recorded decisions.
    """

    name: str
    size: int | None = None
    entropy_coefficient: float = 1.0
    choices: tuple[str, ...] = ()


class MetricSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A metric of the run's own, as `Telemetry.define` describes it.

    Values beyond a bound are a warning or critical; a bound that is None is never crossed. `good` is the
    direction in which the metric should move, `precision` the number of decimals that are shown, and
    `over_ranks` how the values of several ranks become one.
    """

    name: str
    unit: str = ""
    meaning: str = ""
    critical_below: float | None = None
    warning_below: float | None = None
    warning_above: float | None = None
    critical_above: float | None = None
    good: Literal["rising", "falling", "neither"] = "neither"
    precision: int = 3
    over_ranks: Literal["mean", "max", "min", "sum"] = "mean"


class RunThresholds(msgspec.Struct, frozen=True, omit_defaults=True):
    """Thresholds that replace those of the catalogue and of the rules, for a run or for a viewer of runs.

    `text` is TOML, `heads` are the names of the run's own heads, which it may name. `problem` is why a text
    that was given cannot be used, in which case `text` is empty.
    """

    text: str = ""
    heads: tuple[str, ...] = ()
    problem: str = ""
