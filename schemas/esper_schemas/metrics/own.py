"""The type of a run's own metrics, whose meaning only the run knows."""

from typing import Annotated

ACCEPTS_FLAGS = "accepts flags"
"""Marks the type of a number for which true and false stand for 1 and 0."""

OwnScalar = Annotated[float | None, ACCEPTS_FLAGS]
