"""Long work in small steps, which a thread does at once and an aggregator between events."""

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")

Steps = Generator[None, None, _T]
"""Yields after each few milliseconds of work; its result is that of the generator."""


def finish(steps: Steps[_T]) -> _T:
    """Do all steps at once; returns their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
