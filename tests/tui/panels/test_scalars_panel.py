"""Tests of esper_tui.panels.scalars_panel."""

from cProfile import Profile
from math import nan
from pstats import Stats

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.tui.foreign import SUCCESS, hostile_scalars, many_scalars, own_scalars_only, sb3, scalar

from esper_schemas.declarations import MetricSpec
from esper_schemas.snapshot import EMPTY_SNAPSHOT, ScalarState
from esper_tui.panels.scalars_panel import panel_lines, scalars_note, scalars_rows
from esper_tui.text.spans import Tone, plain, row_width


def named(names):
    """A snapshot with a scalar for each name."""
    return sb3(scalars={name: scalar((0, 1)) for name in names}, metric_specs={})


@pytest.fixture
def success(with_finding):
    """A scalar beyond the bound that the run gave it, with a finding about it."""
    snapshot = sb3(scalars={SUCCESS.name: scalar((0.0, 0.42))})
    return with_finding(snapshot, SUCCESS.name, severity="warning")


def test_a_value_beyond_its_bound_has_the_colour_of_a_warning(find):
    """It has no mark until a finding is about it."""
    row = find(scalars_rows(sb3(), 60, 8), "rollout/")

    assert next(span.tone for span in row if "0.420" in span.text) is Tone.WARNING
    assert "!" not in plain(row)


def test_a_row_has_name_value_trend_mark_history_and_unit(success, text):
    """The mark is that of the finding."""
    assert text(scalars_rows(success, 60, 1)) == ["rollout/success_rate    0.420 ↗ !  ▁▁▂▃▄▅▆▇██  share"]


def test_a_prefix_is_written_once(text):
    """Below it the names of its group are aligned."""
    lines = [line[:24].rstrip() for line in text(scalars_rows(sb3(), 60, 8))]

    assert lines == [
        "rollout/success_rate",
        "eval/mean_ep_length",
        "     mean_reward",
        "time/iterations",
        "     time_elapsed",
        "train/clip_range",
        "      loss",
        "      n_updates",
    ]


def test_a_value_that_later_updates_lack_is_dim_and_has_its_update(find):
    """It is not mistaken for a present one."""
    row = find(scalars_rows(sb3(), 60, 8), "mean_reward")

    assert plain(row).rstrip().endswith("at update 10")
    assert next(span.tone for span in row if "201" in span.text) is Tone.DIM


def test_a_wide_panel_has_columns(text):
    """As many as it needs; each repeats the prefix at its top."""
    lines = text(scalars_rows(sb3(), 150, 3))

    assert len(lines) == 3
    assert "rollout/success_rate" in lines[0]
    assert "time/iterations" in lines[0]
    assert "train/loss" in lines[0]
    assert len(text(scalars_rows(sb3(), 150, 8))) == 8


def test_groups_that_do_not_fit_are_one_row_each(text):
    """The smallest groups are shown in full, and as much as fits of the next one."""
    snapshot = named(["a/x", *(f"b/{n}" for n in range(50)), *(f"c/{n}" for n in range(90)), "d/x", "d/y"])
    lines = [line[:30].split() for line in text(scalars_rows(snapshot, 45, 8))]

    assert [words[0] for words in lines[:1]] == ["a/x"]
    assert [words[:3] for words in lines[1:]] == [
        ["b/0", "1.000", "↗"],
        ["1", "1.000", "↗"],
        ["2", "1.000", "↗"],
        ["47", "more"],
        ["c/", "90", "scalars"],
        ["d/x", "1.000", "↗"],
        ["y", "1.000", "↗"],
    ]


def test_with_more_groups_than_rows_the_rest_is_counted(text):
    """No scalar is left out silently."""
    lines = text(scalars_rows(named(f"group{n}/x" for n in range(40)), 45, 5))

    assert [line.split() for line in lines[-1:]] == [["…", "36", "more"]]


