"""Judgement of values, histories and heads by the bands of the catalogue. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import inf, isfinite

from esper_schemas.metrics.catalogue import QUANTITIES, MetricField
from esper_schemas.metrics.metric import Bands, Metric
from esper_schemas.policy_heads import (
    head_quantity,
    head_spec,
    head_value,
    is_own,
    max_entropy,
    measured_own,
    quantity_value,
)
from esper_schemas.run_metrics import metric_field
from esper_schemas.state import TamiyoState, Trend

UNDEFINED_POLICY_LOSS = 1e-10
"""Below this magnitude of the policy loss Lv/Lp has no meaning."""

TREND_WINDOW = 10
TREND_MINIMUM_WINDOW = 3
TREND_VOLATILE_VARIANCE_RATIO = 3.0

ROUNDING = 1e-9
"""The relative error of a change that is exactly the threshold of a trend, as of 1.2 - 1."""


class Health(StrEnum):
    """How a value compares with the bands of its metric."""

    WAITING = "waiting"
    NOT_MEASURED = "not measured"
    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    NOT_FINITE = "not finite"


def judge(metric: Metric, value: float | None, *, maximum: float = 1.0) -> Health:
    """Judge one value by its metric's bands.

    `maximum` is the largest possible value, for metrics whose bands apply to the share of it.
    """
    if value is None:
        return Health.NOT_MEASURED
    if not isfinite(value):
        return Health.NOT_FINITE
    value /= maximum
    if metric.bands.is_critical(value):
        return Health.CRITICAL
    return Health.WARNING if metric.bands.is_warning(value) else Health.OK


def judge_field(state: TamiyoState, name: str, quantities: Mapping[str, MetricField] | None = None) -> Health:
    """Judge one field of the learner's state, measured or derived; nothing is judged before the first update.

    `quantities` are the metrics to judge by, those with the bounds of the run by default.
    """
    if not state.ppo_data_received:
        return Health.WAITING
    field = metric_field(state, name, quantities)
    value = loss_ratio(state) if name == "loss_ratio" else quantity_value(state, name)
    health = judge(field.metric, value, maximum=field.maximum)
    if health is Health.OK and oscillates(state, name):
        return Health.WARNING
    return _judge_correlation(state, health, quantities) if name == "entropy_clip_correlation" else health


def oscillates(state: TamiyoState, name: str) -> bool:
    """Return whether a metric is the policy loss and oscillates, which is its warning in TELE-131."""
    return name == "policy_loss" and state.trends.get(name) is Trend.VOLATILE


def beyond_bounds(state: TamiyoState, quantities: Mapping[str, MetricField] | None = None) -> tuple[str, ...]:
    """The names of the metrics that are beyond their bounds now, or not finite; the worst first."""
    worst_first = (Health.NOT_FINITE, Health.CRITICAL, Health.WARNING)
    judged = {name: judge_field(state, name, quantities) for name in (*QUANTITIES, *measured_own(state))}
    return tuple(name for health in worst_first for name in judged if judged[name] is health)


def _judge_correlation(
    state: TamiyoState, health: Health, quantities: Mapping[str, MetricField] | None
) -> Health:
    """TELE-123: a concern only while the entropy is low, critical only while clips are many."""
    if health not in (Health.WARNING, Health.CRITICAL):
        return health
    if judge_field(state, "entropy_normalized", quantities) not in (Health.WARNING, Health.CRITICAL):
        return Health.OK
    clipped = judge_field(state, "clip_fraction", quantities) in (Health.WARNING, Health.CRITICAL)
    return health if clipped else Health.WARNING


def loss_ratio(state: TamiyoState) -> float | None:
    """Value loss over the magnitude of the policy loss (Lv/Lp); None where that is undefined."""
    value_loss, policy_loss = state.value_loss, state.policy_loss
    if not state.ppo_data_received or value_loss is None or policy_loss is None:
        return None
    return None if abs(policy_loss) < UNDEFINED_POLICY_LOSS else value_loss / abs(policy_loss)


def judge_loss_ratio(state: TamiyoState) -> Health:
    """Judge Lv/Lp by the bands of TELE-131 and TELE-132."""
    return judge_field(state, "loss_ratio")


def trend(history: Sequence[float | None], threshold: float) -> Trend:
    """Compare the mean of the newer half of a history with the older half's.

    Unknown below two windows of three finite values. Volatile if the variance has more than tripled.
    Otherwise rising or falling if the mean has changed by at least `threshold` times its magnitude.
    """
    values = [value for value in history if value is not None and isfinite(value)]
    window = min(TREND_WINDOW, len(values) // 2)
    if window < TREND_MINIMUM_WINDOW:
        return Trend.UNKNOWN
    older, recent = values[-2 * window : -window], values[-window:]
    before, now = _mean(older), _mean(recent)
    spread = _variance(older, before)
    if 1e-8 < spread < inf and _variance(recent, now) / spread > TREND_VOLATILE_VARIANCE_RATIO:
        return Trend.VOLATILE
    return _direction(before, now, threshold)


def _direction(older: float, recent: float, threshold: float) -> Trend:
    bound = threshold * abs(older) if older else 0.01
    change = recent - older
    if abs(change) < bound * (1.0 - ROUNDING):
        return Trend.STABLE
    return Trend.RISING if change > 0 else Trend.FALLING


def _mean(values: Sequence[float]) -> float:
    """The mean of finite values; it lies between them, however near the largest float they are."""
    total = sum(values)
    if isfinite(total):
        return total / len(values)
    mean = sum(value / len(values) for value in values)
    return min(max(mean, min(values)), max(values))


def _variance(values: Sequence[float], mean: float) -> float:
    """Population variance; infinite where squares overflow."""
    return sum([(offset := value - mean) * offset for value in values]) / len(values)


class HeadCondition(StrEnum):
    """The state of a head, as its entropy and its gradient show together (TELE-170, state synthesis).

    The values describe the state: none of them is a fault by itself.
    """

    WAITING = "waiting"
    NOT_MEASURED = "not measured"
    NOT_FINITE = "not finite"
    HEALTHY = "healthy"
    UNREMARKABLE = "unremarkable"
    DEAD = "no gradient"
    CONFUSED = "near uniform"
    DETERMINISTIC = "one choice"
    EXPECTED_DETERMINISTIC = "no choice"
    EXPLODING = "high gradient"


COLLAPSED_ENTROPY = 0.1
HEALTHY_ENTROPY = (0.3, 0.7)
CONFUSED_ENTROPY = 0.9
"""Bounds on a head's normalised entropy, for its condition."""


