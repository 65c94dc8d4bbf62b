"""The watches: quantities whose values beyond a bound are symptoms, as data.

The bounds are those of the catalogue, or a project's overrides, moved outwards where healthy runs cross them
now and then (`factor`, `power`). Quantities without bands in the catalogue have their bounds here.
"""

from esper_schemas.rules.quantities import ENTROPY_FALL
from esper_schemas.rules.watch import Watch

LARGE_CELL_STATE = 32.0
"""Healthy cell states exceed the catalogue's 10; in an episode of 64 steps none can exceed 64."""

FLAT_RETURNS = "flat_returns"
FLAT_SPREAD = 1e-9
"""The spread of the returns of a rollout up to which they are equal."""

WATCHES: tuple[Watch, ...] = (
    Watch(
        name="large_kl",
        quantity="kl_size",
        bands_of="kl_divergence",
        text="KL divergence {value}",
        factor=10 / 3,
    ),
    Watch(
        name="huge_kl",
        quantity="kl_size",
        bands_of="kl_divergence",
        text="KL divergence {value}",
        factor=100 / 3,
        only_critical=True,
    ),
    Watch(
        name="large_final_kl",
        quantity="kl_final",
        bands_of="kl_divergence",
        text="KL divergence after the last step {value}",
        factor=10.0,
        only_critical=True,
    ),
    Watch(
        name="huge_final_kl",
        quantity="kl_final",
        bands_of="kl_divergence",
        text="KL divergence after the last step {value}",
        factor=50.0,
        only_critical=True,
    ),
    Watch(
        name="unseen_kl",
        quantity="unseen_kl",
        text="KL divergence {value} after the last step, and 0 in all minibatches",
        warning=0.01,
    ),
    Watch(
        name="kl_growth",
        quantity="kl_growth",
        text="KL divergence {value} times its usual level",
        critical=10.0,
    ),
    Watch(name="no_kl", quantity="kl_without_clips", text="KL divergence {value}", below=True, warning=1e-7),
    Watch(name="large_clip", quantity="clip_fraction", text="clip fraction {value}", factor=5 / 3),
    Watch(
        name="ratio_explosion",
        quantity="ratio_max",
        text="{head} ratio {value}",
        power=4.0,
        only_critical=True,
        per_head=True,
    ),
    Watch(
        name="joint_ratio_explosion",
        quantity="joint_ratio_max",
        text="joint ratio {value}",
        factor=10 / 3,
        only_critical=True,
    ),
    Watch(
        name="ratio_collapse",
        quantity="ratio_min",
        text="{head} ratio down to {value}",
        below=True,
        power=4.0,
        only_critical=True,
        per_head=True,
    ),
    Watch(
        name="low_entropy",
        quantity="entropy_normalized",
        text="policy entropy {value} of its maximum",
        below=True,
    ),
    Watch(
        name="fallen_entropy",
        quantity="entropy_of_start",
        bands_of="entropy_normalized",
        text="policy entropy {value} of that at the start",
        below=True,
    ),
    Watch(
        name="policy_entropy_fall",
        quantity="policy_entropy_fall",
        text="policy entropy fell by a factor of {value} within a few updates",
        critical=10.0,
    ),
    Watch(
        name="low_head_entropy",
        quantity="entropy_legal",
        text="{head} entropy {value} of its maximum",
        below=True,
        factor=0.4,
        only_critical=True,
        bands_of="entropy",
        per_head=True,
    ),
    Watch(
        name="head_entropy_fall",
        quantity=ENTROPY_FALL,
        text="{head} entropy fell by a factor of {value} within a few updates",
        critical=7.0,
        per_head=True,
    ),
    Watch(
        name="no_entropy_bonus",
        quantity="entropy_coefficient",
        text="entropy coefficient {value}",
        below=True,
        warning=1e-12,
    ),
    Watch(name="improbable_choice", quantity="log_prob_min", text="log-probability {value}", below=True),
    Watch(
        name="gradient_growth",
        quantity="gradient_growth",
        text="gradient norm {value} times its usual level",
        warning=10.0,
        critical=30.0,
    ),
    Watch(
        name="no_gradient",
        quantity="grad_norm_pre_clip",
        text="gradient norm {value}",
        below=True,
        critical=1e-6,
    ),
    Watch(
        name="head_without_gradient",
        quantity="grad_norm",
        text="{head} gradient norm {value}",
        below=True,
        factor=1e-5,
        only_critical=True,
        per_head=True,
        only_where="relevance",
    ),
    Watch(
        name="large_lstm_cell",
        quantity="lstm_cell_rms",
        text="LSTM cell state {value}",
        critical=LARGE_CELL_STATE,
    ),
    Watch(
        name="small_lstm_cell",
        quantity="lstm_cell_rms",
        text="LSTM cell state {value}",
        below=True,
        only_critical=True,
    ),
    Watch(
        name="small_lstm_hidden",
        quantity="lstm_hidden_rms",
        text="LSTM hidden state {value}",
        below=True,
        only_critical=True,
    ),
    *(
        Watch(
            name="saturated_gate",
            quantity=f"lstm_{gate}_gate_saturation",
            text=f"share of saturated {gate} gates {{value}}",
            only_critical=True,
        )
        for gate in ("input", "forget", "output")
    ),
    Watch(name="nan_gradient", quantity="nan_grad_count", text="{value} NaN entries in the gradient"),
    Watch(name="inf_gradient", quantity="inf_grad_count", text="{value} infinite entries in the gradient"),
    Watch(name="skipped_steps", quantity="skipped_steps", text="{value} optimiser steps skipped"),
    Watch(
        name="early_stop",
        quantity="epochs_completed",
        text="stopped in epoch {value}",
        below=True,
        warning=1.5,
    ),
    Watch(
        name="unexplained_returns",
        quantity="explained_returns",
        text="explained variance {value}",
        below=True,
        warning=0.0,
        critical=-0.5,
    ),
    Watch(
        name="no_value_gradient",
        quantity="value_gradient",
        text="gradient of the critic {value}",
        below=True,
        critical=1e-12,
    ),
    Watch(
        name="never_explained",
        quantity="best_explained_variance",
        text="explained variance never above {value}",
        below=True,
        warning=0.1,
    ),
    Watch(
        name="undefined_variance",
        quantity="undefined_variance",
        text="explained variance is not a number, as all returns are equal",
        warning=0.5,
    ),
    Watch(
        name="returns_hardly_vary",
        quantity="return_variance_low",
        text="returns hardly vary",
        warning=0.5,
    ),
    Watch(
        name="value_error",
        quantity="value_error",
        text="squared error of the values {value} times the variance of the returns",
        warning=3.0,
        critical=10.0,
    ),
    Watch(
        name="value_loss_growth",
        quantity="value_loss_growth",
        text="value loss {value} times its usual level",
        warning=20.0,
        critical=2000.0,
    ),
    Watch(
        name="flat_values",
        quantity="value_spread",
        text="values spread {value} times as much as returns",
        below=True,
        warning=0.1,
    ),
    Watch(
        name="flat_advantages",
        quantity="advantage_std",
        text="advantage spread {value}",
        below=True,
    ),
    Watch(
        name=FLAT_RETURNS,
        quantity="return_spread",
        text="spread of the environments' returns {value}",
        below=True,
        warning=FLAT_SPREAD,
    ),
    Watch(
        name="lost_return",
        quantity="lost_return",
        text="return fell by {value} times the tolerance below its best level",
        warning=1.0,
        critical=2.0,
    ),
    Watch(
        name="return_near_best",
        quantity="kept_return",
        text="return has kept {value} of its gain",
        warning=0.5,
    ),
    Watch(
        name="return_not_kept",
        quantity="kept_return",
        text="return has kept {value} of its gain",
        below=True,
        warning=0.5,
    ),
    Watch(
        name="constant_return",
        gap=0,
        quantity="return_change",
        text="return is the same as before",
        below=True,
        warning=1e-9,
    ),
    Watch(
        name="below_baseline",
        quantity="baseline_lead",
        text="return {value} compared to always choosing WAIT",
        below=True,
        warning=0.0,
    ),
    Watch(name="ratio_error", quantity="initial_ratio_max", text="first ratios differ from 1 by {value}"),
    Watch(name="initial_kl", quantity="initial_kl", text="KL divergence {value} before the first step"),
    Watch(
        name="gae_error",
        quantity="gae_residual",
        text="advantages are wrong by {value} of their standard deviation",
    ),
    Watch(
        name="reward_error",
        quantity="reward_checksum_error",
        text="rewards of learner and environment differ by a share of {value}",
    ),
    Watch(
        name="reversed_updates",
        quantity="advantage_reversal",
        text="negative correlations of the change of log π and the advantage of {value} in sum",
        warning=0.25,
    ),
    *(
        Watch(name="", quantity=quantity, text="")
        for quantity in (
            "kl_divergence",
            "value_loss",
            "mean_return",
            "policy_loss",
            "return_mean",
            "return_std",
            "value_mean",
            "grad_norm",
        )
    ),
)
"""All watches; one without a name only reports values that are not finite."""

OWN_METRIC_ABOVE, OWN_METRIC_BELOW = "own_metric_above", "own_metric_below"
"""Symptoms of the run's own metrics, whose bounds the run gives."""

IMPLAUSIBLE = "implausible"
"""The symptom of a metric whose value is outside of its declared range."""

_WITHOUT_QUANTITY = (
    Watch(name=OWN_METRIC_ABOVE, quantity="", text="{metric} {value}"),
    Watch(name=OWN_METRIC_BELOW, quantity="", text="{metric} {value}", below=True),
    Watch(name=IMPLAUSIBLE, quantity="", text="{metric} {value}"),
)

NEAR_BEST = ("return_near_best", "kept_return")
LOW_ENTROPIES = frozenset({("low_entropy", "entropy_normalized"), ("fallen_entropy", "entropy_of_start")})
"""Symptoms with their metrics: a low entropy means something else while the return is near its best."""

ABOUT_RETURNS = frozenset({"return_near_best", "return_not_kept", "returns_hardly_vary"})
"""Symptoms that are no sign of a fault: they tell what others mean."""

WATCH_NAMES: dict[str, Watch] = {watch.name: watch for watch in (*WATCHES, *_WITHOUT_QUANTITY) if watch.name}
