"""The signs that several rules share, or that several of one rule make up."""

from esper_schemas.rules.rule import Sign

REWARD_NOT_FINITE = Sign("reward_not_finite")
LOSS_NOT_FINITE = Sign("loss_not_finite")
GRADIENT_FAULTS = (Sign("nan_gradient"), Sign("inf_gradient"), Sign("gradient_not_finite"))
LARGE_UPDATES = (
    Sign("huge_kl", critical=True),
    Sign("large_kl", 3, critical=True),
    Sign("huge_final_kl", critical=True),
    Sign("large_final_kl", 2, critical=True),
    Sign("kl_growth", 2, critical=True),
    Sign("large_clip", 3, critical=True),
)
LARGE_VALUE_LOSS = (Sign("value_loss_growth", 2, critical=True), Sign("value_error", 2, critical=True))
LOW_ENTROPY = (Sign("low_entropy", 2, critical=True), Sign("fallen_entropy", 2, critical=True))
NEAR_BEST = Sign("return_near_best")
NOT_KEPT = Sign("return_not_kept")
NO_SIGNAL = (
    Sign("flat_returns", 3),
    Sign("flat_advantages", 3),
    Sign("undefined_variance", 5),
    Sign("constant_return", 8),
)
EXTREME_RATIOS = (Sign("ratio_explosion", 2), Sign("ratio_collapse", 2))
ENTROPY_FALL = Sign("policy_entropy_fall", critical=True)
HEAD_ENTROPY_FALL = Sign("head_entropy_fall")
NO_GRADIENT = Sign("no_gradient", 3, critical=True)
NO_VALUE_GRADIENT = Sign("no_value_gradient", 3, critical=True)
NO_STEPS = Sign("skipped_steps")
OWN_METRIC_CRITICAL = (
    Sign("own_metric_above", 2, critical=True),
    Sign("own_metric_below", 2, critical=True),
)
