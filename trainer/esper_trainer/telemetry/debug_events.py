"""Events of diagnoses: gradients of layers and heads, and exploding probability ratios."""

import math
from collections.abc import Collection, Iterator
from itertools import combinations

from esper_schemas.events import (
    Event,
    HeadGradientsCompared,
    LayerGradientsSampled,
    RatioExplosionDiagnosed,
)
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, head_field
from esper_trainer.measure.debug_diagnostics import DebugDiagnostics, WorstTransitions
from esper_trainer.measure.gradient_collector import LOSS_PARTS, CollectedGradients
from esper_trainer.ppo.policy_optimiser import LayerInfo


def diagnostic_events(update: int, layers: LayerInfo, diagnostics: DebugDiagnostics) -> Iterator[Event]:
    """The events of DEBUG telemetry for diagnostics that are on the host."""
    collected = len(CollectedGradients._fields)
    gradients, transitions = CollectedGradients(*diagnostics[:collected]), diagnostics[collected:]
    yield from gradient_events(update, layers.names, layers.magnitude_bounds, gradients)
    yield from explosion_events(update, WorstTransitions(*transitions))


def explosion_events(
    update: int, transitions: WorstTransitions, heads: Collection[str] = ()
) -> Iterator[RatioExplosionDiagnosed]:
    """The transitions, on the host, whose ratios are critical.

    heads: those whose ratios exploded during the update; if none is critical after it, those that rose.
    """
    for index, head in enumerate(HEADS):
        rows = list(zip(*(column[index].tolist() for column in transitions), strict=True))
        exploding = [row for row in rows if _explodes(head, row[0])]
        if head in heads and not exploding:
            exploding = [row for row in rows if row[0] > 1.0]
        if exploding:
            ratios, *indices = zip(*exploding, strict=True)
            steps, environments, actions = (tuple(map(int, column)) for column in indices)
            yield RatioExplosionDiagnosed(
                update=update, head=head, ratios=ratios,
                steps=steps, environments=environments, actions=actions,
            )  # fmt: skip


def _explodes(head: str, ratio: float) -> bool:
    bands = CATALOGUE[head_field(head, "ratio_max")].metric.bands
    return bands.is_critical(ratio) or not math.isfinite(ratio)


def gradient_events(
    update: int, names: tuple[str, ...], bounds: tuple[float, ...], collected: CollectedGradients
) -> Iterator[Event]:
    """The events of gradients that are on the host; `names` are those of the parameters."""
    yield LayerGradientsSampled(
        update=update,
        grad_norms=dict(zip(names, collected.layers.tolist(), strict=True)),
        magnitude_bounds=bounds,
        magnitudes={
            name: tuple(map(int, counts))
            for name, counts in zip(names, collected.magnitudes.tolist(), strict=True)
        },
    )
    norms, cosines = collected.trunk_norms.tolist(), collected.cosines.tolist()
    contributing = [index for index, norm in enumerate(norms) if norm != 0]
    yield HeadGradientsCompared(
        update=update,
        heads=tuple(LOSS_PARTS[index] for index in contributing),
        norms=tuple(norms[index] for index in contributing),
        cosines=tuple(cosines[one][other] for one, other in combinations(contributing, 2)),
    )
