"""What plays and what learns, and all that their future follows from."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.config import TrainingConfig
from esper_trainer.environment.morph import MorphEnvironment
from esper_trainer.layout import layout
from esper_trainer.policy import Tamiyo
from esper_trainer.ppo import PPO
from esper_trainer.rollout import Player
from esper_trainer.seeds import derived_seed

_POLICY, _OPTIMISER = "policy.", "optimiser."


class State(NamedTuple):
    """Everything that the updates to come follow from, taken between two updates.

    tensors: float32, on the device: the policy's and the optimiser's, by name.
    generators: the states of the random number generators, uint8, on the host.

    The environments are not in it: every episode draws new ones from the generators.
    """

    tensors: dict[str, Tensor]
    generators: dict[str, Tensor]


class Learner:
    """A player and a PPO that share one policy."""

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        constants = layout(device)
        environment = MorphEnvironment(config.environments, config.size, seed=config.seed, device=device)
        self._policy = Tamiyo(
            environment.observation_size,
            config.hidden_size,
            seed=derived_seed(config.seed, "policy"),
            precision=config.precision,
        ).to(device)
        self.player = Player(
            self._policy, environment, constants, seed=derived_seed(config.seed, "actions")
        )  # fmt: skip
        self.ppo = PPO(self._policy, constants, environment.legality().choices, config)
        self._generators = {
            "environment": environment.generator,
            "actions": self.player.generator,
            "minibatches": self.ppo.generator,
        }

    def random_state(self) -> dict[str, Tensor]:
        """The states of all generators now."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The policy and its optimiser as they are now: the tensors themselves, no copies."""
        return {
            **_prefixed(_POLICY, self._policy.state_dict()),
            **_prefixed(_OPTIMISER, self.ppo.optimiser.state()),
        }

    def load(self, state: State) -> None:
        """Become what a state was taken of. Raises ValueError if that was something else."""
        policy, optimiser = _without(_POLICY, state.tensors), _without(_OPTIMISER, state.tensors)
        try:
            self._policy.load_state_dict(policy)
            self.ppo.optimiser.load(optimiser)
            for name, generator in self._generators.items():
                generator.set_state(state.generators[name].clone())
        except (RuntimeError, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
