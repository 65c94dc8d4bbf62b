"""What plays and what learns, and all that their future follows from."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.cuda_graphs import GraphRecorder, Told, tell_nobody
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import Player
from esper_trainer.ranks.process_group import ALONE, Group

_POLICY, _OPTIMISER = "policy.", "optimiser."


class LearnerState(NamedTuple):
    """Everything that the updates to come follow from, taken between two updates.

    tensors: float32, on the device: the policy's and the optimiser's, by name.
    generators: the states of the random number generators, uint8, on the host.

    The environments are not in it: every episode draws new ones from the generators.
    """

    tensors: dict[str, Tensor]
    generators: dict[str, Tensor]


class Learner:
    """A player and a PPO that share one policy.

    told: hears in a sentence if something runs slower than it should, once it does.
    """

    def __init__(
        self, config: TrainingConfig, device: torch.device, group: Group = ALONE, told: Told = tell_nobody
    ) -> None:
        self._seed, self._told = config.seed, told
        constants = layout(device)
        environment = MorphEnvironment(
            group.share(config), config.size, seed=environment_seed(config, group), device=device
        )
        self._policy = Tamiyo(
            environment.observation_size,
            config.hidden_size,
            seed=derived_seed(config.seed, "policy"),
            precision=config.precision,
        ).to(device)
        self.player = Player(
            self._policy,
            environment,
            constants,
            seed=derived_seed(config.seed, _of_rank("actions", group)),
            recorder=GraphRecorder(device, told, wanted=config.capture),
        )
        self.ppo = PPO(self._policy, constants, environment.legality().choices, config, group, told)
        refusal = "it waits for the other processes." if group.world_size > 1 else ""
        recorder = GraphRecorder(device, told, wanted=config.capture, refusal=refusal)
        self._updates = {
            level: recorder.replayable(
                f"update at telemetry level {level.name.lower()}",
                partial(self.ppo.update, self.player.rollout, level),
                [self.ppo.generator],
            )
            for level in TelemetryLevel
        }
        self._generators = {
            "environment": environment.generator,
            "actions": self.player.generator,
            "minibatches": self.ppo.generator,
        }

    def update(self, level: TelemetryLevel) -> Tensor:
        """Learn from the episode that was just played; the packed row, which the next update overwrites."""
        return self._updates[level]()

    def random_state(self) -> dict[str, Tensor]:
        """The states of all generators now."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The policy and its optimiser as they are now: the tensors themselves, no copies."""
        return {
            **_prefixed(_POLICY, self._policy.state_dict()),
            **_prefixed(_OPTIMISER, self.ppo.optimiser.state()),
        }

    def load(self, state: LearnerState) -> None:
        """Become what a state was taken of. Raises ValueError if that was something else."""
        policy, optimiser = _without(_POLICY, state.tensors), _without(_OPTIMISER, state.tensors)
        try:
            self._policy.load_state_dict(policy)
            self.ppo.optimiser.load(optimiser)
            states = {name: state.generators[name] for name in self._generators}
        except (RuntimeError, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error
        self._draw_on(states)

    def _draw_on(self, states: dict[str, Tensor]) -> None:
        """Let the generators go on; those of another kind of device begin anew, as the states decide."""
        anew = [name for name, own in self.random_state().items() if own.shape != states[name].shape]
        for name, generator in self._generators.items():
            if name in anew:
                generator.manual_seed(derived_seed(self._seed, f"{name}:{states[name].tolist()}"))
            else:
                generator.set_state(states[name].clone())
        if anew:
            self._told("The run goes on on another kind of device, so its random numbers begin anew.")


def environment_seed(config: TrainingConfig, group: Group) -> int:
    """What the environments of this process are drawn from: the run's seed, or one derived from it."""
    return derived_seed(config.seed, f"environment:{group.rank}") if group.rank else config.seed


def _of_rank(purpose: str, group: Group) -> str:
    return f"{purpose}:{group.rank}" if group.rank else purpose


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
