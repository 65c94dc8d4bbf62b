"""DEBUG telemetry: which transitions moved furthest, and where the gradients come from."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from esper_schemas.events import (
    Event,
    NumericalInstabilityReported,
    RatioExplosionDiagnosed,
)
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, head_field
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.measure.gradient_collector import CollectedGradients, gradient_events
from esper_trainer.measure.minibatch_statistics import PolicyEvaluation
from esper_trainer.ppo.batch import Batch
from esper_trainer.ppo.policy_optimiser import LayerInfo

MAX_TRANSITIONS = 5
"""How many transitions one diagnosis names."""


class DebugDiagnostics(NamedTuple):
    """A policy after its update, held against the rollout that it learnt from.

    First `CollectedGradients`. Then, per head, worst first, [8, K]: ratios, and steps, environments and
    actions of the transitions that they are from; ratio 1 where the head was irrelevant.
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
    evaluation: PolicyEvaluation, batch: Batch, gradients: CollectedGradients
) -> DebugDiagnostics:
    """Of an evaluation of a flat batch whose observations [T, B, O] are not flat, and its gradients."""
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


def diagnostic_events(update: int, layers: LayerInfo, examination: DebugDiagnostics) -> Iterator[Event]:
    """What DEBUG telemetry tells beside the payload; the examination lies on the host."""
    collected = len(CollectedGradients._fields)
    gradients, transitions = CollectedGradients(*examination[:collected]), examination[collected:]
    yield from gradient_events(update, layers.names, layers.magnitude_bounds, gradients)
    for index, head in enumerate(HEADS):
        rows = (column[index].tolist() for column in transitions)
        beyond = [row for row in zip(*rows, strict=True) if _explodes(head, row[0])]
        if beyond:
            ratios, *places = zip(*beyond, strict=True)
            steps, environments, actions = (tuple(map(int, column)) for column in places)
            yield RatioExplosionDiagnosed(
                update=update, head=head, ratios=ratios,
                steps=steps, environments=environments, actions=actions,
            )  # fmt: skip


def _explodes(head: str, ratio: float) -> bool:
    bands = CATALOGUE[head_field(head, "ratio_max")].metric.bands
    return bands.is_critical(ratio) or not math.isfinite(ratio)


def instability_events(
    update: int, payload: PPOUpdatePayload, returns_not_finite: int = 0
) -> Iterator[Event]:
    """A report if the update met anything that is not finite; at every level.

    The counts are those of the gradient; `where` begins with what came first.
    """
    nan, inf = payload.nan_grad_count or 0, payload.inf_grad_count or 0
    broken = {
        "reward": returns_not_finite > 0,
        "loss": not (math.isfinite(payload.policy_loss) and math.isfinite(payload.value_loss)),
        "gradient": nan + inf > 0,
    }
    if any(broken.values()):
        yield NumericalInstabilityReported(
            update=update,
            nan_count=nan,
            inf_count=inf,
            where=tuple(place for place, is_broken in broken.items() if is_broken),
            grad_norm_pre_clip=payload.grad_norm_pre_clip,
        )
