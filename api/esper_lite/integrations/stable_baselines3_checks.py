"""What the callback for Stable-Baselines3 verifies of each update: log-probabilities, rewards, advantages.

The rewards of a rollout are compared where the environment returns them. While the model trains, two of its
methods are wrapped: that which gathers a minibatch and that which evaluates the policy on it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from esper_lite import checks
from esper_lite.checks import Array, Correlation, Steps

_MEASURED = 16
"""From about this number of minibatches of an update the correlation follows."""

_TRUNCATED = "TimeLimit.truncated"


class UpdateChecks:
    """The checks of a model, from one rollout to the next.

    failed: called with the exception if a check fails, which then ends without a result; the training is not
    affected.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._rewards: list[Any] = []
        self._values: Any = None
        self._cut_off: list[tuple[int, int]] = []
        self._wrapped: list[tuple[Any, str, Any]] = []
        self._forget()

    def begin_rollout(self) -> None:
        """Expect the steps of a rollout."""
        self._rewards, self._cut_off = [], []

    def add_step(self, rewards: Any, dones: Any, infos: Any, values: Any) -> None:
        """Keep the rewards of a step; the library adds a bootstrap value to those of episodes cut off."""
        self._values = values
        if True in dones.tolist():  # faster than any() for a few environments
            self._cut_off += [
                (len(self._rewards), place)
                for place, info in enumerate(infos)
                if dones[place] and info.get(_TRUNCATED, False)
            ]
        self._rewards.append(rewards.copy())

    def end_rollout(self, model: Any, last_values: Any, dones: Any) -> None:
        """Compare rewards and advantages of the whole rollout, and observe the minibatches to come."""
        self.end_update()
        self._forget()
        buffer = model.rollout_buffer
        if len(self._rewards) != len(buffer.rewards):
            return  # a rollout that was not observed from its beginning
        rewards = np.stack(self._rewards).astype(np.float32)
        for place in self._cut_off:
            rewards[place] = buffer.rewards[place]
        self.measured |= checks.reward_checksum(buffer.rewards, rewards)
        steps, used = _steps(buffer, rewards), buffer.advantages[:-1]
        if last_values is not self._values:  # some algorithms do not tell the values after the rollout
            last, starts = last_values.detach().cpu().numpy().flatten(), buffer.episode_starts
            steps, used = Steps(rewards, buffer.values, starts, last, 1.0 * dones), buffer.advantages
        self.measured |= checks.advantages(used, steps, gamma=buffer.gamma, gae_lambda=buffer.gae_lambda)
        self._advantages = buffer.advantages.swapaxes(0, 1).reshape(-1).copy()
        self._scale = checks.advantage_scale(buffer.advantages, buffer.values)
        self._every = max(1, _minibatches(model) // _MEASURED)
        self._wrap(buffer, "_get_samples", self._gathered)
        self._wrap(model.policy, "evaluate_actions", self._evaluated)

    def end_update(self) -> dict[str, float]:
        """Remove the wrappers; return what was measured."""
        for owner, name, before in self._wrapped:
            if before is None:
                vars(owner).pop(name, None)
            else:
                setattr(owner, name, before)
        self._wrapped = []
        if self.measured.get("gae_residual", 0.0) <= checks.LARGEST_RESIDUAL:
            self.measured |= self._correlation.measured()
        return self.measured

    def _forget(self) -> None:
        self.measured: dict[str, float] = {}
        self._correlation = Correlation()
        self._advantages = np.zeros(0, np.float32)
        self._scale, self._sample, self._minibatches, self._every = 1.0, None, 0, 1

    def _wrap(self, owner: Any, name: str, observe: Callable[..., None]) -> None:
        """Call `observe` with the arguments and the result of a method after it."""
        method, before = getattr(owner, name), vars(owner).get(name)

        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            result = method(*arguments, **keywords)
            try:
                observe(result, *arguments)
            except Exception as error:
                self._failed(error)
            return result

        setattr(owner, name, wrapper)
        self._wrapped.append((owner, name, before))

    def _gathered(self, sample: Any, places: Array, *_: Any) -> None:
        self._sample = sample
        if self._minibatches:
            return
        correct = self._advantages[places]
        error = np.abs(_flat(sample.advantages, sample) - correct).max(initial=0.0) / self._scale
        self.measured["gae_residual"] = max(self.measured["gae_residual"], float(error))

    def _evaluated(self, result: Any, *_: Any) -> None:
        sample, self._sample = self._sample, None
        if sample is None:
            return  # an evaluation of something else
        number, self._minibatches = self._minibatches, self._minibatches + 1
        if number % self._every:
            return
        log_probs, old = _flat(result[1], sample), _flat(sample.old_log_prob, sample)
        if number == 0:
            self.measured |= checks.first_minibatch(log_probs, old)
        else:
            self._correlation.add(log_probs - old, _flat(sample.advantages, sample))


def _minibatches(model: Any) -> int:
    """The number of minibatches of an update, unless it stops early."""
    steps = model.n_steps * model.n_envs
    return int(getattr(model, "n_epochs", 1) * steps / (getattr(model, "batch_size", None) or steps))


def _steps(buffer: Any, rewards: Any) -> Steps:
    """All steps but the last one, whose advantage is what follows."""
    following = buffer.values[-1] + buffer.gae_lambda * buffer.advantages[-1]
    starts = buffer.episode_starts
    return Steps(rewards[:-1], buffer.values[:-1], starts[:-1], following, starts[-1])


def _flat(column: Any, sample: Any) -> Array:
    """A column of a minibatch without the steps that fill up sequences."""
    kept = column[sample.mask > 1e-8] if hasattr(sample, "mask") else column
    flat: Array = kept.detach().cpu().numpy().flatten()
    return flat
