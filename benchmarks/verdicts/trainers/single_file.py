"""PPO in one file, in the manner of CleanRL, whose names it logs under.

Its steps are methods and attributes, so that `single_file_faults` can replace each of them.
"""

from typing import Any, NamedTuple

import gymnasium as gym
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
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

ENVIRONMENTS, MINIBATCHES, HIDDEN = 8, 2, 32
GAE_LAMBDA, MAX_GRAD_NORM = 0.95, 0.5


class Batch(NamedTuple):
    """A rollout, [N, ...] each; `places` are the indices of its rows in the rollout."""

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor
    places: Tensor


class Agent(nn.Module):
    """Actor and critic with networks of their own."""

    def __init__(self, inputs: int, space: Any) -> None:
        super().__init__()
        self.discrete = isinstance(space, gym.spaces.Discrete)
        self.actor = _network(inputs, int(space.n) if self.discrete else space.shape[0], 0.01)
        self.critic = _network(inputs, 1, 1.0)
        self.log_std = nn.Parameter(torch.zeros(1 if self.discrete else space.shape[0]))

    def distribution(self, observations: Tensor) -> Categorical | Normal:
        """The policy in some states."""
        output = self.actor(observations)
        if self.discrete:
            return Categorical(logits=output, validate_args=False)
        return Normal(output, self.log_std.exp(), validate_args=False)

    def evaluate(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities and entropies [N] of the policy, and values [N]."""
        policy, values = self.distribution(observations), self.critic(observations).squeeze(-1)
        log_probs, entropies = policy.log_prob(actions), policy.entropy()
        if self.discrete:
            return log_probs, entropies, values
        return log_probs.sum(-1), entropies.sum(-1), values


def _network(inputs: int, outputs: int, scale: float) -> nn.Sequential:
    sizes = ((inputs, HIDDEN, 2**0.5), (HIDDEN, HIDDEN, 2**0.5), (HIDDEN, outputs, scale))
    layers: list[nn.Module] = []
    for rows, columns, gain in sizes:
        layer = nn.Linear(rows, columns)
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class SingleFilePPO:
    """A training; every attribute and method without an underscore is a place for a fault."""

    def __init__(self, session: Session) -> None:
        task = TASKS[session.base.task]
        self._session, seed = session, session.base.seed
        torch.manual_seed(seed)
        self.gamma, self.learning_rate, self.epochs = task.gamma, task.learning_rate, task.epochs
        self.clip_range, self.entropy_coefficient, self.value_coefficient = 0.2, task.entropy, 0.5
        self.target_kl = float("inf")
        self.environments = [make_environment(session.base.task) for _ in range(ENVIRONMENTS)]
        first = self.environments[0]
        self.agent = Agent(int(np.prod(first.observation_space.shape or ())), first.action_space)
        self.optimiser = torch.optim.Adam(
            self.agent.parameters(), lr=self.learning_rate, eps=1e-5, foreach=True
        )
        resets = [env.reset(seed=1000 * seed + i)[0] for i, env in enumerate(self.environments)]
        self._observations = np.stack(resets).astype(np.float32)
        self._starts = np.ones(ENVIRONMENTS, np.float32)
        self._env_steps = 0
        self._episodes = np.zeros((2, ENVIRONMENTS))

    # The places of faults.

    def stored(self, rewards: Array, log_probs: Array) -> tuple[Array, Array]:
        """What the rollout store keeps of rewards and log-probabilities, [T, N]."""
        return rewards, log_probs

    def targets(self, advantages: Array) -> Array:
        """The advantages [T, N] of the loss, before they are normalised."""
        return advantages

    def gathered(self, batch: Batch) -> Batch:
        """A minibatch."""
        return batch

    def policy_terms(self, log_probs: Tensor, entropies: Tensor) -> tuple[Tensor, Tensor]:
        """What the loss gets of the policy."""
        return log_probs, entropies

    def minibatches(self, generator: list[Tensor]) -> list[Tensor]:
        """The minibatches of one epoch."""
        return generator

    def step(self) -> None:
        """One step of the optimiser."""
        self.optimiser.step()

    # The training.

    def train(self) -> None:
        """Train until the session ends it."""
        update = 1
        while True:
            self._session.begin_update(update)
            self._update()
            update += 1

    def start(self) -> None:
        """Open the telemetry."""
        self._telemetry = self._session.telemetry(
            facts(
                self._session.base,
                environments=ENVIRONMENTS,
                horizon=self._session.base.steps,
                clip_range=self.clip_range,
                epochs=self.epochs,
                gamma=self.gamma,
                learning_rate=self.learning_rate,
                ent_coef=self.entropy_coefficient,
            )
        )

    def _update(self) -> None:
        collected, columns = self._collect()
        truth = generalised_advantages(collected, self.gamma, GAE_LAMBDA)
        rewards, log_probs = self.stored(collected.rewards, columns["log_probs"])
        used = self.targets(
            generalised_advantages(collected._replace(rewards=rewards), self.gamma, GAE_LAMBDA)
        )
        batch = _batch(columns, log_probs, used, collected.values)
        checks = reward_checksum(rewards, collected.rewards)
        losses = self._optimise(batch, truth.reshape(-1), checks)
        checks |= self._after(batch, columns["log_probs"].reshape(-1), truth.reshape(-1))
        variance = float(batch.returns.var())
        explained = 1 - float((batch.returns - batch.values).var()) / variance if variance else float("nan")
        values = {
            **losses,
            "losses/explained_variance": explained,
            "charts/learning_rate": self.optimiser.param_groups[0]["lr"],
            **checks,
        }
        self._telemetry.log(values, self._env_steps)

    def _collect(self) -> tuple[Rewards, dict[str, Array]]:
        rows: dict[str, list[Any]] = {
            n: [] for n in ("observations", "actions", "log_probs", "rewards", "values", "starts")
        }
        for _ in range(self._session.base.steps):
            with torch.no_grad():
                observations = torch.from_numpy(self._observations)
                policy, values = (
                    self.agent.distribution(observations),
                    self.agent.critic(observations).squeeze(-1),
                )
                actions = policy.sample()
                log_probs = policy.log_prob(actions)
            rows["observations"].append(self._observations)
            rows["starts"].append(self._starts)
            rows["actions"].append(actions.numpy())
            rows["values"].append(values.numpy())
            rows["log_probs"].append(log_probs.numpy() if self.agent.discrete else log_probs.sum(-1).numpy())
            rows["rewards"].append(self._step(actions.numpy()))
        columns = {name: np.stack(row) for name, row in rows.items()}
        with torch.no_grad():
            last = self.agent.critic(torch.from_numpy(self._observations)).squeeze(-1).numpy()
        return Rewards(columns["rewards"], columns["values"], columns["starts"], last, self._starts), columns

    def _step(self, actions: Array) -> Array:
        """Step all environments; return the rewards, with the value of an episode that is cut short."""
        rewards, observations, starts = np.zeros(ENVIRONMENTS, np.float32), [], []
        for i, env in enumerate(self.environments):
            action = int(actions[i]) if self.agent.discrete else np.clip(actions[i], -2.0, 2.0)
            observation, reward, terminated, truncated, _ = env.step(action)
            self._env_steps += 1
            self._episodes[:, i] += reward, 1
            rewards[i] = reward
            if truncated and not terminated:
                with torch.no_grad():
                    rewards[i] += self.gamma * float(
                        self.agent.critic(torch.as_tensor(observation, dtype=torch.float32))
                    )
            if terminated or truncated:
                self._log_episode(i)
                observation, _ = env.reset()
            observations.append(observation)
            starts.append(terminated or truncated)
        self._observations = np.stack(observations).astype(np.float32)
        self._starts = np.array(starts, np.float32)
        return rewards

    def _log_episode(self, environment: int) -> None:
        total, length = self._episodes[:, environment]
        self._telemetry.log(
            {"charts/episodic_return": total, "charts/episodic_length": length}, self._env_steps
        )
        self._episodes[:, environment] = 0

    def _optimise(self, batch: Batch, truth: Array, checks: dict[str, float]) -> dict[str, float]:
        """Train on a rollout; return the values of the last minibatch, as CleanRL logs them."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._session.learning_rate(self.learning_rate)
        count, fractions = len(batch.actions), []
        values: dict[str, float] = {}
        for _ in range(self.epochs):
            for places in self.minibatches(list(torch.randperm(count).chunk(MINIBATCHES))):
                part = self.gathered(Batch(*(column[places] for column in batch)))
                values, fraction = self._minibatch(part, truth, checks)
                fractions.append(fraction)
            if values["losses/approx_kl"] > self.target_kl:
                break
        return {**values, "losses/clipfrac": float(np.mean(fractions))}

    def _minibatch(
        self, part: Batch, truth: Array, checks: dict[str, float]
    ) -> tuple[dict[str, float], float]:
        first = "initial_kl" not in checks
        log_probs, entropies, values = self.agent.evaluate(part.observations, part.actions)
        if first:
            checks |= initial_policy(log_probs.detach().numpy(), part.log_probs.numpy())
            checks |= gae_residual(part.advantages.numpy(), truth[part.places.numpy()])
        log_probs, entropies = self.policy_terms(log_probs, entropies)
        log_ratios = log_probs - part.log_probs
        ratios = log_ratios.exp()
        advantages = (part.advantages - part.advantages.mean()) / (part.advantages.std() + 1e-8)
        clipped = ratios.clamp(1 - self.clip_range, 1 + self.clip_range)
        policy_loss = torch.max(-advantages * ratios, -advantages * clipped).mean()
        value_loss = 0.5 * (values - part.returns).square().mean()
        entropy = entropies.mean()
        loss = policy_loss - self.entropy_coefficient * entropy + 2 * self.value_coefficient * value_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if first:
            checks["value_gradient_share"] = self._value_gradient_share()
        nn.utils.clip_grad_norm_(self.agent.parameters(), MAX_GRAD_NORM)
        self.step()
        with torch.no_grad():
            logged = {
                "losses/policy_loss": policy_loss.item(),
                "losses/value_loss": value_loss.item(),
                "losses/entropy": entropy.item(),
                "losses/old_approx_kl": (-log_ratios).mean().item(),
                "losses/approx_kl": (ratios - 1 - log_ratios).mean().item(),
            }
            return logged, ((ratios - 1).abs() > self.clip_range).float().mean().item()

    def _value_gradient_share(self) -> float:
        """The critic's part of the gradient's norm before clipping."""
        norms = [
            sum(float(p.grad.square().sum()) for p in part.parameters() if p.grad is not None)
            for part in (self.agent.critic, self.agent)
        ]
        return (norms[0] / norms[1]) ** 0.5 if norms[1] else float("nan")

    def _after(self, batch: Batch, log_probs: Array, truth: Array) -> dict[str, float]:
        with torch.no_grad():
            new, _, values = self.agent.evaluate(batch.observations, batch.actions)
        return final_policy(new.numpy(), log_probs, truth, self.clip_range) | value_churn(
            values.numpy(), batch.values.numpy()
        )


def _batch(columns: dict[str, Array], log_probs: Array, advantages: Array, values: Array) -> Batch:
    returns = advantages + values
    flat = (columns["observations"], columns["actions"], log_probs, advantages, returns, values)
    tensors = [torch.from_numpy(column.reshape(-1, *column.shape[2:])) for column in flat]
    return Batch(*tensors, places=torch.arange(len(tensors[0])))


def train(session: Session) -> None:
    """Train as the session says."""
    from benchmarks.verdicts.trainers.single_file_faults import inject

    ppo = SingleFilePPO(session)
    session.inject = lambda fault: inject(ppo, fault, session.base.place)
    ppo.start()
    ppo.train()
