"""Tests of esper_tui.panels.heads_panel: the table of all heads and the rows below it."""

import re

import pytest
from msgspec import structs

from esper_schemas.declarations import HeadSpec
from esper_schemas.events import DecisionMade
from esper_schemas.heads import ENTROPY_COEFFICIENT_MULTIPLIERS, HEADS
from esper_schemas.payload import HeadMeasures
from esper_schemas.snapshot import DecisionEntry
from esper_schemas.state import TamiyoState
from esper_tui.panels.heads_panel import NONE_MEASURED, columns, heads_rows
from esper_tui.panels.losses_panel import losses_rows
from esper_tui.text.spans import Tone, plain, row_width


@pytest.fixture
def panel(make_snapshot, make_state, with_finding, text):
    """The panel's lines, with a finding about some metrics."""

    def make(width=116, height=10, about=(), **fields):
        snapshot = with_finding(make_snapshot(make_state(**fields)), *about)
        return text(heads_rows(snapshot, width, height))

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
    assert "4.300    " in plain(joint)
    assert next(span.tone for span in joint if "4.300" in span.text) is Tone.BEYOND


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
    assert "▲ high gradient" in lines[-2]


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
    line = panel(width, 10, about=low, **low)[1]

    assert not re.search(r"[✗!]\d", line)
    assert line.count("0.199✗") == len(HEADS)


def test_a_coefficient_is_dropped_only_where_cells_would_touch(panel):
    """At 80 cells every head has its coefficient, except one that follows a head in alarm."""
    sparse = [head for head in HEADS if ENTROPY_COEFFICIENT_MULTIPLIERS[head] != 1.0]
    before = HEADS[HEADS.index(sparse[0]) - 1]
    low = {f"head_{before}_entropy": 0.01}
    healthy, unhealthy = panel(79, 10)[1], panel(79, 10, about=low, **low)[1]

    assert healthy.count("×") == len(sparse)
    assert unhealthy.count("×") == len(sparse) - 1


def test_tele_151_170_before_the_first_update_it_is_waiting(feeds, text):
    """There are no zeros, no ratios of 1 and no symbols."""
    lines = text(heads_rows(feeds["waiting"].snapshot, 116, 14))

    assert lines[1].strip() == "waiting for the first update"
    assert len(lines) == 2


def test_a_high_panel_shows_decisions_and_the_gradient_flow(make_snapshot, text):
    """Decisions are below the table, newest first, each with its rank if there are several."""
    lines = text(heads_rows(make_snapshot(), 116, 22))
    alone = text(heads_rows(structs.replace(make_snapshot(), ranks=()), 116, 22))

    assert lines[15].split() == ["rank", "0", "wait", "52%"]
    assert alone[15].split() == ["Chosen", "wait", "52%"]
    assert "germ  93%" in lines[16]
    assert lines[18].split()[:4] == ["Flow", "Grad", "CV", "0.31"]


@pytest.mark.parametrize("number", range(1, 17))
def test_each_own_head_has_a_column(own_state, make_snapshot, text, number):
    """From one head to as many as fit beside each other."""
    rows = heads_rows(make_snapshot(own_state(number)), 118, 10)

    assert len(plain(rows[0]).split()) == number
    assert text(rows)[1].count("0.500") == number
    assert max(map(row_width, rows)) <= 118


@pytest.mark.parametrize("number", range(1, 33))
@pytest.mark.parametrize("width", range(1, 240, 17))
def test_any_number_of_heads_stays_within_any_width(own_state, make_snapshot, with_finding, number, width):
    """Every height is respected, too, and the head that a finding is about is never left out."""
    stuck = HeadMeasures(entropy=0.001, grad_norm=0.5)
    names = [spec.name for spec in own_state(number).head_specs]
    snapshot = make_snapshot(own_state(number, **{names[-1]: stuck}))
    snapshot = with_finding(snapshot, f"heads/{names[-1]}/entropy")
    for height in (2, 5, 10, 22):
        rows = heads_rows(snapshot, width, height)
        assert len(rows) <= height
        if width >= 40:
            assert max(map(row_width, rows)) <= width
            assert height < 5 or any("0.001✗" in plain(row) for row in rows)


def test_an_own_head_that_a_finding_is_about_is_marked(own_state, make_snapshot, with_finding, text):
    """Its entropy and its state are, although its gradient was not measured."""
    snapshot = make_snapshot(own_state(3, aim=HeadMeasures(entropy=0.001)))
    lines = text(heads_rows(with_finding(snapshot, "heads/aim/entropy"), 118, 10))

    assert "0.001✗" in lines[1]
    assert "◇✗" in next(line for line in lines if line.startswith("State"))


def test_a_continuous_head_shows_its_deviation_instead_of_a_share(own_state, make_snapshot, text):
    """Its entropy may be negative, without a mark."""
    steer = HeadMeasures(entropy=-1.5, std=0.21, grad_norm=0.5)
    lines = text(heads_rows(make_snapshot(own_state(1, sizes=(None,), move=steer)), 118, 10))

    assert lines[1].split() == ["Entr", "-1.500"]
    assert lines[2].split() == ["±0.210"]
    assert not any(mark in "".join(lines[:3]) for mark in "✗!")


def test_a_run_that_measures_no_head_says_so(own_state, make_snapshot, text):
    """Its decisions are listed with the names of their heads."""
    decision = DecisionMade(update=1, environment=0, step=2, choices={"move": 3}, confidences={"move": 0.5})
    entry = DecisionEntry(at_ns=1, producer="p", decision=decision)
    state = structs.replace(own_state(1), heads={}, head_specs=())
    lines = text(heads_rows(structs.replace(make_snapshot(state), decisions=(entry,)), 118, 10))

    assert lines[0] == NONE_MEASURED
    assert "move=3 50%" in lines[2]
    assert lines[-1].startswith("Flow")


def test_heads_that_are_declared_have_columns_before_the_first_update(make_snapshot, text):
    """The names of the declared heads stand above the sentence."""
    waiting = TamiyoState(head_specs=(HeadSpec("move", 5), HeadSpec("steer")))
    lines = text(heads_rows(make_snapshot(waiting), 118, 10))

    assert lines[0].split() == ["move", "steer"]
    assert "waiting" in lines[1]


def test_rows_that_no_own_head_measures_are_left_out(own_state, make_snapshot, text):
    """Entropies alone take two rows; there is room for the legend and the decisions."""
    only = HeadMeasures(entropy=0.5)
    state = structs.replace(own_state(2, move=only, aim=only), gradient_cv=None, dead_layers=None)
    state = structs.replace(state, exploding_layers=None, nan_grad_count=None, inf_grad_count=None)
    lines = text(heads_rows(make_snapshot(state), 118, 10))

    assert [line.split()[0] for line in lines if line.strip()][1:] == [
        "Entr",
        "━━━━━──",
        "State",
        "Latch",
        "●",
    ]
