"""The type of a run's own metrics, whose meaning only the run knows, and their bounds."""

from typing import Annotated

from esper_schemas.declarations import MetricSpec
from esper_schemas.metrics.metric import BOUNDS, Bands

ACCEPTS_FLAGS = "accepts flags"
"""Marks the type of a number for which true and false stand for 1 and 0."""

OwnScalar = Annotated[float | None, ACCEPTS_FLAGS]


def bands_of(spec: MetricSpec) -> Bands:
    """Return the bounds that a run gave to one of its own metrics."""
    return Bands(**{bound: getattr(spec, bound) for bound in BOUNDS})
