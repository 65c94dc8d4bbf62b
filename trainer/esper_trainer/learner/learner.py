"""The learner: rollout collector and PPO with a shared policy, and its resumable state."""

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
    """Everything that determines the updates to come, taken between two updates.

    tensors: float32, on the device: those of policy and optimiser, by name.
    generators: the states of the random number generators, uint8, on the host.

    Environments are not part of it: every episode draws new ones from the generators.
    """

    tensors: dict[str, Tensor]
    generators: dict[str, Tensor]


class Learner:
    """A rollout collector and a PPO that share one policy.

    warn: called with one sentence about each degraded mode of operation.
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
        refusal = "updates communicate with other processes." if group.world_size > 1 else ""
        graphs = GraphCapture(device, warn, enabled=config.capture, refusal=refusal)
        self._updates = {
            level: graphs.wrap(
                f"update at telemetry level {level.name.lower()}",
                partial(
                    self.ppo.update,
                    self.collector.transitions,
                    level,
                    self.collector.environment_rewards,
                ),
                [self.ppo.generator],
            )
            for level in TelemetryLevel
        }
        self._measure_final = graphs.wrap(
            "evaluation after an update", partial(self.ppo.measure_final, self.collector.transitions)
        )
        self._generators = {
            "environment": environment.generator,
            "actions": self.collector.generator,
            "minibatches": self.ppo.generator,
        }

    def update(self, level: TelemetryLevel) -> Tensor:
        """Train on the last rollout; return packed measurements, which the next update overwrites."""
        return self._updates[level]()

    def measure_final(self) -> Tensor:
        """Evaluate the policy on the last rollout; return packed metrics, which the next call overwrites."""
        return self._measure_final()

    def generator_states(self) -> dict[str, Tensor]:
        """The present states of all generators."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of policy and optimiser, not copies of them."""
        return {
            **_prefixed(_POLICY, self._policy.state_dict()),
            **_prefixed(_OPTIMISER, self.ppo.optimiser.state_dict()),
        }

    def load(self, state: LearnerState) -> None:
        """Restore a state. Raises ValueError if it belongs to another configuration."""
        policy, optimiser = _without(_POLICY, state.tensors), _without(_OPTIMISER, state.tensors)
        try:
            self._policy.load_state_dict(policy)
            self.ppo.optimiser.load_state_dict(optimiser)
            states = {name: state.generators[name] for name in self._generators}
        except (RuntimeError, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error
        self._restore_generators(states)

    def _restore_generators(self, states: dict[str, Tensor]) -> None:
        """Restore the generators; for another kind of device derive new seeds from the states."""
        reseeded = [name for name, own in self.generator_states().items() if own.shape != states[name].shape]
        for name, generator in self._generators.items():
            if name in reseeded:
                generator.manual_seed(derived_seed(self._seed, f"{name}:{states[name].tolist()}"))
            else:
                generator.set_state(states[name].clone())
        if reseeded:
            self._warn(
                "The run resumes on another kind of device; its random number generators are reseeded."
            )


def environment_seed(config: TrainingConfig, group: ProcessGroup) -> int:
    """The seed of this process's environments: the run's seed, or one derived from it."""
    return derived_seed(config.seed, f"environment:{group.rank}") if group.rank else config.seed


def _rank_purpose(purpose: str, group: ProcessGroup) -> str:
    return f"{purpose}:{group.rank}" if group.rank else purpose


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
