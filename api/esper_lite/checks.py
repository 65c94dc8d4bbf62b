"""Checks that a trainer makes of its own update, as values for `log`.

    from esper_lite import checks

    if first_minibatch_of_the_update:
        telemetry.log(checks.first_minibatch(log_probs, old_log_probs))

Some bugs make learning impossible and show in no loss: old log-probabilities of another policy, advantages of
other steps, rewards that are late, a loss with the wrong sign. Each breaks an identity that holds in every
correct PPO, whatever the task, and is a finding of `esper diagnose` in its first update. What is not checked
is not judged.

Every argument may be an array, a tensor on any device, or nested lists. NumPy is needed, which the base
installation does not include; training libraries do.
"""

from typing import Any, NamedTuple, TypeAlias

from esper_schemas.errors import InvalidArgument

try:
    import numpy as np
except ImportError as error:
    raise ImportError("esper_lite.checks needs NumPy: pip install numpy") from error

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Values: TypeAlias = Any
"""Numbers as an array, a tensor or nested lists."""

ROUNDING = 1e-3
"""Rounding of values may be large beside smaller advantages than this share of the values."""

TINY = 1e-8

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to this magnitude before exponentiation."""

LARGEST_RESIDUAL = 1e-2
"""Up to this residual advantages follow from the rewards, so that their correlation says something."""


class Steps(NamedTuple):
    """What advantages follow from: T steps of N environments, [T, N] each, or [T] of one environment.

    rewards: where the environment returns them, with the bootstrap value of episodes that were cut off, if
    the trainer adds one. values: those of the critic. starts: 1 where a step is the first of its episode.
    last_values, last_starts [N]: the same for the step after the last.
    """

    rewards: Values
    values: Values
    starts: Values
    last_values: Values
    last_starts: Values


def first_minibatch(log_probs: Values, old_log_probs: Values, mask: Values = None) -> dict[str, float]:
    """Compare the policy of an update's first minibatch, before any optimiser step, with the one that acted.

    They are the same, so that all ratios are 1. log_probs, old_log_probs: of the same choices, of any shape.
    mask: where they count, by default everywhere.
    """
    log_ratios = _array(log_probs) - _like(log_probs, old_log_probs, "old_log_probs")
    if mask is not None:
        log_ratios = log_ratios[_like(log_probs, mask, "mask") > 0]
    if not log_ratios.size:
        return {}
    ratios = np.exp(log_ratios.clip(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))
    return {
        "initial_ratio_max": float(np.abs(ratios - 1.0).max()),
        "initial_kl": float((ratios - 1.0 - log_ratios).mean()),
    }


def advantages(used: Values, steps: Steps, *, gamma: float, gae_lambda: float) -> dict[str, float]:
    """Compare the advantages of a whole rollout with those that follow from the rewards by GAE.

    used: before normalisation, in the shape of the rewards. The largest error of the recursion
    A_t = r_t + gamma * (V_{t+1} + lambda * A_{t+1}) - V_t is measured, which takes no loop over the steps.
    """
    array, values = _like(steps.rewards, used, "used"), _like(steps.rewards, steps.values, "values")
    total = values + gae_lambda * array
    following = np.concatenate((total[1:], _array(steps.last_values)[None]))
    starts = _like(steps.rewards, steps.starts, "starts")
    going_on = 1.0 - np.concatenate((starts[1:], _array(steps.last_starts)[None]))
    error = np.abs(array - (_array(steps.rewards) + gamma * going_on * following - values)).max(initial=0.0)
    return {"gae_residual": float(error) / advantage_scale(array, values)}


def generalised_advantages(steps: Steps, *, gamma: float, gae_lambda: float) -> Array:
    """The advantages (Schulman et al. 2016) in the shape of the rewards."""
    rewards, values = _array(steps.rewards), _like(steps.rewards, steps.values, "values")
    going_on = 1.0 - _like(steps.rewards, steps.starts, "starts")
    next_values, next_going_on = _array(steps.last_values), 1.0 - _array(steps.last_starts)
    result, following = np.zeros_like(rewards), np.zeros_like(next_values)
    for step in reversed(range(len(rewards))):
        future = next_values + gae_lambda * following
        following = rewards[step] + gamma * next_going_on * future - values[step]
        result[step], next_values, next_going_on = following, values[step], going_on[step]
    return result


def advantage_scale(of: Values, values: Values) -> float:
    """The unit of errors of advantages: their standard deviation, at least a thousandth of the values."""
    largest = float(np.abs(_array(values)).max(initial=0.0))
    return float(_array(of).std()) + ROUNDING * largest + TINY


def reward_checksum(learner: Values, environment: Values) -> dict[str, float]:
    """Compare the rewards that a learner uses with those that the environment returned, [T, N] or [T].

    The sum of t · r also differs if rewards belong to other steps. Take both at the same place of a chain of
    wrappers: after rewards were scaled or clipped on purpose.
    """
    returned = _array(environment)
    times = np.arange(1, len(returned) + 1)
    difference = np.abs(times @ (_like(environment, learner, "learner") - returned)).sum()
    return {"reward_checksum_error": float(difference / ((times @ np.abs(returned)).sum() + TINY))}


def whole_update(
    log_probs: Values, old_log_probs: Values, advantages: Values, *, clip_range: float
) -> dict[str, float]:
    """Say what an update did to the policy, after its last step, over all steps of the rollout.

    It needs one more evaluation of the policy. advantages: those that follow from the rewards, such as
    `generalised_advantages`; all have the same shape.
    """
    log_ratios = (_array(log_probs) - _like(log_probs, old_log_probs, "old_log_probs")).ravel()
    ratios = np.exp(log_ratios.clip(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))
    measured = {
        "kl_final": float((ratios - 1.0 - log_ratios).mean()),
        "clip_fraction_final": float((np.abs(ratios - 1.0) > clip_range).mean()),
        "ratio_max_final": float(ratios.max()),
    }
    correlation = Correlation()
    correlation.add(log_ratios, _like(log_probs, advantages, "advantages").ravel())
    return measured | correlation.measured()


class Correlation:
    """Pearson's correlation of the change of log π and the advantage, over parts of an update."""

    def __init__(self) -> None:
        self._sums = np.zeros((3, 3))

    def add(self, log_ratios: Values, advantages: Values) -> None:
        """Add some steps, [N] each."""
        rows = np.stack((_array(log_ratios), _array(advantages), np.ones(len(log_ratios))))
        self._sums += rows @ rows.T

    def measured(self) -> dict[str, float]:
        """The correlation; nothing where the policy did not move or advantages are equal."""
        count = max(self._sums[2, 2], 1.0)
        centred = self._sums - np.outer(self._sums[:, 2], self._sums[2]) / count
        size = float(np.sqrt(max(centred[0, 0], 0.0) * max(centred[1, 1], 0.0)))
        moved = centred[0, 0] > (1e-7) ** 2 * count
        return {"advantage_correlation": float(centred[0, 1]) / size} if moved and size > 0 else {}


def _array(values: Values) -> Array:
    """Values in float64, also those of a tensor that is on a device or has a gradient."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values  # NumPy has no bfloat16
    return np.asarray(values, dtype=np.float64)


def _like(reference: Values, values: Values, name: str) -> Array:
    """Values that must have the shape of others."""
    array, shape = _array(values), tuple(getattr(reference, "shape", None) or np.shape(reference))
    if array.shape != shape:
        raise InvalidArgument(f"{name} has the shape {array.shape}; give it the shape {shape} of the others.")
    return array
