"""Collecting rollouts: one episode in every environment, without host reads."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES
from esper_trainer.device.cuda_graphs import NO_CAPTURE, GraphCapture
from esper_trainer.device.static_buffers import overwrite
from esper_trainer.environments.morph.action_masks import ActionMasks
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.model.action_layout import ActionLayout
from esper_trainer.model.distributions import sample
from esper_trainer.model.policy import PolicyOutput, Tamiyo
from esper_trainer.ppo.rollout_buffer import Transitions, empty_transitions, store

TRACED_ENVIRONMENT = 0
"""The environment whose decisions and slots are reported in events."""


class SlotHistory(NamedTuple):
    """The slots of the traced environment over an episode.

    before, after: stages, int64 [T, 3]; blueprint int64, alpha, contribution float32, measured bool [T, 3],
    as in `StageChanges`.
    """

    before: Tensor
    after: Tensor
    blueprint: Tensor
    alpha: Tensor
    contribution: Tensor
    measured: Tensor


class CollectedRollout(NamedTuple):
    """One episode of every environment.

    transitions and slots are buffers that the next rollout overwrites. accuracy float32 [N] and stage int64
    [3, N]: at the end. rollbacks int64 [N]: in the episode.
    """

    transitions: Transitions
    slots: SlotHistory
    accuracy: Tensor
    stage: Tensor
    rollbacks: Tensor


class RolloutCollector:
    """Runs a policy in the environments and writes to buffers that every rollout overwrites.

    environment_rewards [T, N]: the rewards as the environment returns them, for comparison with those that
    the learner uses.
    """

    def __init__(
        self,
        policy: Tamiyo,
        environment: MorphEnvironment,
        layout: ActionLayout,
        *,
        seed: int,
        graphs: GraphCapture = NO_CAPTURE,
    ) -> None:
        self._policy, self._environment, self._layout = policy, environment, layout
        self.generator = torch.Generator(environment.device).manual_seed(seed)
        horizon, count = environment.preset.horizon, environment.environments
        self.transitions = empty_transitions(horizon, count, environment.observation_size, environment.device)
        self.environment_rewards = torch.zeros_like(self.transitions.rewards)
        self._slots = _empty_history(horizon, environment.device)
        self._state = tuple(part.clone() for part in policy.initial_state(count))
        self._time = torch.zeros(1, dtype=torch.int64, device=environment.device)
        self._step = graphs.wrap(
            "rollout step", self.step, (self.generator, environment.generator)
        )  # fmt: skip

    def collect(self, between_steps: Callable[[], None]) -> CollectedRollout:
        """Collect one episode; `between_steps` may raise to abandon it."""
        self.reset()
        for _ in range(self._environment.preset.horizon):
            between_steps()
            self._step()
        environment = self._environment
        return CollectedRollout(
            self.transitions, self._slots, environment.accuracy, environment.stage, environment.rollbacks
        )

    def reset(self) -> None:
        """Start an episode in every environment."""
        self._environment.reset()
        self._time.zero_()
        for part in self._state:
            part.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Observe, sample actions, step the environments and store the transition; time and state are on
        the device."""
        with torch.inference_mode():
            observations, legality = self._environment.observe(), self._environment.action_masks()
        # Outside of inference mode, in which autocast would convert the parameters again at every use.
        hidden, cell = self._state
        output = self._policy(observations.unsqueeze(0), (hidden, cell))
        with torch.inference_mode():
            self._act(observations, legality, output)

    def _act(self, observations: Tensor, legality: ActionMasks, output: PolicyOutput) -> None:
        choice = sample(
            output.logits, legality.op, legality.slot_by_op, legality.choices,
            self._layout, self.generator,
        )  # fmt: skip
        outcome = self._environment.step(choice.actions)
        store((self.environment_rewards,), self._time, (outcome.reward,))
        transitions = Transitions(
            observations=observations,
            ops=legality.op,
            slots=choice.slots,
            actions=choice.actions,
            log_probs=choice.log_probs,
            values=output.values,
            rewards=outcome.reward,
            alive=outcome.valid,
        )
        store(self.transitions, self._time, transitions)
        changes = outcome.stage_changes
        traced = (
            changes.previous_stage, changes.stage, changes.blueprint,
            changes.alpha, changes.contribution, changes.measured,
        )  # fmt: skip
        store(self._slots, self._time, (column[:, TRACED_ENVIRONMENT] for column in traced))
        overwrite(self._state, output.state)
        self._time.add_(1)


def _empty_history(horizon: int, device: torch.device) -> SlotHistory:
    def column(dtype: torch.dtype) -> Tensor:
        return torch.zeros(horizon, HEAD_SIZES["slot"], dtype=dtype, device=device)

    return SlotHistory(
        before=column(torch.int64),
        after=column(torch.int64),
        blueprint=column(torch.int64),
        alpha=column(torch.float32),
        contribution=column(torch.float32),
        measured=column(torch.bool),
    )
