"""The quantities that watches look at beside the fields of a payload."""

RELATIVE = (
    "value_spread",
    "value_error",
    "value_loss_growth",
    "kl_size",
    "kl_growth",
    "kl_without_clips",
    "gradient_growth",
    "entropy_of_start",
    "policy_entropy_fall",
    "undefined_variance",
    "explained_returns",
    "best_explained_variance",
    "value_gradient",
    "advantage_reversal",
    "unseen_kl",
)
"""What follows from an update and those before it.

`value_std` over `return_std`; the mean squared error of the values over the variance of the returns;
`value_loss` over its usual level; the magnitude of the KL divergence, which an
estimator may give as negative, over its own usual level where it is large, and where nothing was clipped;
the gradient norm before clipping over its usual level; the entropy over that of the start, for a policy whose
largest entropy is not known; the factor by which the entropy of a policy that explored has fallen within
`FALL_WITHIN` updates; 1 where the explained variance is NaN; the explained variance where the value loss is
not negligible; the best explained variance so far; the gradient of the critic, as a norm or a
share; the sum by which `advantage_correlation` was negative in updates that could learn something; and
`kl_final` where the minibatches saw no change of the policy.
"""

SIZES = frozenset({"kl_size", "kl_without_clips", "explained_returns", "unseen_kl"})
"""Those of `RELATIVE` that are in the unit of the metric from which they follow."""

ENTROPY_FALL = "entropy_fall"
"""The factor by which the entropy of a head that was not low has fallen within `FALL_WITHIN` updates."""

FALL_WITHIN = 3
FALL_FROM = 0.1
"""Learning makes a head sure over tens of updates; a head that is sure within a few has not learnt it. An
entropy below this share of its maximum was low before, and varies by large factors."""

OF_ROLLOUTS = (
    "mean_return",
    "return_spread",
    "lost_return",
    "baseline_lead",
    "kept_return",
    "return_change",
)
"""The mean return; its spread over the environments; by how many tolerances it has fallen below its best
level; by how much it exceeds that of always choosing WAIT; which share of its gain since the first one it has
kept; and its relative change since the rollout before."""

NOT_FINITE: dict[str, str] = {
    "mean_return": "reward_not_finite",
    "policy_loss": "loss_not_finite",
    "value_loss": "loss_not_finite",
    "entropy_normalized": "loss_not_finite",
    "kl_divergence": "kl_not_finite",
    "grad_norm": "gradient_not_finite",
    "grad_norm_pre_clip": "gradient_not_finite",
}
"""The symptom that a value of a quantity is if it is not finite; for others, `OTHER_NOT_FINITE`."""

OTHER_NOT_FINITE = "not_finite"
