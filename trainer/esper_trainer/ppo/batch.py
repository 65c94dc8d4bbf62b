"""The training batch of an update: a rollout with advantages and masks, split by environments."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.model.action_layout import OP, ActionLayout
from esper_trainer.model.distributions import choice_mask, mask_penalties
from esper_trainer.ppo.gae import advantages, td_errors
from esper_trainer.ppo.rollout_buffer import Transitions
from esper_trainer.ranks.process_group import ALONE, ProcessGroup

MIN_DEVIATION = 1e-8


class RolloutBatch(NamedTuple):
    """Whole episodes of B environments; float32 unless noted.

    observations [T, B, O]. penalty [41, T, B], see `distributions.mask_penalties`.
    Per head and step, [8, T, B]: actions int64, old_log_probs, relevance (1 where the chosen op uses the
    head), availability (1 where a legal op could use it), learnable (1 where the head is relevant and has
    more than one legal choice), learnable_scale (learnable divided by ln of the number of legal choices).
    Per step, [T, B]: advantages (normalised, 0 where the step is not valid), returns, old_values, alive (1
    where the step is valid).
    """

    observations: Tensor
    penalty: Tensor
    actions: Tensor
    old_log_probs: Tensor
    relevance: Tensor
    availability: Tensor
    learnable: Tensor
    learnable_scale: Tensor
    advantages: Tensor
    returns: Tensor
    old_values: Tensor
    alive: Tensor

    def select(self, environments: Tensor) -> "RolloutBatch":
        """The batch of some environments, int64 indices."""
        observations, *others = self
        return RolloutBatch(
            observations.index_select(1, environments),
            *(other.index_select(-1, environments) for other in others),
        )

    def unflatten(self, steps: torch.Size) -> "RolloutBatch":
        """The inverse of `flatten`."""
        observations, *others = self
        return RolloutBatch(observations, *(other.view(*other.shape[:-1], *steps) for other in others))

    def flatten(self) -> "RolloutBatch":
        """Merge steps and environments into one dimension N; observations are left unchanged."""
        observations, *others = self
        return RolloutBatch(observations, *(other.flatten(-2) for other in others))


class Moments(NamedTuple):
    """Mean and population standard deviation over valid steps, 0-d each."""

    mean: Tensor
    std: Tensor


class Targets(NamedTuple):
    """Targets of actor and critic, [T, B] each; advantages are not normalised.

    td_errors are the one-step errors from which the advantages are computed, 0 where a step is not valid.
    """

    advantages: Tensor
    returns: Tensor
    values: Tensor
    alive: Tensor
    td_errors: Tensor


def compute_targets(rollout: Transitions, gamma: float, gae_lambda: float) -> Targets:
    """Compute advantages and returns of a rollout by GAE."""
    alive = rollout.alive.float()
    deltas = td_errors(rollout.rewards, rollout.values, alive, gamma)
    raw = advantages(deltas, alive, gamma, gae_lambda)
    return Targets(raw, raw + rollout.values, rollout.values, alive, deltas)


class StepCounts(NamedTuple):
    """Numbers of steps of a minibatch, over all processes: relevance, availability [8]; alive 0-d."""

    relevance: Tensor
    availability: Tensor
    alive: Tensor


def count_steps(batch: RolloutBatch) -> StepCounts:
    """The counts of a flat batch of this process."""
    return StepCounts(batch.relevance.sum(1), batch.availability.sum(1), batch.alive.sum())


def moments(values: Tensor, weights: Tensor, group: ProcessGroup = ALONE) -> Moments:
    """Weighted mean and standard deviation over all elements, over all processes of a group."""
    if group.world_size > 1:
        exact, share = values.double(), weights.double()
        parts = torch.stack((share.sum(), (exact * share).sum(), (exact.square() * share).sum()))
        total, first, second = group.sum_(parts)
        mean = first / total.clamp_min(1.0)
        variance = (second / total.clamp_min(1.0) - mean.square()).clamp_min(0.0)
        return Moments(mean.to(values.dtype), variance.sqrt().to(values.dtype))
    total = weights.sum().clamp_min(1.0)
    mean = (values * weights).sum() / total
    return Moments(mean, ((values - mean).square() * weights).sum().div(total).sqrt())


class RecordedChoices(NamedTuple):
    """The choices of a rollout, flat.

    mask bool [8, 13, N]: the legal ones. ops bool [6, N]: the legal ops. Per head [8, N]: actions int64,
    log_probs of the policy that acted, relevance (1 where the chosen op uses the head).
    """

    mask: Tensor
    ops: Tensor
    actions: Tensor
    log_probs: Tensor
    relevance: Tensor


def recorded_choices(
    rollout: Transitions, choices: Tensor, layout: ActionLayout, alive: Tensor
) -> RecordedChoices:
    """The choices of a rollout.

    choices: bool [8, 13], the static mask of the choices that each head offers. alive [N].
    """
    ops, slots, actions, log_probs = (
        column.movedim(0, 1).flatten(1)
        for column in (rollout.ops, rollout.slots, rollout.actions, rollout.log_probs)
    )
    relevance = layout.causal.index_select(1, actions[OP]) * alive
    return RecordedChoices(choice_mask(choices, ops, slots), ops, actions, log_probs, relevance)


def make_batch(
    rollout: Transitions,
    targets: Targets,
    choices: Tensor,
    layout: ActionLayout,
    normalisation: Moments | None = None,
) -> RolloutBatch:
    """Build the batch of a whole rollout.

    choices: bool [8, 13], the static mask of the choices that each head offers. normalisation: moments of
    the advantages over all processes; default: over this rollout.
    """
    mean, std = normalisation or moments(targets.advantages, targets.alive)
    alive = targets.alive.flatten()
    mask, ops, actions, log_probs, relevance = recorded_choices(rollout, choices, layout, alive)
    count = mask.sum(1)
    learnable = relevance * (count > 1)
    return RolloutBatch(
        rollout.observations,
        mask_penalties(mask, layout),
        actions=actions,
        old_log_probs=log_probs,
        relevance=relevance,
        availability=(layout.causal @ ops.float()).clamp_max(1.0) * alive,
        learnable=learnable,
        learnable_scale=learnable / count.clamp_min(2).log(),
        advantages=(targets.advantages.flatten() - mean) / (std + MIN_DEVIATION) * alive,
        returns=targets.returns.flatten(),
        old_values=targets.values.flatten(),
        alive=alive,
    ).unflatten(targets.alive.shape)
