"""DEBUG telemetry: gradients, and the transitions whose probability ratios moved furthest."""

from typing import NamedTuple

from torch import Tensor

from esper_trainer.measure.gradient_collector import CollectedGradients
from esper_trainer.measure.minibatch_statistics import PolicyEvaluation
from esper_trainer.ppo.batch import RolloutBatch

MAX_TRANSITIONS = 5
"""Number of transitions that one diagnosis reports."""


class DebugDiagnostics(NamedTuple):
    """A policy after its update, evaluated on the rollout that it was trained on.

    First the fields of `CollectedGradients`. Then, per head in descending order, [8, K]: ratios, and steps,
    environments and actions of their transitions; the ratio is 1 where the head was irrelevant.
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
    environments = batch.observations.shape[1]
    moved = evaluation.log_ratios * batch.relevance
    worst = moved.abs().topk(min(MAX_TRANSITIONS, moved.shape[1]), dim=1).indices
    return DebugDiagnostics(
        *gradients,
        ratios=moved.gather(1, worst).exp(),
        steps=worst // environments,
        environments=worst % environments,
        actions=batch.actions.gather(1, worst),
    )
