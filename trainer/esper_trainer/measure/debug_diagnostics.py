"""DEBUG telemetry: gradients, and the transitions whose probability ratios moved furthest."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.measure.gradient_collector import CollectedGradients
from esper_trainer.measure.minibatch_statistics import PolicyEvaluation
from esper_trainer.ppo.batch import RolloutBatch

MAX_TRANSITIONS = 5
"""Number of transitions that one diagnosis reports of those that became more probable, and of the others."""


class WorstTransitions(NamedTuple):
    """The transitions whose ratios moved furthest, by head, [8, 2 K] each.

    ratios, and steps, environments and actions of their transitions. The first K became most probable, the
    last K most improbable, the furthest first; the ratio is 1 where there are fewer, and where the head was
    irrelevant. One that is not a number is among the first.
    """

    ratios: Tensor
    steps: Tensor
    environments: Tensor
    actions: Tensor


class DebugDiagnostics(NamedTuple):
    """A policy after its update, evaluated on the rollout that it was trained on.

    First the fields of `CollectedGradients`, then those of `WorstTransitions`.
    """

    layers: Tensor
    magnitudes: Tensor
    trunk_norms: Tensor
    cosines: Tensor
    ratios: Tensor
    steps: Tensor
    environments: Tensor
    actions: Tensor


def debug_diagnostics(
    evaluation: PolicyEvaluation, batch: RolloutBatch, gradients: CollectedGradients
) -> DebugDiagnostics:
    """Diagnose an evaluation of a flat batch (observations [T, B, O]) and its gradients."""
    return DebugDiagnostics(*gradients, *worst_transitions(evaluation, batch))


def worst_transitions(evaluation: PolicyEvaluation, batch: RolloutBatch) -> WorstTransitions:
    """Find the transitions of a flat batch (observations [T, B, O]) whose ratios are furthest from 1."""
    environments = batch.observations.shape[1]
    moved = evaluation.log_ratios * batch.relevance
    count = min(MAX_TRANSITIONS, moved.shape[1])
    risen, most_risen = moved.clamp_min(0.0).topk(count, dim=1)
    fallen, most_fallen = moved.neg().clamp_min(0.0).nan_to_num(0.0).topk(count, dim=1)
    worst = torch.cat((most_risen, most_fallen), dim=1)
    return WorstTransitions(
        ratios=torch.cat((risen, -fallen), dim=1).exp(),
        steps=worst // environments,
        environments=worst % environments,
        actions=batch.actions.gather(1, worst),
    )
