"""Tests of finding the columns of step and time."""

import pytest

from esper_lite.importing.column_roles import ColumnRoles, RowTimes, check_mapping, find_roles, step_of
from esper_lite.importing.mapping import Mapping
from esper_schemas.errors import InvalidArgument


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        (["loss", "step"], ColumnRoles("step", "")),
        (["step", "global_step", "timestamp"], ColumnRoles("global_step", "timestamp")),
        (["time/total_timesteps", "time/iterations", "time/time_elapsed"],
         ColumnRoles("time/total_timesteps", "time/time_elapsed")),
        (["Step", "Wall_Time"], ColumnRoles("Step", "Wall_Time")),
        (["loss"], ColumnRoles("", "")),
    ],
)  # fmt: skip
def test_usual_names_are_found(columns, roles):
    """The more telling name wins, in any case."""
    assert find_roles(columns, Mapping()) == roles


def test_the_mapping_wins():
    """Each column that it names must exist."""
    mapping = Mapping(step="n", time="t")

    assert find_roles(["step", "n", "t", "time"], mapping) == ColumnRoles("n", "t")
    check_mapping(["n", "t"], mapping, "table.csv")
    with pytest.raises(InvalidArgument, match="no column 't'"):
        check_mapping(["n"], mapping, "table.csv")


def test_a_step_that_has_a_meaning_is_a_value_too():
    """SB3's number of time steps is that of the environment steps; another step is only that."""
    assert ColumnRoles("time/total_timesteps", "t").not_values == {"t"}
    assert ColumnRoles("step", "t").not_values == {"step", "t"}


def test_elapsed_times_end_when_the_file_was_written():
    """The first start that is found stays; absolute times need none."""
    times = RowTimes()
    before = times.time_ns("3")
    times.begin(100_000_000_000, "10")
    times.begin(500_000_000_000, "20")

    assert (before, times.time_ns("3"), times.time_ns("x")) == (None, 93_000_000_000, None)
    assert RowTimes().time_ns(1.7e9) == 1_700_000_000_000_000_000
    assert step_of(ColumnRoles("step", ""), {}) is None