def head_condition(
    state: TamiyoState, head: str, quantities: Mapping[str, MetricField] | None = None
) -> HeadCondition:
    """Classify one head by its normalised entropy and the norm of its gradient.

    A value that is not finite takes precedence, then an exploding gradient, for which no entropy is needed.
    A head needs no gradient to be deterministic; a continuous one is never so.
    """
    if not state.ppo_data_received:
        return HeadCondition.WAITING
    entropy, gradient = head_value(state, head, "entropy"), head_value(state, head, "grad_norm")
    if not all(value is None or isfinite(value) for value in (entropy, gradient)):
        return HeadCondition.NOT_FINITE
    bands = metric_field(state, head_quantity(state, head, "grad_norm"), quantities).metric.bands
    if gradient is not None and bands.critical_above is not None and gradient > bands.critical_above:
        return HeadCondition.EXPLODING
    spec = head_spec(state, head)
    maximum = max_entropy(spec)
    share = None if entropy is None or maximum is None else entropy / maximum
    if is_own(spec) and (share is None or gradient is None):
        return _partly_measured(spec.size, share, entropy if gradient is None else gradient)
    if share is None or (gradient is None and share >= COLLAPSED_ENTROPY):
        return HeadCondition.NOT_MEASURED
    if gradient is None:
        return _collapsed(vanished=False, forced=_is_forced(state, head))
    return _condition(share, gradient, bands, _is_forced(state, head))


def _partly_measured(size: int | None, share: float | None, value: float | None) -> HeadCondition:
    """Classify an own head without a gradient or without a normalised entropy; `value` is what it has."""
    if size == 1:
        return HeadCondition.EXPECTED_DETERMINISTIC
    if share is not None and share < COLLAPSED_ENTROPY:
        return HeadCondition.DETERMINISTIC
    return HeadCondition.NOT_MEASURED if value is None else HeadCondition.UNREMARKABLE


def _is_forced(state: TamiyoState, head: str) -> bool:
    """Whether the head was relevant, but the masks never left it a choice.

    An own head without `entropy_legal` may simply have no masks.
    """
    if is_own(head_spec(state, head)):
        return head_value(state, head, "learnable_fraction") == 0.0
    return bool(head_value(state, head, "relevance")) and head_value(state, head, "entropy_legal") is None


def _condition(entropy: float, gradient: float, bands: Bands, forced: bool) -> HeadCondition:
    """`entropy` is normalised, `bands` are those of the gradient, which does not explode."""
    if entropy < COLLAPSED_ENTROPY:
        return _collapsed(vanished=bands.is_critical(gradient), forced=forced)
    ordinary = not bands.is_critical(gradient) and not bands.is_warning(gradient)
    if entropy > CONFUSED_ENTROPY and ordinary:
        return HeadCondition.CONFUSED
    low, high = HEALTHY_ENTROPY
    return HeadCondition.HEALTHY if low <= entropy <= high and ordinary else HeadCondition.UNREMARKABLE


def _collapsed(*, vanished: bool, forced: bool) -> HeadCondition:
    if forced:
        return HeadCondition.EXPECTED_DETERMINISTIC
    return HeadCondition.DEAD if vanished else HeadCondition.DETERMINISTIC
