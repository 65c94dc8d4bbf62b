"""PPO in one file in the style of CleanRL, whose SummaryWriter is Esper's look-alike.

    pip install 'esper-lite[integrations]'
    python examples/cleanrl_ppo.py

Only the import of `SummaryWriter` differs from a program that writes for TensorBoard. To keep TensorBoard's
files too, import its own writer and call `mirror_tensorboard()` before the training.
"""

import argparse
import time
from dataclasses import asdict, dataclass

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from esper_lite.integrations.summary_writer import SummaryWriter


@dataclass
class Settings:
    """What the training does."""

    env_id: str = "CartPole-v1"
    seed: int = 1
    total_timesteps: int = 50_000
    num_envs: int = 4
    num_steps: int = 128
    learning_rate: float = 1e-3
    gamma: float = 0.99
    gae_lambda: float = 0.95
    num_minibatches: int = 4
    update_epochs: int = 4
    clip_coef: float = 0.2
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5


class Agent(nn.Module):
    """A policy and a value function, each with one hidden layer."""

    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(observations, 64), nn.Tanh(), nn.Linear(64, actions))
        self.critic = nn.Sequential(nn.Linear(observations, 64), nn.Tanh(), nn.Linear(64, 1))

    def policy(self, observation: torch.Tensor) -> Categorical:
        """The distribution of actions."""
        return Categorical(logits=self.actor(observation))

    def value(self, observation: torch.Tensor) -> torch.Tensor:
        """The predicted return."""
        return self.critic(observation).squeeze(-1)


def stacked(observations: list[np.ndarray]) -> torch.Tensor:
    """The observations of all environments."""
    return torch.from_numpy(np.stack(observations).astype(np.float32))


class Collector:
    """Steps the environments, and adds each finished episode to the log."""

    def __init__(self, settings: Settings, writer: SummaryWriter) -> None:
        self.settings, self.writer = settings, writer
        self.environments = [gymnasium.make(settings.env_id) for _ in range(settings.num_envs)]
        resets = [env.reset(seed=settings.seed + n) for n, env in enumerate(self.environments)]
        self.observation = stacked([observation for observation, _ in resets])
        self.returns, self.lengths = [0.0] * settings.num_envs, [0] * settings.num_envs
        self.global_step = 0

    def step(self, actions: list[int]) -> tuple[list[float], list[float]]:
        """Step all environments; returns rewards and whether episodes ended."""
        rewards, ends, observations = [], [], []
        self.global_step += len(actions)
        for n, (environment, action) in enumerate(zip(self.environments, actions, strict=True)):
            observation, reward, terminated, truncated, _ = environment.step(action)
            self.returns[n] += float(reward)
            self.lengths[n] += 1
            if terminated or truncated:
                self.writer.add_scalar("charts/episodic_return", self.returns[n], self.global_step)
                self.writer.add_scalar("charts/episodic_length", self.lengths[n], self.global_step)
                self.returns[n], self.lengths[n] = 0.0, 0
                observation, _ = environment.reset()
            rewards.append(float(reward))
            ends.append(float(terminated or truncated))
            observations.append(observation)
        self.observation = stacked(observations)
        return rewards, ends


def collect(agent: Agent, collector: Collector) -> dict[str, torch.Tensor]:
    """A rollout: observations, actions, log-probabilities, values, advantages and returns, all flat."""
    settings, rows = collector.settings, []
    with torch.no_grad():
        for _ in range(settings.num_steps):
            observation, policy = collector.observation, agent.policy(collector.observation)
            action = policy.sample()
            rewards, ends = collector.step(action.tolist())
            values = agent.value(observation)
            rows.append(
                (
                    observation,
                    action,
                    policy.log_prob(action),
                    values,
                    torch.tensor(rewards),
                    torch.tensor(ends),
                )
            )
        after, advantage = agent.value(collector.observation), torch.zeros(settings.num_envs)
    observations, actions, log_probs, values, rewards, ends = map(torch.stack, zip(*rows, strict=True))
    advantages = torch.zeros_like(values)
    for step in reversed(range(settings.num_steps)):
        alive = 1 - ends[step]
        delta = rewards[step] + settings.gamma * after * alive - values[step]
        advantage = delta + settings.gamma * settings.gae_lambda * alive * advantage
        advantages[step], after = advantage, values[step]
    names = ("observations", "actions", "log_probs", "values", "advantages", "returns")
    parts = (observations, actions, log_probs, values, advantages, advantages + values)
    return {name: part.flatten(0, 1) for name, part in zip(names, parts, strict=True)}


