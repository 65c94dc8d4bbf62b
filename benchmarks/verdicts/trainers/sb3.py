"""PPO of Stable-Baselines3, recorded by the callback of `esper_lite.integrations`.

The library's objects are instrumented where faults are injected: what the store keeps, the targets, the
minibatches, what the loss gets of the policy, and the steps of the optimiser.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from benchmarks.verdicts.identities import (
    Array,
    Rewards,
    final_policy,
    gae_residual,
    generalised_advantages,
    initial_policy,
    reward_checksum,
    value_churn,
)
from benchmarks.verdicts.recorder import Session, facts
from benchmarks.verdicts.trainers.tasks import TASKS, make_environment
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from esper_lite import Telemetry
from esper_lite.integrations.stable_baselines3 import EsperCallback

ENVIRONMENTS, MINIBATCHES = 8, 2
_TIMES = ("time/", "rollout_time_ms", "update_time_ms")
_NOT_LOGGED = (*_TIMES, "train/n_updates", "train/clip_range", "train/loss")


def same(value: Any) -> Any:
    """What a place does without a fault."""
    return value


class Instrumented:
    """A model whose places of faults can be replaced, and which checks itself.

    stored: what the store keeps of rewards and log-probabilities of a rollout, [T, N]. targets: advantages
    [T, N] of the loss. gathered: a minibatch. evaluated: values, log-probabilities and entropies of a
    minibatch. step: a step of the optimiser. minibatches: those of one epoch.
    """

    def __init__(self, model: Any, telemetry: Telemetry) -> None:
        self.model, self._telemetry = model, telemetry
        self.stored: Callable[[tuple[Array, Array]], tuple[Array, Array]] = same
        self.targets: Callable[[Array], Array] = same
        self.gathered: Callable[[Any], Any] = same
        self.evaluated: Callable[[Any], Any] = same
        self.minibatches: Callable[[Iterator[Any]], Iterator[Any]] = same
        self.checks: dict[str, float] = {}
        self.recurrent = hasattr(model.rollout_buffer, "hidden_states_pi")
        self._evaluate, self._compute = (
            model.policy.evaluate_actions,
            model.rollout_buffer.compute_returns_and_advantage,
        )
        self._samples, self._get = model.rollout_buffer._get_samples, model.rollout_buffer.get
        self._optimiser_step = model.policy.optimizer.step
        self.step: Callable[[], object] = self._optimiser_step
        self._first: Any = None
        self._truth = self._used = np.zeros(0, np.float32)
        model.policy.evaluate_actions = self._evaluate_actions
        model.policy.optimizer.step = self._step
        model.rollout_buffer.compute_returns_and_advantage = self._compute_targets
        model.rollout_buffer._get_samples = self._get_samples
        model.rollout_buffer.get = lambda size=None: self.minibatches(self._get(size))
        self._train = model.train
        model.train = self._train_and_check

    def _compute_targets(self, last_values: Any, dones: Any) -> None:
        model, buffer = self.model, self.model.rollout_buffer
        last = last_values.detach().numpy().flatten()
        known = Rewards(
            buffer.rewards.copy(),
            buffer.values.copy(),
            buffer.episode_starts.copy(),
            last,
            np.asarray(dones, np.float32),
        )
        self._log_probs, self._values = buffer.log_probs.copy(), buffer.values.copy()
        buffer.rewards, buffer.log_probs = self.stored((buffer.rewards, buffer.log_probs))
        self._compute(last_values, dones)
        before = buffer.advantages
        buffer.advantages = self.targets(before)
        buffer.returns = buffer.advantages + buffer.values
        self._truth = generalised_advantages(known, model.gamma, model.gae_lambda)
        self.checks = reward_checksum(buffer.rewards, known.rewards)
        self._first = None

    def _get_samples(self, places: Array, *others: Any) -> Any:
        sample = self.gathered(self._samples(places, *others))
        if "gae_residual" not in self.checks:
            used = self._flat(sample.advantages, sample)
            truth = self._truth.swapaxes(0, 1).reshape(-1)[places]
            self.checks |= gae_residual(used, truth)
            self._first = sample
        return sample

    def _flat(self, column: torch.Tensor, sample: Any) -> Array:
        """A column of a minibatch without the steps that fill up sequences."""
        kept = column[sample.mask > 1e-8] if self.recurrent else column
        flat: Array = kept.detach().numpy().flatten()
        return flat

    def _evaluate_actions(self, *arguments: Any) -> Any:
        values, log_probs, entropies = self._evaluate(*arguments)
        if self._first is not None and "initial_kl" not in self.checks:
            sample = self._first
            self.checks |= initial_policy(
                self._flat(log_probs, sample), self._flat(sample.old_log_prob, sample)
            )
        return self.evaluated((values, log_probs, entropies))

    def _step(self, *arguments: Any) -> object:
        if "value_gradient_share" not in self.checks:
            self.checks["value_gradient_share"] = self._value_gradient_share()
        return self.step()

    def critic(self) -> list[torch.nn.Parameter]:
        """The parameters of the critic."""
        named = self.model.policy.named_parameters()
        return [p for name, p in named if "value_net" in name or "critic" in name]

    def _value_gradient_share(self) -> float:
        critic, every = (
            sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None)
            for parameters in (self.critic(), list(self.model.policy.parameters()))
        )
        return (critic / every) ** 0.5 if every else float("nan")

    def _train_and_check(self) -> None:
        """Train, and evaluate the policy after the last step."""
        self._train()
        self.checks |= self._after_with_memory() if self.recurrent else self._after()

    def log_checks(self) -> None:
        """Log what the last update showed."""
        if not self.checks:
            return
        self._telemetry.log(self.checks, self.model.num_timesteps)
        self.checks = {}

    def _after(self) -> dict[str, float]:
        buffer, model = self.model.rollout_buffer, self.model
        actions = torch.as_tensor(buffer.actions)
        if not hasattr(model.policy, "log_std"):
            actions = actions.long().flatten()
        with torch.no_grad():
            values, log_probs, _ = self._evaluate(torch.as_tensor(buffer.observations), actions)
        new, old, truth, old_values = (
            log_probs.numpy().flatten(),
            *(c.swapaxes(0, 1).reshape(-1) for c in (self._log_probs, self._truth, self._values)),
        )
        return final_policy(new, old, truth, 0.2) | value_churn(values.numpy().flatten(), old_values)

    def _after_with_memory(self) -> dict[str, float]:
        """The same; a minibatch of the whole rollout begins with the memory of its first steps."""
        buffer = self.model.rollout_buffer
        places = np.arange(buffer.buffer_size * buffer.n_envs)
        sample = self._samples(places, (places % buffer.buffer_size == 0).astype(np.float32)[:, None])
        with torch.no_grad():
            _, log_probs, _ = self._evaluate(
                sample.observations,
                sample.actions.long().flatten(),
                sample.lstm_states,
                sample.episode_starts,
            )
        old, truth = (c.swapaxes(0, 1).reshape(-1) for c in (self._log_probs, self._truth))
        return final_policy(self._flat(log_probs, sample), old, truth, 0.2)


class SessionCallback(BaseCallback):
    """Reports the updates to the session, after the callback that records them."""

    def __init__(self, session: Session, instrumented: Instrumented) -> None:
        super().__init__()
        self._session, self._instrumented, self._update = session, instrumented, 0

    def _on_rollout_start(self) -> None:
        self._instrumented.log_checks()
        self._update += 1
        self._session.begin_update(self._update)

    def _on_step(self) -> bool:
        return True


def without_times(telemetry: Telemetry) -> Telemetry:
    """The telemetry, which now leaves out times and settings: no rule looks at them."""
    log = telemetry.log

    def relevant(values: Any, step: int | None = None, time: float | None = None) -> None:
        log({name: v for name, v in values.items() if not name.startswith(_NOT_LOGGED)}, step, time)

    telemetry.log = relevant  # type: ignore[method-assign]
    return telemetry


def environments(task: str, count: int = ENVIRONMENTS) -> DummyVecEnv:
    """The environments of a training."""
    return DummyVecEnv([lambda: Monitor(make_environment(task))] * count)


def settings(session: Session) -> dict[str, Any]:
    """The keywords of the model."""
    task = TASKS[session.base.task]
    return {
        "n_steps": session.base.steps,
        "batch_size": session.base.steps * ENVIRONMENTS // MINIBATCHES,
        "n_epochs": task.epochs,
        "learning_rate": lambda remaining: session.learning_rate(task.learning_rate),
        "gamma": task.gamma,
        "ent_coef": task.entropy,
        "seed": session.base.seed,
        "device": "cpu",
    }


def learn(session: Session, model: Any) -> None:
    """Train a model as the session says, recorded by the library's callback."""
    from benchmarks.verdicts.trainers.sb3_faults import inject

    started = facts(
        session.base,
        environments=model.n_envs,
        horizon=session.base.steps,
        clip_range=0.2,
        n_epochs=model.n_epochs,
        gamma=model.gamma,
        ent_coef=model.ent_coef,
        algorithm=type(model).__name__,
    )
    telemetry = without_times(session.telemetry(started))
    instrumented = Instrumented(model, telemetry)
    session.inject = lambda fault: inject(instrumented, fault, session.base.place)
    callbacks = CallbackList([EsperCallback(telemetry), SessionCallback(session, instrumented)])
    model.learn(10**9, callback=callbacks)


def train(session: Session) -> None:
    """Train as the session says."""
    keywords = settings(session) | {"policy_kwargs": {"net_arch": [32, 32]}}
    learn(session, PPO("MlpPolicy", environments(session.base.task), **keywords))
