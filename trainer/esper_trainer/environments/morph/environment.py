"""The environment: networks that grow while they are trained, and a policy that says how.

One environment step is: carry out the choice, let time pass in the slots, train every host for a
few real gradient steps, and measure on its validation subset what came of it. Everything is
batched over the environments, stays on the device, and follows from (seed, device) alone: equal
seeds and actions give equal bits. Nothing here reads a tensor on the host.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Op
from esper_trainer.device.devices import keep_freed_memory
from esper_trainer.device.static_buffers import overwrite, owned
from esper_trainer.environments.morph import episode_state, host_rollback, rewards
from esper_trainer.environments.morph.action_masks import (
    Legality,
    head_choices,
    is_legal,
    legality,
    open_slots,
)
from esper_trainer.environments.morph.networks.host_population import Population
from esper_trainer.environments.morph.observation import OBSERVATION_SIZE, SeedFacts, observe
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.environments.morph.random_source import Draws
from esper_trainer.environments.morph.seeds import alpha_controller, lifecycle, stage_gates
from esper_trainer.environments.morph.seeds.lifecycle import Action, Slots


class StageChanges(NamedTuple):
    """What a step did to the slots: tensors of their own that no later step writes to.

    previous_stage, stage, blueprint: int64 [3, N]; of a seed that has just gone, its blueprint.
    alpha: float32 [3, N], after the step.
    op, slot: int64 [N], the op that took effect (WAIT for an illegal one) and the chosen slot.
    legal: bool [N], False where the choice was illegal.
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


class Step(NamedTuple):
    """What a step returns.

    reward: float32 [N], 0 in environments that were suspended.
    valid: bool [N], False in environments that were suspended.
    """

    reward: Tensor
    valid: Tensor
    stage_changes: StageChanges


class _State(NamedTuple):
    slots: Slots
    episode: episode_state.Episode
    saved: host_rollback.Saved


