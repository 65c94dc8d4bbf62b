"""Observing the values that the fold takes, one after another, beside the state that it folds them to."""

from collections.abc import Mapping
from dataclasses import fields
from typing import NamedTuple, Protocol

from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_schemas.events import RolloutCompleted
from esper_schemas.payload import PPOUpdatePayload


class Origin(NamedTuple):
    """Where measured values come from.

    `position` is the number of records folded, with the one that brought the values; `epoch` is that of the
    process that measured them, at `at_ns` in nanoseconds since 1970; `step` is the trainer's.
    """

    position: int
    producer: ProducerState
    epoch: int
    at_ns: int
    update: int
    step: int | None = None


class ValueObserver(Protocol):
    """Receives the measured values of a run, also late ones, in the order in which the fold takes them.

    It must not raise, as the fold would reject the event.
    """

    def update_completed(self, origin: Origin, payload: PPOUpdatePayload) -> None:
        """Take an update, with the action heads that are known."""
        ...

    def rollout_completed(self, origin: Origin, rollout: RolloutCompleted) -> None:
        """Take a rollout."""
        ...

    def scalars_recorded(self, origin: Origin, values: Mapping[str, float]) -> None:
        """Take the run's own metrics of one call."""
        ...


class ObservedRunState(RunState):
    """A state whose values are observed while records are folded into it; it is encoded without observer."""

    def __init__(self, state: RunState, observer: ValueObserver | None) -> None:
        super().__init__(**{field.name: getattr(state, field.name) for field in fields(RunState)})
        self.observer = observer


def observer_of(state: RunState) -> ValueObserver | None:
    """Return the observer of a state, if it has one."""
    return state.observer if isinstance(state, ObservedRunState) else None
