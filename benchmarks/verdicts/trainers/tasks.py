"""Tasks of Gymnasium, and one that needs memory, with settings that most trainings learn them with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How a task is made, and what it is trained with; 8 environments × 32 or 16 steps per update."""

    make: Callable[[], gym.Env[Any, Any]]
    gamma: float = 0.98
    learning_rate: float = 1e-3
    epochs: int = 4
    entropy: float = 0.0


class RewardDamage(gym.RewardWrapper[Any, Any]):
    """The place in the environment at which rewards are damaged: all of them are multiplied by `factor`."""

    factor: ClassVar[float] = 1.0

    def reward(self, reward: Any) -> float:
        """Return the damaged reward."""
        return float(reward) * RewardDamage.factor


class TrueReturn(gym.Wrapper[Any, Any, Any, Any]):
    """Adds up the rewards of the environment itself, before anything damages them."""

    finished: ClassVar[list[float]] = []

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._sum = 0.0
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Add a reward; the sum of an episode that ends is in `finished`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._sum += float(reward)
        if terminated or truncated:
            TrueReturn.finished.append(self._sum)
        return observation, reward, terminated, truncated, info


class OneHot(gym.ObservationWrapper[Any, Any, Any]):
    """The number of a state as a vector."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        assert isinstance(env.observation_space, gym.spaces.Discrete)
        self._identity = np.eye(int(env.observation_space.n), dtype=np.float32)
        self.observation_space = gym.spaces.Box(0.0, 1.0, (len(self._identity),), np.float32)

    def observation(self, observation: Any) -> Any:
        """Return the vector of a state."""
        return self._identity[observation]


class OneHotParts(gym.ObservationWrapper[Any, Any, Any]):
    """Several numbers as one vector."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._parts = env.observation_space
        size = gym.spaces.utils.flatdim(self._parts)
        self.observation_space = gym.spaces.Box(0.0, 1.0, (size,), np.float32)

    def observation(self, observation: Any) -> Any:
        """Return the vector of an observation."""
        return np.asarray(gym.spaces.utils.flatten(self._parts, observation), np.float32)


class WithoutVelocities(gym.ObservationWrapper[Any, Any, Any]):
    """Cart and pole by their positions alone; the velocities have to be remembered."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def observation(self, observation: Any) -> Any:
        """Return the positions."""
        return observation[[0, 2]]


def _gym(name: str, **options: Any) -> gym.Env[Any, Any]:
    return gym.make(name, disable_env_checker=True, **options)


TASKS: dict[str, Task] = {
    "CartPole": Task(make=lambda: _gym("CartPole-v1")),
    "Acrobot": Task(make=lambda: _gym("Acrobot-v1"), gamma=0.99, entropy=0.01),
    "MountainCar": Task(make=lambda: _gym("MountainCar-v0"), gamma=0.99, entropy=0.01),
    "Pendulum": Task(make=lambda: _gym("Pendulum-v1"), gamma=0.9, epochs=8),
    "FrozenLake": Task(
        make=lambda: OneHot(_gym("FrozenLake-v1", is_slippery=False)), entropy=0.01, learning_rate=2.5e-3
    ),
    "CliffWalking": Task(
        make=lambda: OneHot(_gym("CliffWalking-v1", max_episode_steps=100)), learning_rate=2.5e-3
    ),
    "SlipperyLake": Task(
        make=lambda: OneHot(_gym("FrozenLake-v1", is_slippery=True)),
        gamma=0.99,
        entropy=0.01,
        learning_rate=2.5e-3,
    ),
    "Blackjack": Task(make=lambda: OneHotParts(_gym("Blackjack-v1")), entropy=0.01),
    "Taxi": Task(make=lambda: OneHot(_gym("Taxi-v4")), entropy=0.01, learning_rate=2.5e-3),
    "CartPoleNoVelocity": Task(make=lambda: WithoutVelocities(_gym("CartPole-v1"))),
}


def make_environment(task: str) -> gym.Env[Any, Any]:
    """Make one environment, whose rewards can be damaged and are added up before that."""
    return RewardDamage(TrueReturn(TASKS[task].make()))