class MorphEnvironment:
    """N environments of one preset on one device, in step with each other.

    A host whose loss explodes, or is no number, is suspended and rolled back; see `governor`.

    Every episode lasts `preset.horizon` steps; after those, call `reset`. All state stays in the same
    memory for ever, so that a step can be recorded; what a step returns is its caller's.
    """

    observation_size: ClassVar[int] = OBSERVATION_SIZE

    def __init__(self, environments: int, preset: Preset, *, seed: int, device: torch.device) -> None:
        keep_freed_memory()
        self.environments = environments
        self.preset = preset
        self.device = device
        self._population = Population(environments, preset, Draws(seed, device))
        self._alpha_tables = alpha_controller.build_tables(device)
        self._potentials = rewards.potential_table(device)
        self._choices = head_choices(device)
        self._slots, self._episode, self._saved = owned(self._new_episode())
        self._open = self._open_slots()

    def reset(self) -> None:
        """Begin a new episode in every environment: new hosts, new validation subsets, no seeds."""
        self._population.reset()
        self._become(self._new_episode())

    def _new_episode(self) -> _State:
        slots = lifecycle.empty(self.environments, self.device)
        begun = episode_state.begin(self._population.evaluate(self._population.roles(slots)))
        return _State(slots, begun, host_rollback.begin(begun, slots))

    def _become(self, state: _State) -> None:
        overwrite(self._state, state)
        self._open.copy_(self._open_slots())

    @property
    def _state(self) -> _State:
        return _State(self._slots, self._episode, self._saved)

    def observe(self) -> Tensor:
        """The observation [N, 116]; `observation` says what each number is."""
        slots, population = self._slots, self._population
        facts = SeedFacts(
            parameter_ratio=population.parameter_ratio(slots),
            rectified=population.rectified(slots),
            attends=population.attends(slots),
            gradient_norm=population.gradient_norm.nan_to_num(),
            tempo_steps=self._alpha_tables.tempo_steps[slots.tempo],
        )
        return observe(self._episode, slots, facts, self.preset.horizon)

    def legality(self) -> Legality:
        """What may be chosen now."""
        return legality(self._open, self._choices)

    def step(self, action: Tensor) -> Step:
        """Carry out `action` (int64 [8, N], rows in the order of `HEADS`) and train the hosts.

        An illegal choice acts as WAIT and costs a little.
        """
        slots, past = self._slots, self._episode
        choice, legal = self._admit(Action(*action))
        grown = self._grow(choice)
        roles = self._population.roles(grown)
        self._population.train(roles, grown.learns)
        now = episode_state.advance(past, self._population.evaluate(roles), choice.op, legal, (slots, grown))
        reward = rewards.reward(self._outcome((slots, grown), (past, now)))
        reward = reward.masked_fill(~now.alive, -rewards.ROLLBACK).masked_fill(~past.alive, 0)
        after = self._govern(past, now, grown)
        result = Step(reward, past.alive.clone(), _stage_changes(slots, choice, after))
        self._become(after)
        return result

    @property
    def generator(self) -> torch.Generator:
        """Where all draws come from; `reset` makes everything else anew."""
        return self._population.generator

    @property
    def accuracy(self) -> Tensor:
        """Validation accuracy [N] of the hosts with their seeds, 0..1."""
        return self._episode.accuracies[-1].clone()

    @property
    def rollbacks(self) -> Tensor:
        """How often every host was rolled back in this episode, int64 [N]."""
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

    def _admit(self, action: Action) -> tuple[Action, Tensor]:
        """Turn illegal ops into WAIT; also say which choices were legal."""
        legal = is_legal(action, self._open, self._choices)
        return action._replace(op=torch.where(legal, action.op, int(Op.WAIT))), legal

    def _open_slots(self) -> Tensor:
        evidence = stage_gates.Evidence(self._population.gradient_norm, self._episode.average_contribution)
        passed = stage_gates.passed(self._slots, evidence, self.preset.gates)
        return open_slots(self._slots, self._episode.alive, passed)

    def _grow(self, choice: Action) -> Slots:
        """The slots after the choice and after one step of time; new seeds get their cells."""
        slots = lifecycle.apply(self._slots, choice, self._alpha_tables)
        self._population.germinate(choice.op == Op.GERMINATE, choice.slot, choice.blueprint)
        return lifecycle.pass_time(slots, self._alpha_tables)

    def _govern(self, past: episode_state.Episode, now: episode_state.Episode, grown: Slots) -> _State:
        """Restore a host that was suspended before this step, and save some of those that are well."""
        population = self._population
        now, grown = host_rollback.restore(self._saved, population, ~past.alive, now, grown)
        return _State(grown, now, host_rollback.save(self._saved, population, now, grown))

    def _outcome(
        self, slots: tuple[Slots, Slots], episodes: tuple[episode_state.Episode, episode_state.Episode]
    ) -> rewards.Outcome:
        """What changed from the first to the second of each pair."""
        (before, after), (past, now) = slots, episodes
        potential = self._potentials[after.stage].sum(0)
        return rewards.Outcome(
            accuracy_gain=now.accuracies[-1] - past.accuracies[-1],
            contribution=now.contribution,
            parameter_ratio=self._population.parameter_ratio(after).sum(0),
            potential_before=self._potentials[before.stage].sum(0),
            potential_after=potential * (now.time < self.preset.horizon),
            legal=now.legal,
        )


def _stage_changes(before: Slots, choice: Action, state: _State) -> StageChanges:
    after, now = state.slots, state.episode
    return StageChanges(
        previous_stage=before.stage.clone(),
        stage=after.stage,
        blueprint=torch.where(after.active, after.blueprint, before.blueprint),
        alpha=after.alpha.value,
        op=choice.op,
        slot=choice.slot,
        legal=now.legal,
        contribution=now.contribution,
        measured=after.alpha.value > 0,
    )
