"""Collects the rows of a run's series while its log is folded.

A row is what one update, one rollout or one call of a trainer's log brought. The values stay as the tuples
that they come in, which costs the fold the least; `to_block` makes columns of them.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
_PACKED_BYTES, _VALUE_BYTES = 8, 32
_pack = struct.Struct(f"<{_UPDATE_WIDTH}d").pack

NO_STEP = -(1 << 63)
"""Stands for a step that the trainer did not give."""

_read_rollout = attrgetter(*ROLLOUT_COLUMNS)


UPDATE, ROLLOUT, SCALARS = range(3)
"""The kinds of rows, by what their values were brought by."""


class Process(msgspec.Struct, frozen=True):
    """A process whose values are in the rows; its number is its place among the processes of the run."""

    producer: str
    epoch: int
    rank: int = 0
    world_size: int = 1
    environments: int | None = None


RowKey = tuple[int, int, int, int, int, int]
"""Position in the log, update, time in nanoseconds, number of the process, kind, and step."""

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


@dataclass(slots=True)
class PackedPart:
    """Updates in which everything was measured, as bytes: quicker to make, and a quarter of the size."""

    rows: list[int] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)

    def add(self, row: int, values: tuple[Any, ...]) -> bool:
        """Add the values of a row; returns False, and adds nothing, if one of them is absent."""
        try:
            self.values.append(_pack(*values))
        except (struct.error, OverflowError):
            return False
        self.rows.append(row)
        return True

    def copy(self) -> "PackedPart":
        """Return a copy, to which rows can be added."""
        return PackedPart(self.rows.copy(), self.values.copy())


class CollectedRows:
    """Rows in the order of the log, as an observer of the fold receives them.

    `size` is about the number of bytes that they take. Rows at positions up to `after` are left out.
    """

    def __init__(self, processes: Iterable[Process] = (), after: int = 0) -> None:
        self._after = after
        self.processes = list(processes)
        self._numbers = {(process.producer, process.epoch): n for n, process in enumerate(self.processes)}
        self.keys: list[RowKey] = []
        self.size = 0
        self.packed = PackedPart()
        self._updates, self._rollouts = Part(), Part()
        self._others: dict[tuple[str, ...], Part] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def copy(self) -> "CollectedRows":
        """Return a copy, to which rows can be added."""
        rows = CollectedRows(self.processes)
        rows._take(self)
        return rows

    def _take(self, other: "CollectedRows") -> None:
        self.keys, self.size = other.keys.copy(), other.size
        self.packed, self._updates = other.packed.copy(), other._updates.copy()
        self._rollouts = other._rollouts.copy()
        self._others = {names: part.copy() for names, part in other._others.items()}

    def become(self, other: "CollectedRows") -> None:
        """Replace all rows and processes by those of others, which must not be used any more."""
        self._after, self.processes, self._numbers = other._after, other.processes, other._numbers
        self._take(other)

    def clear(self) -> None:
        """Forget all rows; the processes remain."""
        self.keys, self.size = [], 0
        self.packed, self._updates, self._rollouts, self._others = PackedPart(), Part(), Part(), {}

    @property
    def parts(self) -> dict[tuple[str, ...], Part]:
        """The values of the rows, but those that are packed, by the columns that they are of."""
        fixed = {UPDATE_COLUMNS: self._updates, ROLLOUT_COLUMNS: self._rollouts}
        return {names: part for names, part in (fixed | self._others).items() if part.rows}

    def update_completed(self, origin: Origin, payload: PPOUpdatePayload) -> None:
        """Add a row with the metrics of an update."""
        if origin.position <= self._after:
            return
        self._add_key(origin, UPDATE)
        values = structs.astuple(payload)[:_UPDATE_WIDTH]
        if self.packed.add(len(self.keys) - 1, values):
            self.size += _PACKED_BYTES * _UPDATE_WIDTH
        else:
            self._updates.add(len(self.keys) - 1, values)
            self.size += _VALUE_BYTES * _UPDATE_WIDTH
        if payload.heads:
            measures = [value for head in payload.heads.values() for value in structs.astuple(head)]
            self._add(_head_columns(payload), tuple(measures))

    def rollout_completed(self, origin: Origin, rollout: RolloutCompleted) -> None:
        """Add a row with the results of a rollout."""
        if origin.position <= self._after:
            return
        self._add_key(origin, ROLLOUT)
        self._rollouts.add(len(self.keys) - 1, _read_rollout(rollout))
        self.size += _VALUE_BYTES * len(ROLLOUT_COLUMNS)

    def scalars_recorded(self, origin: Origin, values: Mapping[str, float]) -> None:
        """Add a row with the run's own metrics of one call."""
        if origin.position <= self._after:
            return
        producer = origin.producer
        if producer.first_update and producer.started and producer.started.resumed_from is not None:
            since = origin.update - producer.last_update
            origin = origin._replace(update=producer.started.resumed_from + since)
        self._add_key(origin, SCALARS)
        self._add(tuple([SCALARS_PREFIX + name for name in values]), tuple(values.values()))

    def _add_key(self, origin: Origin, kind: int) -> None:
        position, producer, epoch, at_ns, update, step = origin
        number = self._numbers.get((producer.producer, epoch))
        if number is None:
            number = self._add_process(producer, epoch)
        self.keys.append((position, update, at_ns, number, kind, NO_STEP if step is None else step))

    def _add_process(self, producer: ProducerState, epoch: int) -> int:
        plan = producer.started
        described = (plan.rank, plan.world_size, plan.environments) if plan else ()
        self.processes.append(Process(producer.producer, epoch, *described))
        number = self._numbers[producer.producer, epoch] = len(self.processes) - 1
        return number

    def _add(self, columns: tuple[str, ...], values: tuple[Any, ...]) -> None:
        part = self._others.get(columns)
        if part is None:
            part = self._others[columns] = Part()
        part.add(len(self.keys) - 1, values)
        self.size += _VALUE_BYTES * len(columns)


def _head_columns(payload: PPOUpdatePayload) -> tuple[str, ...]:
    return tuple([own_quantity(head, family) for head in payload.heads for family in OWN_FAMILIES])
