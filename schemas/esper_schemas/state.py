"""The state of the learner, Tamiyo: the metrics of the last update and their recent histories."""

from enum import StrEnum

from esper_schemas import metrics as m
from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.payload import HeadMeasures, PPOMetrics

HISTORY_LENGTH = 10
"""How many updates the `*_history` fields keep (TELE-131, TELE-132)."""

HISTORY_METRICS: tuple[str, ...] = (
    "policy_loss",
    "value_loss",
    "entropy",
    "kl_divergence",
    "clip_fraction",
    "explained_variance",
    "grad_norm",
)
"""The metrics that have a history, named `<metric>_history`, and a trend."""

History = tuple[float | None, ...]


class Trend(StrEnum):
    """The direction of a history; whether it is good depends on the metric."""

    UNKNOWN = "unknown"
    STABLE = "stable"
    RISING = "rising"
    FALLING = "falling"
    VOLATILE = "volatile"


class TamiyoState(PPOMetrics, frozen=True, kw_only=True, omit_defaults=True):
    """The metrics of the last update, flat, with short histories, oldest first.

    While `ppo_data_received` is false nothing was measured, and all values are defaults: those of the TELE
    records. After an update, what it did not measure is None. `heads` has the measurements of the run's own
    heads, `heads_previous` those of the update before. `head_specs` describes these heads, first the declared
    ones; it is empty for a run whose heads are those of Tamiyo. `thresholds` are those with which the run was
    folded, by which its values are judged as well.
    """

    policy_loss: m.PolicyLoss = 0.0
    value_loss: m.ValueLoss = 0.0
    joint_ratio_max: m.JointRatioMax = 1.0
    joint_ratio_min: m.JointRatioMin = 1.0

    head_op_ratio_max: m.HeadRatioMax = 1.0
    head_slot_ratio_max: m.HeadRatioMax = 1.0
    head_blueprint_ratio_max: m.HeadRatioMax = 1.0
    head_style_ratio_max: m.HeadRatioMax = 1.0
    head_tempo_ratio_max: m.HeadRatioMax = 1.0
    head_alpha_target_ratio_max: m.HeadRatioMax = 1.0
    head_alpha_speed_ratio_max: m.HeadRatioMax = 1.0
    head_alpha_curve_ratio_max: m.HeadRatioMax = 1.0

    head_op_ratio_min: m.HeadRatioMin = 1.0
    head_slot_ratio_min: m.HeadRatioMin = 1.0
    head_blueprint_ratio_min: m.HeadRatioMin = 1.0
    head_style_ratio_min: m.HeadRatioMin = 1.0
    head_tempo_ratio_min: m.HeadRatioMin = 1.0
    head_alpha_target_ratio_min: m.HeadRatioMin = 1.0
    head_alpha_speed_ratio_min: m.HeadRatioMin = 1.0
    head_alpha_curve_ratio_min: m.HeadRatioMin = 1.0

    head_op_entropy: m.HeadEntropy = 0.0
    head_slot_entropy: m.HeadEntropy = 0.0
    head_blueprint_entropy: m.HeadEntropy = 0.0
    head_style_entropy: m.HeadEntropy = 0.0
    head_tempo_entropy: m.HeadEntropy = 0.0
    head_alpha_target_entropy: m.HeadEntropy = 0.0
    head_alpha_speed_entropy: m.HeadEntropy = 0.0
    head_alpha_curve_entropy: m.HeadEntropy = 0.0

    ppo_data_received: bool = False
    ppo_updates_count: int = 0
    last_update: int = 0

    policy_loss_history: History = ()
    value_loss_history: History = ()
    entropy_history: History = ()
    kl_divergence_history: History = ()
    clip_fraction_history: History = ()
    explained_variance_history: History = ()
    grad_norm_history: History = ()
    trends: dict[str, Trend] = {}

    entropy_velocity: m.EntropyVelocity = None
    entropy_clip_correlation: m.EntropyClipCorrelation = None
    collapse_risk_score: m.CollapseRisk = None
    gradient_drift: m.GradientDrift = None

    head_op_grad_norm_prev: float | None = None
    head_slot_grad_norm_prev: float | None = None
    head_blueprint_grad_norm_prev: float | None = None
    head_style_grad_norm_prev: float | None = None
    head_tempo_grad_norm_prev: float | None = None
    head_alpha_target_grad_norm_prev: float | None = None
    head_alpha_speed_grad_norm_prev: float | None = None
    head_alpha_curve_grad_norm_prev: float | None = None

    head_nan_latch: dict[str, bool] = {}
    head_inf_latch: dict[str, bool] = {}

    heads: dict[str, HeadMeasures] = {}
    heads_previous: dict[str, HeadMeasures] = {}
    head_specs: tuple[HeadSpec, ...] = ()
    thresholds: RunThresholds = RunThresholds()
