"""The environment: host networks in training, and a policy that decides how seeds grow in them.

One environment step applies the action, advances the lifecycle of all slots by one step, trains every host
for a few gradient steps, and evaluates it on its validation subset. Everything is batched over the
environments, stays on the device, and depends on (seed, device) alone: equal seeds and actions give equal
bits. No tensor is read on the host.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Op
from esper_trainer.device.devices import raise_mmap_threshold
from esper_trainer.device.static_buffers import overwrite, owned
from esper_trainer.environments.morph import episode_state, host_rollback, rewards
from esper_trainer.environments.morph.action_masks import (
    ActionMasks,
    action_masks,
    is_legal,
    slot_masks,
    static_choices,
)
from esper_trainer.environments.morph.networks.host_population import HostPopulation
from esper_trainer.environments.morph.observation import OBSERVATION_SIZE, SeedFeatures, observe
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.environments.morph.random_source import RandomSource
from esper_trainer.environments.morph.seeds import alpha_controller, lifecycle, stage_gates
from esper_trainer.environments.morph.seeds.lifecycle import Action, Slots


class StageChanges(NamedTuple):
    """What a step did to the slots; later steps do not write to these tensors.

    previous_stage, stage, blueprint: int64 [3, N]; the blueprint is kept in the step that removes the seed.
    alpha: float32 [3, N], after the step.
    op, slot: int64 [N], the op that took effect (WAIT for an illegal one) and the chosen slot.
    legal: bool [N], False where the action was illegal.
    contribution: float32 [3, N], accuracy minus accuracy without the seed, 0 where not measured.
    measured: bool [3, N], True where a seed took part in the forward pass.
    """

    previous_stage: Tensor
    stage: Tensor
    blueprint: Tensor
    alpha: Tensor
    op: Tensor
    slot: Tensor
    legal: Tensor
    contribution: Tensor
    measured: Tensor


class StepResult(NamedTuple):
    """The result of a step.

    reward: float32 [N], 0 in environments that were suspended.
    valid: bool [N], False in environments that were suspended.
    """

    reward: Tensor
    valid: Tensor
    stage_changes: StageChanges


class _State(NamedTuple):
    slots: Slots
    episode: episode_state.EpisodeState
    restore_point: host_rollback.RestorePoint


class MorphEnvironment:
    """N environments of one preset on one device, all at the same time step.

    A host whose validation loss explodes or is not finite is suspended and rolled back, see `host_rollback`.

    Every episode lasts `preset.horizon` steps; then call `reset`. All state keeps its memory, so that a step
    can be captured as a CUDA graph; the result of a step belongs to the caller.
    """

    observation_size: ClassVar[int] = OBSERVATION_SIZE

    def __init__(self, environments: int, preset: Preset, *, seed: int, device: torch.device) -> None:
        raise_mmap_threshold()
        self.environments = environments
        self.preset = preset
        self.device = device
        self.population = HostPopulation(environments, preset, RandomSource(seed, device))
        self._alpha_tables = alpha_controller.build_tables(device)
        self._potentials = rewards.potential_table(device)
        self._choices = static_choices(device)
        self._slots, self._episode, self._restore_point = owned(self._new_episode())
        self._slot_masks = self._compute_slot_masks()

    def reset(self) -> None:
        """Start a new episode in every environment: new hosts, new validation subsets, no seeds."""
        self.population.reset()
        self._write_state(self._new_episode())

    def _new_episode(self) -> _State:
        slots = lifecycle.empty(self.environments, self.device)
        begun = episode_state.begin(self.population.evaluate(self.population.modes(slots)))
        return _State(slots, begun, host_rollback.begin(begun, slots))

    def _write_state(self, state: _State) -> None:
        overwrite(self._state, state)
        self._slot_masks.copy_(self._compute_slot_masks())

    @property
    def _state(self) -> _State:
        return _State(self._slots, self._episode, self._restore_point)

    def observe(self) -> Tensor:
        """The observation, float32 [N, 116]; `observation_table` names its features."""
        slots, population = self._slots, self.population
        features = SeedFeatures(
            parameter_ratio=population.parameter_ratio(slots),
            rectified=population.rectified(slots),
            attends=population.attends(slots),
            gradient_norm=population.gradient_norm.nan_to_num(),
            tempo_steps=self._alpha_tables.tempo_steps[slots.tempo],
        )
        return observe(self._episode, slots, features, self.preset.horizon)

    def action_masks(self) -> ActionMasks:
        """The choices that are legal now."""
        return action_masks(self._slot_masks, self._choices)

    def step(self, action: Tensor) -> StepResult:
        """Apply `action` (int64 [8, N], rows in the order of `HEADS`) and train the hosts.

        An illegal action takes effect as WAIT and is penalised.
        """
        slots, previous = self._slots, self._episode
        effective, legal = self._mask_illegal(Action(*action))
        updated = self._apply_action(effective)
        modes = self.population.modes(updated)
        self.population.train(modes, updated.is_learning)
        evaluation = self.population.evaluate(modes)
        current = episode_state.advance(previous, evaluation, effective.op, legal, (slots, updated))
        reward = rewards.reward(self._reward_inputs((slots, updated), (previous, current)))
        reward = reward.masked_fill(~current.alive, -rewards.ROLLBACK).masked_fill(~previous.alive, 0)
        after = self._roll_back(previous, current, updated)
        result = StepResult(reward, previous.alive.clone(), _stage_changes(slots, effective, after))
        self._write_state(after)
        return result

    @property
    def generator(self) -> torch.Generator:
        """The generator of all random numbers; `reset` draws everything else from it."""
        return self.population.generator

    @property
    def accuracy(self) -> Tensor:
        """Validation accuracy of the hosts with their seeds, float32 [N], 0 to 1."""
        return self._episode.accuracies[-1].clone()

    @property
    def rollbacks(self) -> Tensor:
        """Rollbacks of every host in this episode, int64 [N]."""
        return self._episode.rollbacks.clone()

    @property
    def stage(self) -> Tensor:
        """The stage of every slot, int64 [3, N], `Stage` values."""
        return self._slots.stage.clone()

    @property
    def stage_age(self) -> Tensor:
        """Steps that every slot has spent in its stage, int64 [3, N]."""
        return self._slots.stage_age.clone()

    @property
    def blueprint(self) -> Tensor:
        """The blueprint in every slot, int64 [3, N]; NOOP where there is none."""
        return self._slots.blueprint.clone()

    @property
    def alpha(self) -> Tensor:
        """The blend weight of every slot, float32 [3, N]."""
        return self._slots.alpha.value.clone()

    def _mask_illegal(self, action: Action) -> tuple[Action, Tensor]:
        """Replace illegal ops by WAIT; also return which actions were legal, bool [N]."""
        legal = is_legal(action, self._slot_masks, self._choices)
        return action._replace(op=torch.where(legal, action.op, int(Op.WAIT))), legal

    def _compute_slot_masks(self) -> Tensor:
        inputs = stage_gates.GateInputs(self.population.gradient_norm, self._episode.average_contribution)
        gates_passed = stage_gates.gates_passed(self._slots, inputs, self.preset.gates)
        return slot_masks(self._slots, self._episode.alive, gates_passed)

    def _apply_action(self, action: Action) -> Slots:
        """The slots after the action and one step of time; new seeds get their weights."""
        slots = lifecycle.apply(self._slots, action, self._alpha_tables)
        self.population.germinate(action.op == Op.GERMINATE, action.slot, action.blueprint)
        return lifecycle.pass_time(slots, self._alpha_tables)

    def _roll_back(
        self, previous: episode_state.EpisodeState, current: episode_state.EpisodeState, updated: Slots
    ) -> _State:
        """Restore one host that was suspended before this step, and save some of the healthy ones."""
        population, saved = self.population, self._restore_point
        current, updated = host_rollback.restore(saved, population, ~previous.alive, current, updated)
        return _State(updated, current, host_rollback.save(saved, population, current, updated))

    def _reward_inputs(
        self,
        slots: tuple[Slots, Slots],
        episodes: tuple[episode_state.EpisodeState, episode_state.EpisodeState],
    ) -> rewards.RewardInputs:
        """What changed from the first to the second element of each pair."""
        (before, after), (previous, current) = slots, episodes
        potential = self._potentials[after.stage].sum(0)
        return rewards.RewardInputs(
            accuracy_gain=current.accuracies[-1] - previous.accuracies[-1],
            contribution=current.contribution,
            parameter_ratio=self.population.parameter_ratio(after).sum(0),
            potential_before=self._potentials[before.stage].sum(0),
            potential_after=potential * (current.time < self.preset.horizon),
            legal=current.legal,
        )


def _stage_changes(before: Slots, action: Action, state: _State) -> StageChanges:
    after, current = state.slots, state.episode
    return StageChanges(
        previous_stage=before.stage.clone(),
        stage=after.stage,
        blueprint=torch.where(after.active, after.blueprint, before.blueprint),
        alpha=after.alpha.value,
        op=action.op,
        slot=action.slot,
        legal=current.legal,
        contribution=current.contribution,
        measured=after.alpha.value > 0,
    )
