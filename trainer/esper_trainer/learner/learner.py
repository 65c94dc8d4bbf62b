"""What plays and what learns, and all that their future follows from."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.cuda_graphs import GraphCapture, Warn, ignore_warning
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.ranks.process_group import ALONE, ProcessGroup

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

    warn: hears in a sentence if something runs slower than it should, once it does.
    """

    def __init__(
        self,
        config: TrainingConfig,
        device: torch.device,
        group: ProcessGroup = ALONE,
        warn: Warn = ignore_warning,
    ) -> None:
        self._seed, self._warn = config.seed, warn
        constants = action_layout(device)
        environment = MorphEnvironment(
            group.local_environments(config), config.size, seed=environment_seed(config, group), device=device
        )
        self._policy = Tamiyo(
            environment.observation_size,
            config.hidden_size,
            seed=derived_seed(config.seed, "policy"),
            precision=config.precision,
        ).to(device)
        self.collector = RolloutCollector(
            self._policy,
            environment,
            constants,
            seed=derived_seed(config.seed, _rank_purpose("actions", group)),
            graphs=GraphCapture(device, warn, enabled=config.capture),
        )
        self.ppo = PPO(self._policy, constants, environment.action_masks().choices, config, group, warn)
        refusal = "it waits for the other processes." if group.world_size > 1 else ""
        graphs = GraphCapture(device, warn, enabled=config.capture, refusal=refusal)
        self._updates = {
            level: graphs.wrap(
                f"update at telemetry level {level.name.lower()}",
                partial(self.ppo.update, self.collector.transitions, level),
                [self.ppo.generator],
            )
            for level in TelemetryLevel
        }
        self._generators = {
            "environment": environment.generator,
            "actions": self.collector.generator,
            "minibatches": self.ppo.generator,
        }

    def update(self, level: TelemetryLevel) -> Tensor:
        """Learn from the episode that was just played; the packed row, which the next update overwrites."""
        return self._updates[level]()

    def generator_states(self) -> dict[str, Tensor]:
        """The states of all generators now."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The policy and its optimiser as they are now: the tensors themselves, no copies."""
        return {
            **_prefixed(_POLICY, self._policy.state_dict()),
            **_prefixed(_OPTIMISER, self.ppo.optimiser.state_dict()),
        }

    def load(self, state: LearnerState) -> None:
        """Become what a state was taken of. Raises ValueError if that was something else."""
        policy, optimiser = _without(_POLICY, state.tensors), _without(_OPTIMISER, state.tensors)
        try:
            self._policy.load_state_dict(policy)
            self.ppo.optimiser.load_state_dict(optimiser)
            states = {name: state.generators[name] for name in self._generators}
        except (RuntimeError, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error
        self._restore_generators(states)

    def _restore_generators(self, states: dict[str, Tensor]) -> None:
        """Let the generators go on; those of another kind of device begin anew, as the states decide."""
        anew = [name for name, own in self.generator_states().items() if own.shape != states[name].shape]
        for name, generator in self._generators.items():
            if name in anew:
                generator.manual_seed(derived_seed(self._seed, f"{name}:{states[name].tolist()}"))
            else:
                generator.set_state(states[name].clone())
        if anew:
            self._warn("The run goes on on another kind of device, so its random numbers begin anew.")


def environment_seed(config: TrainingConfig, group: ProcessGroup) -> int:
    """What the environments of this process are drawn from: the run's seed, or one derived from it."""
    return derived_seed(config.seed, f"environment:{group.rank}") if group.rank else config.seed


def _rank_purpose(purpose: str, group: ProcessGroup) -> str:
    return f"{purpose}:{group.rank}" if group.rank else purpose


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
