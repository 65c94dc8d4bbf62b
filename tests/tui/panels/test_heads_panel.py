"""Tests of esper_tui.panels.heads_panel: the table of all heads and the rows below it."""

import re

import pytest

from esper_schemas.heads import ENTROPY_COEFFICIENT_MULTIPLIERS, HEADS
from esper_tui.panels.heads_panel import columns, heads_rows
from esper_tui.panels.losses_panel import losses_rows
from esper_tui.text.spans import Tone, plain, row_width


@pytest.fixture
def panel(make_snapshot, make_state, text):
    """The panel's lines."""

    def make(width=116, height=10, **fields):
        return text(heads_rows(make_snapshot(make_state(**fields)), width, height))

    return make


@pytest.mark.parametrize("width", [79, 116, 132])
def test_heads_are_in_order(panel, width):
    """The eight columns have the same order at every width."""
    names = ["op", "slot", "blueprint", "style", "tempo", "α target", "α speed", "α curve"]

    assert re.split(r"\s{1,}(?!target|speed|curve)", panel(width)[0].strip()) == names


def test_tele_151_healthy_heads_can_have_a_joint_ratio_that_is_not(make_snapshot, make_state, find):
    """Eight ratios of 1.2 are healthy; their product, 4.3, is critical in PPO LOSSES."""
    ratios = {f"head_{head}_ratio_max": 1.2 for head in HEADS}
    snapshot = make_snapshot(make_state(joint_ratio_max=1.2**8, **ratios))

    heads = find(heads_rows(snapshot, 116, 9), "Ratio  ")
    assert {span.tone for span in heads if span.text == "1.200"} == {Tone.GOOD}
    joint = find(losses_rows(snapshot, 116, 7), "Ratio joint")
    assert "4.300   ✗" in plain(joint)


def test_tele_151_a_ratio_of_one_is_distinguished_from_no_data(panel, feeds, text):
    """The default of 1.0 is not shown before the first update."""
    neutral = {f"head_{head}_ratio_max": 1.0 for head in HEADS}

    assert "1.000" in panel(116, 9, **neutral)[3]
    assert not any("1.000" in line for line in text(heads_rows(feeds["waiting"].snapshot, 116, 9)))


def test_tele_170_the_rows_are_labelled(panel):
    """`Entr` labels the entropies, `State` the conditions."""
    labels = [line.split()[0] for line in panel(116, 9) if line[:1].strip()]

    assert labels == ["Entr", "Ratio", "Ratio", "Grad", "State", "Latch"]


def test_the_table_has_all_rows_and_a_legend(panel):
    """The rows go from entropy to latch, with bars between them and the legend below."""
    lines = panel(116, 11)
    labels = [line[:10].strip() for line in lines]

    assert labels == ["", "Entr", "", "Ratio", "", "Ratio min", "Grad", "State", "Latch", "", "Flow"]
    assert "● healthy" in lines[-2]
    assert "▲ exploding" in lines[-2]


def test_a_low_panel_keeps_entropy_state_ratio_and_gradient(panel):
    """Bars, minimum and latches are dropped first; the rows keep their order."""
    assert [line[:10].strip() for line in panel(116, 5)] == ["", "Entr", "Ratio", "Grad", "State"]


def test_a_high_panel_has_blank_rows_between_groups(panel):
    """Blank rows separate entropy, ratio, gradient and state."""
    assert sum(not line for line in panel(116, 14)) == 4


@pytest.mark.parametrize("width", range(61, 200, 3))
def test_the_table_never_outgrows_its_width(make_snapshot, unhealthy_state, width):
    """No number is cut, and no row has to be wrapped."""
    rows = heads_rows(make_snapshot(unhealthy_state), width, 14)

    assert max(map(row_width, rows)) <= width
    assert sum("485" in plain(row) for row in rows) == 1


def test_eighty_cells_have_room_for_the_coefficients():
    """The narrowest usual terminal shows everything that the record asks for."""
    assert columns(79).space.coefficients
    assert not columns(78).space.coefficients
    assert columns(60) is None


@pytest.mark.parametrize("width", range(61, 120))
def test_cells_do_not_touch(panel, width):
    """A mark behind an entropy is separated from the next number by a blank."""
    low = {f"head_{head}_entropy": 0.199 for head in HEADS}
    line = panel(width, 10, **low)[1]

    assert not re.search(r"[✗!]\d", line)
    assert line.count("0.199✗") == len(HEADS)


def test_a_coefficient_is_dropped_only_where_cells_would_touch(panel):
    """At 80 cells every head has its coefficient, except one that follows an unhealthy head."""
    sparse = [head for head in HEADS if ENTROPY_COEFFICIENT_MULTIPLIERS[head] != 1.0]
    before = HEADS[HEADS.index(sparse[0]) - 1]
    healthy, unhealthy = panel(79, 10)[1], panel(79, 10, **{f"head_{before}_entropy": 0.01})[1]

    assert healthy.count("×") == len(sparse)
    assert unhealthy.count("×") == len(sparse) - 1


def test_tele_151_170_before_the_first_update_it_is_waiting(feeds, text):
    """There are no zeros, no ratios of 1 and no symbols."""
    lines = text(heads_rows(feeds["waiting"].snapshot, 116, 14))

    assert lines[1].strip() == "waiting for the first update"
    assert len(lines) == 2


def test_a_high_panel_shows_decisions_and_the_gradient_flow(make_snapshot, text):
    """Decisions are below the table, newest first."""
    lines = text(heads_rows(make_snapshot(), 116, 22))

    assert lines[15].split() == ["Chosen", "wait", "52%"]
    assert "germ  93%" in lines[16]
    assert lines[18].split()[:4] == ["Flow", "Grad", "CV", "0.31"]
