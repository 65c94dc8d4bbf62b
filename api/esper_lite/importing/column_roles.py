"""Which column of a table is the step, and which one the time."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from esper_lite.importing.mapping import Mapping
from esper_lite.importing.numbers import absolute_ns, elapsed_seconds, step_number
from esper_schemas.aliases import alias_of
from esper_schemas.errors import InvalidArgument

STEP_NAMES = (
    "time/total_timesteps", "global_step", "total_timesteps", "timesteps_total", "env_steps",
    "num_env_steps", "total_env_steps", "frames", "timestep", "timesteps", "step", "_step", "iteration",
    "update", "epoch",
)  # fmt: skip
"""Names of the step in the logs of trainers, the most telling first."""
TIME_NAMES = (
    "timestamp", "_timestamp", "wall_time", "walltime", "datetime", "date", "time", "time/time_elapsed",
    "time_elapsed", "elapsed", "_runtime", "time_total_s",
)  # fmt: skip


class ColumnRoles(NamedTuple):
    """The names of the columns of step and time; empty where there are none."""

    step: str
    time: str

    @property
    def not_values(self) -> frozenset[str]:
        """The columns that are not recorded as values, too; SB3's number of time steps is one."""
        return frozenset({self.time} if alias_of(self.step) else {self.time, self.step})


class RowTimes:
    """Turns the times of rows into nanoseconds since 1970.

    Times that count from the start of the training need a moment: `modified_ns`, when the file was last
    written, is that of the last row.
    """

    def __init__(self) -> None:
        self._start_ns: int | None = None

    def begin(self, modified_ns: int, last: Any) -> None:
        """Take the start of the training from the time of the last row, unless it is known."""
        elapsed = elapsed_seconds(last)
        if self._start_ns is None and elapsed is not None:
            self._start_ns = modified_ns - int(elapsed * 1e9)

    def time_ns(self, value: Any) -> int | None:
        """The time of a row; None if the value is not a time."""
        elapsed = elapsed_seconds(value)
        if elapsed is None:
            return absolute_ns(value)
        return None if self._start_ns is None else self._start_ns + int(elapsed * 1e9)


def find_roles(columns: Iterable[str], mapping: Mapping) -> ColumnRoles:
    """Find the columns by the mapping, or else by their usual names in lower case."""
    by_name = {column.lower(): column for column in reversed(list(columns))}

    def find(names: Iterable[str]) -> str:
        return next((by_name[name] for name in names if name in by_name), "")

    return ColumnRoles(mapping.step or find(STEP_NAMES), mapping.time or find(TIME_NAMES))


def check_mapping(columns: Iterable[str], mapping: Mapping, file: str) -> None:
    """Raise `InvalidArgument` if the mapping names a column of step or time that a table lacks."""
    for role, column in (("step", mapping.step), ("time", mapping.time)):
        if column and column not in columns:
            raise InvalidArgument(
                f"{file} has no column {column!r}, which the mapping names as its {role}; correct the "
                "mapping."
            )


def step_of(roles: ColumnRoles, values: dict[str, Any]) -> int | None:
    """The step of a row; None if it has none."""
    return step_number(values[roles.step]) if roles.step in values else None