@given(st.lists(st.text(max_size=6), unique=True, min_size=1), st.integers(1, 30))
def test_every_scalar_is_shown_or_counted(names, room):
    """In any room, whatever the names; and no more lines than there is room."""
    lines = panel_lines(named(names), room)
    shown = [line.name for line in lines if line.name is not None]

    assert len(lines) <= room
    assert len(shown) == len(set(shown))
    assert len(shown) + sum(line.hidden for line in lines) == len(names)


def test_scalars_beyond_their_bounds_come_first():
    """Then those that are described; then the others."""
    specs = {name: MetricSpec(name=name, warning_above=0.5) for name in ("z/bad", "y/fine")}
    scalars = {"z/bad": scalar((0, 1)), "y/fine": scalar((0, 0.1)), "a/other": scalar((0, 1))}
    lines = panel_lines(sb3(scalars=scalars, metric_specs=specs), 10)

    assert [line.name for line in lines] == ["z/bad", "y/fine", "a/other"]


def test_a_long_name_keeps_its_end(text):
    """Names of one group differ there."""
    (line,) = text(scalars_rows(named(["layers/" + "x" * 60 + ".weight"]), 46, 1))

    assert ".weight" in line
    assert line.startswith("…")


@pytest.mark.parametrize("make", [hostile_scalars, own_scalars_only, sb3])
@pytest.mark.parametrize("width", range(1, 200, 7))
def test_a_row_fits_its_panel_and_disturbs_no_terminal(make, width):
    """Names come from the network."""
    for row in scalars_rows(make(), width, 5):
        assert row_width(row) <= max(width, 3)
        assert plain(row).isprintable()


def test_a_name_takes_precedence_over_the_history(success, text):
    """Without its name a curve says nothing."""
    assert text(scalars_rows(success, 39, 1)) == ["rollout/success_rate    0.420 ↗ !"]


def test_what_is_no_number_is_not_quiet(find):
    """Even where it never was one, which is no problem."""
    snapshot = sb3(scalars={"x": ScalarState(value=nan, history=(nan,), update=1)}, metric_specs={})
    row = find(scalars_rows(snapshot, 60, 1), "x")

    assert next(span.tone for span in row if "NaN" in span.text) is Tone.WARNING
    assert "!" not in plain(row)


def test_the_number_and_its_mark_stay_in_a_narrow_panel(success, text):
    """The history goes first, then the name is shortened."""
    (line,) = text(scalars_rows(success, 18, 1))

    assert "0.420" in line
    assert "!" in line


def test_the_note_counts_the_scalars_and_those_that_findings_are_about(success):
    """A run without any has no note."""
    assert plain(scalars_note(success)) == "! 1  1"
    assert plain(scalars_note(sb3())) == "8"
    assert plain(scalars_note(own_scalars_only())) == "5"
    assert scalars_note(EMPTY_SNAPSHOT) == ()


def test_a_run_without_scalars_says_so(text):
    """The panel can be opened all the same."""
    assert text(scalars_rows(EMPTY_SNAPSHOT, 60, 3)) == ["nothing logged under names of its own"]


def test_a_scalar_that_was_never_a_number_has_a_dash(text):
    """It is neither 0 nor a problem."""
    (line,) = text(scalars_rows(sb3(scalars={"x": ScalarState()}, metric_specs={}), 60, 1))

    assert line.split()[:2] == ["x", "–"]


def calls(number):
    """Function calls to draw ten rows of a run with this many scalars."""
    snapshot = many_scalars(number)
    scalars_rows(snapshot, 60, 10)  # fills the caches
    with Profile() as profile:
        scalars_rows(structs.replace(snapshot, scalars=dict(snapshot.scalars)), 60, 10)
    return Stats(profile).total_calls


def test_the_rows_in_sight_are_what_costs():
    """Two thousand scalars cost little more than twenty; unlike time, calls do not depend on the machine."""
    assert calls(2_000) < calls(20) + 2 * 2_000
