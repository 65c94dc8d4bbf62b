"""Tests of reading tables: SB3's, which it rewrites while it trains, and broken ones."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_lite.importing.csv_files import NO_STEP, NOT_NUMBERS, RAGGED, WITH_NUL, CsvReader
from esper_lite.importing.growing_lines import INCOMPLETE
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.rows import Facts, NotRead, Row
from esper_schemas.errors import InvalidArgument

MODIFIED_S = 1_700_000_000


@pytest.fixture
def table(tmp_path, facts, not_read):
    """Writes a table and makes a reader of it."""

    def write(text, mapping=None, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(path, (MODIFIED_S, MODIFIED_S))
        return CsvReader(path, facts, not_read, mapping or Mapping())

    return write


def values(reader):
    """The values of all rows."""
    return [row.values for row in reader.rows(final=True)]


def test_a_table_of_sb3_has_steps_and_times(table):
    """The seconds since the start end when the file was last written; the time is no value, too."""
    reader = table(
        "time/total_timesteps,time/time_elapsed,train/approx_kl\n2048,3,\n4096,5,0.01\n6144,10,0.02\n"
    )

    assert list(reader.rows(final=True)) == [
        Row((MODIFIED_S - 7) * 10**9, 2048, {"time/total_timesteps": 2048.0}),
        Row((MODIFIED_S - 5) * 10**9, 4096, {"time/total_timesteps": 4096.0, "train/approx_kl": 0.01}),
        Row(MODIFIED_S * 10**9, 6144, {"time/total_timesteps": 6144.0, "train/approx_kl": 0.02}),
    ]


def test_episodes_of_monitor_have_a_step_and_a_time(table, facts):
    """The step is the sum of the lengths so far; other columns keep their names."""
    reader = table(
        '#{"t_start": 1700000000.0, "env_id": "CartPole-v1"}\nr,l,t,success\n1.5,10,2.5,1\n2.0,20,3.5,0\n',
        name="0.monitor.csv",
    )

    assert list(reader.rows(final=True)) == [
        Row(1_700_000_002_500_000_000, 10, {"episode_return": 1.5, "episode_length": 10.0, "success": 1.0}),
        Row(1_700_000_003_500_000_000, 30, {"episode_return": 2.0, "episode_length": 20.0, "success": 0.0}),
    ]
    assert facts.config["env_id"] == "CartPole-v1"


def test_a_new_header_makes_it_another_table_with_the_same_rows(table, tmp_path):
    """SB3 rewrites its table when a key appears: the rows and the identity stay, for whichever order."""
    before = table("loss,step\n0.5,1\n0.25,2\n")
    first = values(before)
    unchanged = before.unchanged()
    path = tmp_path / "table.csv"
    path.write_text("kl,step,loss\n,1,0.5\n,2,0.25\n0.1,3,0.125\n")
    after = table(path.read_text())

    assert (unchanged, before.unchanged()) == (True, False)
    assert list(before.rows(final=False)) == []
    assert values(after) == [*first, {"kl": 0.1, "loss": 0.125}]
    assert after.identity == before.identity


def test_nothing_is_returned_while_the_header_changes(table, tmp_path):
    """The lines are being moved: what stands behind the old position is not a row."""
    reader = table("a,b\n1,2\n")
    values(reader)
    (tmp_path / "table.csv").write_text("a,b,c\n1,2,3\n")  # "2,3" stands there now

    assert list(reader.rows(final=False)) == []


def test_a_growing_table_is_read_where_it_was_left(table, tmp_path):
    """A line counts once its end is there; the last one counts at the end if it has all cells."""
    reader = table("step,loss\n1,0.5\n2,0.")
    first = [row.values for row in reader.rows(final=False)]
    with (tmp_path / "table.csv").open("a") as file:
        file.write("25\n3,0.125")

    assert first == [{"loss": 0.5}]
    assert values(reader) == [{"loss": 0.25}, {"loss": 0.125}]


def test_an_incomplete_last_line_is_counted(table, not_read):
    """It has fewer cells than the header."""
    assert values(table("step,loss,kl\n1,0.5,0.1\n2,0.")) == [{"loss": 0.5, "kl": 0.1}]
    assert not_read.lines() == [f"{INCOMPLETE}: 1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_that_of_the_header(table, delimiter):
    """Quoted cells, a byte order mark and Windows line ends are no difference."""
    text = '\ufeff"step",loss\r\n1,"0.5"\r\n'.replace(",", delimiter)

    (row,) = table(text).rows(final=True)
    assert row[1:] == (1, {"loss": 0.5})


def test_cells_that_are_not_numbers_are_counted_by_column(table, not_read):
    """Empty cells are not measured; NaN, infinity and flags are values."""
    reader = table("step,loss,kl,done,host\n1,nan,,True,a\n2,-inf,0.1,false,b\n")
    first, second = values(reader)

    assert first["loss"] != first["loss"]
    assert (first.keys(), second) == ({"loss", "done"}, {"loss": float("-inf"), "kl": 0.1, "done": 0.0})
    assert not_read.lines() == [f"{NOT_NUMBERS} (host): 2"]


def test_ragged_rows_are_left_out(table, not_read):
    """Two rows on one line, half a row, and a NUL that a crash has left."""
    reader = table(b"step,loss\n1,0.5\n2,0.3,0.25\n4\n5,0.1\0\0\n6,0.75\n")

    assert values(reader) == [{"loss": 0.5}, {"loss": 0.75}]
    assert (not_read[RAGGED], not_read[WITH_NUL], len(not_read)) == (2, 1, 3)


def test_a_header_in_the_middle_changes_the_columns(table):
    """Some programs write a new one when a value appears, or when they are started again."""
    reader = table("step,loss\n1,0.5\nstep,loss,kl\n2,0.25,0.1\nstep,kl,loss\n3,0.2,0.125\n")

    assert values(reader) == [{"loss": 0.5}, {"loss": 0.25, "kl": 0.1}, {"loss": 0.125, "kl": 0.2}]


def test_a_step_that_is_not_whole_is_counted(table, not_read):
    """The values are kept without a step."""
    (row,) = table("step,loss\nx1,0.5\n").rows(final=True)

    assert (row.step, row.values) == (None, {"loss": 0.5})
    assert not_read.lines() == [f"{NO_STEP} (x1): 1"]


def test_a_table_may_have_ten_thousand_columns(table):
    """In another encoding than UTF-8."""
    names = ",".join(f"ä{number}" for number in range(10_000))
    (row,) = values(table(f"step,{names}\n1{',0.5' * 10_000}\n".encode("latin-1")))

    assert len(row) == 10_000
    assert row["ä9999"] == 0.5


def test_the_mapping_names_step_and_time(table):
    """The columns that it names need no usual names."""
    mapping = Mapping(step="n", time="when")
    (row,) = table("when,n,step\n2023-11-14T22:13:20Z,7,3\n", mapping).rows(final=True)

    assert row == Row(1_700_000_000_000_000_000, 7, {"step": 3.0})


def test_a_mapping_that_does_not_fit_is_refused(table):
    """The sentence names the column and the file."""
    with pytest.raises(InvalidArgument, match=r"table.csv has no column 'frame'"):
        values(table("a,b\n1,2\n", Mapping(step="frame")))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(tmp_path_factory, data):
    """What is not a table gives rows or counts."""
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    path.write_bytes(data)

    assert all(row.values for row in CsvReader(path, Facts(), NotRead(), Mapping()).rows(final=True))
