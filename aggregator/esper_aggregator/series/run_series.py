"""All rows of a run's series, and which of them count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from esper_aggregator.series.collected_rows import SCALARS, Process
from esper_aggregator.series.places import places_on
from esper_aggregator.series.row_block import Block, Floats, Integers, Mask
from esper_schemas.history import Axis

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class RunSeries:
    """The rows of a run in the order of the log; `over_ranks` has the reductions of its own metrics.

    With `made_again`, it is the part of a resumed run that a later process has made again.
    """

    blocks: Sequence[Block] = ()
    processes: Sequence[Process] = ()
    over_ranks: Mapping[str, str] = field(default_factory=dict)
    made_again: bool = False

    @cached_property
    def earlier(self) -> "RunSeries | None":
        """The same rows, of which those count that do not count here as they were made again; None without
        such rows.
        """
        if len(self.processes) < 2:
            return None
        earlier = replace(self, made_again=True)
        counted = (earlier.counted(block) for block in self.blocks)
        return earlier if any(mask is not None and mask.any() for mask in counted) else None

    @cached_property
    def ranks(self) -> list[int]:
        """The ranks of the run, lowest first: those of its world, or the lowest one alone."""
        ranks = sorted({process.rank for process in self.processes})
        if len(ranks) < 2:
            return ranks
        world_size = next(p.world_size for p in reversed(self.processes) if p.rank == ranks[0])
        return [rank for rank in ranks if rank < world_size] or ranks[:1]

    @cached_property
    def names(self) -> dict[str, None]:
        """The columns that have values."""
        return dict.fromkeys(name for block in self.blocks for name in block.names)

    def rank_of(self, block: Block) -> Integers:
        """Return the rank of each row."""
        return np.array([process.rank for process in self.processes], dtype=np.int64)[block.key("process")]

    def counted(self, block: Block) -> Mask | None:
        """Return which rows count; None if all of them do.

        A row does not count if a later process of the same rank began at or before its update, because that
        process has made the update again; with `made_again`, only those rows count.
        """
        if len(self.processes) < 2:
            return None
        ends = self._ends[block.key("process")]
        counted: Mask = block.key("update") < ends
        if self.made_again:
            return ~counted & (ends > -_NEVER)
        return None if counted.all() else counted

    def whole_axis(self, axis: Axis) -> Floats | None:
        """Return the places of all rows; None if some do not count, have no place or are not in order."""
        if axis not in self._axes:
            self._axes[axis] = self._whole_axis(axis)
        return self._axes[axis]

    @cached_property
    def _axes(self) -> dict[Axis, Floats | None]:
        return {}

    def _whole_axis(self, axis: Axis) -> Floats | None:
        found = []
        for block in self.blocks:
            x, placed = places_on(block, axis, None)
            if self.counted(block) is not None or (placed is not None and not placed.all()):
                return None
            found.append(x)
        x = np.concatenate(found) if found else np.empty(0)
        return x if (x[1:] >= x[:-1]).all() else None

    @cached_property
    def _ends(self) -> Integers:
        """For each process, the first update that does not count."""
        begins, times = self._begins
        ends = np.full(len(self.processes), _NEVER)
        for number, process in enumerate(self.processes):
            if process.rank not in self.ranks:
                ends[number] = -_NEVER
                continue
            later = [
                begins[other]
                for other, candidate in enumerate(self.processes)
                if candidate.rank == process.rank and (times[other], other) > (times[number], number)
            ]
            ends[number] = min(later, default=_NEVER)
        return ends

    @cached_property
    def _begins(self) -> tuple[list[int], list[int]]:
        """The first update of each process, and the time of its first row."""
        updates = [int(_NEVER)] * len(self.processes)
        times = [int(_NEVER)] * len(self.processes)
        for block in self.blocks:
            process, trains = block.key("process"), block.key("kind") != SCALARS
            for number in np.unique(process).tolist():
                rows = process == number
                times[number] = min(times[number], int(block.key("time_ns")[rows][0]))
                numbered = block.key("update")[rows & trains]
                if updates[number] == _NEVER and len(numbered):
                    updates[number] = int(numbered[0])
        return updates, times
