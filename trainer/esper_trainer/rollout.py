"""Playing one episode in every environment, without host reads."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.buffer import Transitions, empty_rollout, store
from esper_trainer.distributions import sample
from esper_trainer.environment.morph import MorphEnvironment
from esper_trainer.layout import Layout
from esper_trainer.policy import State, Tamiyo

WATCHED = 0
"""The environment whose decisions and slots are told in events."""


class SlotHistory(NamedTuple):
    """What every step did to the slots of the watched environment.

    before, after: stages, int64 [T, 3]; blueprint int64, alpha, contribution float32, measured bool
    [T, 3], as in `StageChanges`.
    """

    before: Tensor
    after: Tensor
    blueprint: Tensor
    alpha: Tensor
    contribution: Tensor
    measured: Tensor


class Episode(NamedTuple):
    """One episode of every environment: what to learn from, and what to tell.

    accuracy float32 [N] and stage int64 [3, N] at the end; rollbacks int64 [N], in the episode.
    """

    rollout: Transitions
    slots: SlotHistory
    accuracy: Tensor
    stage: Tensor
    rollbacks: Tensor


class Player:
    """Plays a policy in the environments, into buffers that every episode overwrites."""

    def __init__(self, policy: Tamiyo, environment: MorphEnvironment, layout: Layout, *, seed: int) -> None:
        self._policy, self._environment, self._layout = policy, environment, layout
        self.generator = torch.Generator(environment.device).manual_seed(seed)
        horizon, count = environment.preset.horizon, environment.environments
        self._rollout = empty_rollout(horizon, count, environment.observation_size, environment.device)

    def play(self, between_steps: Callable[[], None]) -> Episode:
        """Play one episode; `between_steps` may raise to abandon it."""
        self._environment.reset()
        state = self._policy.initial_state(self._environment.environments)
        slots = []
        for step in range(self._environment.preset.horizon):
            between_steps()
            state, change = self.step(step, state)
            slots.append(change)
        history = SlotHistory(*(torch.stack(column) for column in zip(*slots, strict=True)))
        environment = self._environment
        return Episode(self._rollout, history, environment.accuracy, environment.stage, environment.rollbacks)

    @torch.no_grad()
    def step(self, step: int, state: State) -> tuple[State, SlotHistory]:
        """Observe, choose, act, and write it down."""
        environment = self._environment
        observations, legality = environment.observe(), environment.legality()
        output = self._policy(observations.unsqueeze(0), state)
        choice = sample(
            output.logits, legality.op, legality.slot_by_op, legality.choices,
            self._layout, self.generator,
        )  # fmt: skip
        outcome = environment.step(choice.actions)
        store(
            self._rollout,
            step,
            Transitions(
                observations=observations,
                ops=legality.op,
                slots=choice.slots,
                actions=choice.actions,
                log_probs=choice.log_probs,
                values=output.values,
                rewards=outcome.reward,
                alive=outcome.valid,
            ),
        )
        changes = outcome.stage_changes
        watched = (
            changes.previous_stage, changes.stage, changes.blueprint,
            changes.alpha, changes.contribution, changes.measured,
        )  # fmt: skip
        return output.state, SlotHistory(*(column[:, WATCHED] for column in watched))
