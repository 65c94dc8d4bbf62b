"""Collects the rows of a run's series while its log is folded.

A row is what one update, one rollout or one call of a trainer's log brought. The values stay as the tuples
that they come in, which costs the fold the least; `to_block` makes columns of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import structs

from esper_aggregator.fold.observer import Origin
from esper_aggregator.fold.run_state import ProducerState
from esper_schemas.events import RolloutCompleted
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_schemas.policy_heads import OWN_FAMILIES, own_quantity

SCALARS_PREFIX = "scalars/"
"""Begins the name of a column with one of the run's own metrics."""

ROLLOUT_COLUMNS: Final = (
    "mean_return",
    "std_return",
    "mean_length",
    "mean_accuracy",
    "steps_per_second",
    "env_steps_total",
)
"""The columns of a rollout, named as in a run's information."""

UPDATE_COLUMNS: Final = PPOMetrics.__struct_fields__
"""The columns of an update, which are the first fields of its payload."""
_UPDATE_WIDTH = len(UPDATE_COLUMNS)

NO_STEP = -(1 << 63)
"""Stands for a step that the trainer did not give."""

_MAX_COUNT = (1 << 63) - 1
_read_rollout = attrgetter(*ROLLOUT_COLUMNS)


class RowKind(IntEnum):
    """What a row's values were brought by."""

    UPDATE = 0
    ROLLOUT = 1
    SCALARS = 2


class Process(msgspec.Struct, frozen=True):
    """A process whose values are in the rows; its number is its place among the processes of the run."""

    producer: str
    epoch: int
    rank: int = 0
    world_size: int = 1
    environments: int | None = None


RowKey = tuple[int, int, int, int, int, int]
"""Position in the log, update, time in nanoseconds, number of the process, `RowKind`, and step."""

KEYS = ("position", "update", "time_ns", "process", "kind", "step")
"""The names of a `RowKey`'s parts."""


@dataclass(slots=True)
class Part:
    """Values of the same columns in several rows; None where a row was not measured."""

    rows: list[int] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, row: int, values: tuple[Any, ...]) -> None:
        """Add the values of a row."""
        self.rows.append(row)
        self.values.append(values)

    def copy(self) -> "Part":
        """Return a copy, to which rows can be added."""
        return Part(self.rows.copy(), self.values.copy())


class CollectedRows:
    """Rows in the order of the log, as an observer of the fold receives them.

    `size` is the number of values, absent ones included.
    """

    def __init__(self, processes: Iterable[Process] = ()) -> None:
        self.processes = list(processes)
        self._numbers = {(process.producer, process.epoch): n for n, process in enumerate(self.processes)}
        self.keys: list[RowKey] = []
        self.parts: dict[tuple[str, ...], Part] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self.keys)

    def copy(self) -> "CollectedRows":
        """Return a copy, to which rows can be added."""
        rows = CollectedRows(self.processes)
        rows._take(self.keys, self.parts, self.size)
        return rows

    def _take(self, keys: list[RowKey], parts: dict[tuple[str, ...], Part], size: int) -> None:
        self.keys, self.size = keys.copy(), size
        self.parts = {names: part.copy() for names, part in parts.items()}

    def clear(self) -> None:
        """Forget all rows; the processes remain."""
        self.keys, self.parts, self.size = [], {}, 0

    def update_completed(self, origin: Origin, payload: PPOUpdatePayload) -> None:
        """Add a row with the metrics of an update."""
        self._add_key(origin, RowKind.UPDATE)
        self._add(UPDATE_COLUMNS, structs.astuple(payload)[:_UPDATE_WIDTH])
        if payload.heads:
            values = [value for head in payload.heads.values() for value in structs.astuple(head)]
            self._add(_head_columns(payload), tuple(values))

    def rollout_completed(self, origin: Origin, rollout: RolloutCompleted) -> None:
        """Add a row with the results of a rollout."""
        self._add_key(origin, RowKind.ROLLOUT)
        self._add(ROLLOUT_COLUMNS, _read_rollout(rollout))

    def scalars_recorded(self, origin: Origin, values: Mapping[str, float]) -> None:
        """Add a row with the run's own metrics of one call."""
        producer = origin.producer
        if producer.first_update and producer.started and producer.started.resumed_from is not None:
            since = origin.update - producer.last_update
            origin = origin._replace(update=producer.started.resumed_from + since)
        self._add_key(origin, RowKind.SCALARS)
        self._add(tuple([SCALARS_PREFIX + name for name in values]), tuple(values.values()))

    def _add_key(self, origin: Origin, kind: RowKind) -> None:
        position, producer, epoch, at_ns, update, step = origin
        number = self._numbers.get((producer.producer, epoch))
        if number is None:
            number = self._add_process(producer, epoch)
        step = NO_STEP if step is None else _bounded(step)
        self.keys.append((position, _bounded(update), _bounded(at_ns), number, kind.value, step))

    def _add_process(self, producer: ProducerState, epoch: int) -> int:
        plan = producer.started
        described = (plan.rank, plan.world_size, plan.environments) if plan else ()
        self.processes.append(Process(producer.producer, epoch, *described))
        number = self._numbers[producer.producer, epoch] = len(self.processes) - 1
        return number

    def _add(self, columns: tuple[str, ...], values: tuple[Any, ...]) -> None:
        part = self.parts.get(columns)
        if part is None:
            part = self.parts[columns] = Part()
        part.add(len(self.keys) - 1, values)
        self.size += len(columns)


def _head_columns(payload: PPOUpdatePayload) -> tuple[str, ...]:
    return tuple([own_quantity(head, family) for head in payload.heads for family in OWN_FAMILIES])


def _bounded(count: int) -> int:
    return min(max(count, -_MAX_COUNT), _MAX_COUNT)