def update(
    agent: Agent, optimizer: torch.optim.Optimizer, rollout: dict[str, torch.Tensor], settings: Settings
) -> dict[str, float]:
    """Improve the agent; returns what was measured, as CleanRL names it."""
    size, clip, clipped = len(rollout["actions"]), settings.clip_coef, []
    for _ in range(settings.update_epochs):
        for indices in torch.randperm(size).chunk(settings.num_minibatches):
            batch = {name: part[indices] for name, part in rollout.items()}
            policy = agent.policy(batch["observations"])
            log_ratio = policy.log_prob(batch["actions"]) - batch["log_probs"]
            ratio = log_ratio.exp()
            advantages = (batch["advantages"] - batch["advantages"].mean()) / (
                batch["advantages"].std() + 1e-8
            )
            surrogate = torch.min(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip))
            policy_loss, entropy = -surrogate.mean(), policy.entropy().mean()
            value_loss = 0.5 * (agent.value(batch["observations"]) - batch["returns"]).square().mean()
            clipped.append(((ratio - 1).abs() > clip).float().mean().item())
            optimizer.zero_grad()
            (policy_loss - settings.ent_coef * entropy + settings.vf_coef * value_loss).backward()
            nn.utils.clip_grad_norm_(agent.parameters(), settings.max_grad_norm)
            optimizer.step()
    returns = rollout["returns"]
    return {
        "losses/policy_loss": policy_loss.item(),
        "losses/value_loss": value_loss.item(),
        "losses/entropy": entropy.item(),
        "losses/old_approx_kl": (-log_ratio).mean().item(),
        "losses/approx_kl": ((ratio - 1) - log_ratio).mean().item(),
        "losses/clipfrac": sum(clipped) / len(clipped),
        "losses/explained_variance": (1 - (returns - rollout["values"]).var() / returns.var()).item(),
    }


def train(settings: Settings, writer: SummaryWriter) -> None:
    """Train and log."""
    torch.manual_seed(settings.seed)
    collector, begin = Collector(settings, writer), time.perf_counter()
    space = collector.environments[0]
    agent = Agent(space.observation_space.shape[0], int(space.action_space.n))
    optimizer = torch.optim.Adam(agent.parameters(), settings.learning_rate, eps=1e-5)
    while collector.global_step < settings.total_timesteps:
        values = update(agent, optimizer, collect(agent, collector), settings)
        values["charts/learning_rate"] = settings.learning_rate
        values["charts/SPS"] = collector.global_step / (time.perf_counter() - begin)
        for name, value in values.items():
            writer.add_scalar(name, value, collector.global_step)


def main() -> None:
    """Train, and record everything that is added to the writer."""
    parser = argparse.ArgumentParser(description="PPO in the style of CleanRL, recorded by Esper.")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--run", default="cleanrl", help="name of the run")
    options, settings = parser.parse_args(), Settings()
    settings.total_timesteps = options.updates * settings.num_envs * settings.num_steps
    with SummaryWriter(f"runs/{options.run}") as writer:
        rows = "\n".join(f"|{name}|{value}|" for name, value in asdict(settings).items())
        writer.add_text("hyperparameters", f"|param|value|\n|-|-|\n{rows}")
        train(settings, writer)


if __name__ == "__main__":
    main()
