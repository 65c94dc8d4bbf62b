"""Tests of esper_tui.metrics.metric_row: the parts of a row, one column each."""

import math

import pytest

from esper_schemas.state import Trend
from esper_tui.metrics.metric_row import GAP, Column, Part, compact_value, metric_row
from esper_tui.metrics.metric_value import value_in_state, value_of
from esper_tui.text.spans import Span, Tone, plain, row_width

PARTS = (Part.LABEL, Part.VALUE, Part.ARROW, Part.HISTORY, Part.OK, Part.CRITICAL, Part.UNIT, Part.ID)


@pytest.fixture
def part(make_snapshot, make_state, with_finding):
    """One part of a metric's row, for a state with some fields changed and a finding about some metrics."""

    def make(part, width, name="value_loss", *, about=(), severity="critical", **fields):
        snapshot = with_finding(make_snapshot(make_state(**fields)), *about, severity=severity)
        return metric_row(value_in_state(snapshot, name), [Column(part, width)])

    return make


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column(Part.LABEL, 8), "V.Loss  "),
        (Column(Part.LABEL, 4), "V.L…"),
        (Column(Part.VALUE, 8), "   0.250"),
        (Column(Part.ARROW, 3), " ↘ "),
        (Column(Part.ARROW, 1), " "),
        (Column(Part.MARK, 1), "✓"),
        (Column(Part.HISTORY, 4), "▁▃▆█"),
        (Column(Part.OK, 12), "ok 0.001–5  "),
        (Column(Part.OK, 9), "         "),
        (Column(Part.CRITICAL, 14), "critical > 20 "),
        (Column(Part.UNIT, 10), "return²   "),
        (Column(Part.ID, 9), "TELE-132 "),
        (GAP, "  "),
    ],
)
def test_each_part_is_written_in_its_width(part, column, text):
    """Bounds, unit and id are left out where they would have to be cut."""
    fields = {
        "value_loss": 0.25,
        "value_loss_history": (9.0, 1.0, 2.0, 3.0, 4.0),
        "trends": {"value_loss": Trend.FALLING},
    }

    assert plain(part(*column, **fields)) == text


@pytest.mark.parametrize("value", [0.1, math.nan, None, 1e300, -1e-300])
@pytest.mark.parametrize("received", [True, False])
def test_a_row_is_exactly_as_wide_as_its_columns(make_snapshot, make_state, value, received):
    """Missing, non-finite and extreme values do not change the width."""
    columns = [GAP, *(Column(part, width) for width, part in enumerate(PARTS, 5))]
    snapshot = make_snapshot(make_state(grad_norm=value, ppo_data_received=received))

    assert row_width(metric_row(value_in_state(snapshot, "grad_norm"), columns)) == sum(w for _, w in columns)


@pytest.mark.parametrize(
    ("name", "value", "mark", "tone"),
    [
        ("value_loss", 0.5, "✓", Tone.VALUE),
        ("value_loss", 5.1, " ", Tone.WARNING),
        ("value_loss", 20.1, " ", Tone.BEYOND),
        ("policy_loss", 1e9, " ", Tone.VALUE),
        ("policy_loss", math.nan, " ", Tone.BEYOND),
        ("td_error_std", None, " ", Tone.DIM),
    ],
)
def test_a_value_is_ticked_within_bounds_and_coloured_beyond_them(part, name, value, mark, tone):
    """A metric without bounds is never ticked."""
    (number,) = part(Part.VALUE, 9, name, **{name: value})

    assert number.tone is tone
    assert plain(part(Part.MARK, 1, name, **{name: value})) == mark


@pytest.mark.parametrize(
    ("severity", "mark", "tone"),
    [("notice", " ", Tone.BEYOND), ("warning", "!", Tone.WARNING), ("critical", "✗", Tone.CRITICAL)],
)
def test_the_mark_is_that_of_the_finding(part, severity, mark, tone):
    """A notice is not an alarm; the band of the value does not matter."""
    found = {"about": ("value_loss",), "severity": severity, "value_loss": 20.1}

    assert part(Part.VALUE, 9, **found)[0].tone is tone
    assert plain(part(Part.MARK, 1, **found)) == mark


def test_before_the_first_update_there_is_nothing_to_show(part):
    """There is no history and no mark, and `waiting` replaces the default value."""
    waiting = {"ppo_data_received": False}

    assert part(Part.VALUE, 9, **waiting) == (Span("  waiting", Tone.DIM),)
    assert plain(part(Part.MARK, 1, **waiting)) == " "
    assert plain(part(Part.HISTORY, 10, **waiting)) == " " * 10


def test_a_compact_value_is_marked_only_if_a_finding_is_about_it(make_snapshot, make_state, with_finding):
    """Any other value has a blank in place of the mark."""
    beyond = make_snapshot(make_state(value_loss=25.0))
    ok, quiet, alarm = (
        value_of(snapshot, "value_loss")
        for snapshot in (
            make_snapshot(make_state(value_loss=0.5)),
            beyond,
            with_finding(beyond, "value_loss"),
        )
    )

    assert compact_value(ok, 7, Tone.GOOD) == (Span("0.500", Tone.GOOD), Span(" "))
    assert compact_value(quiet, 7) == (Span("25.000", Tone.BEYOND), Span(" "))
    assert compact_value(alarm, 7) == (Span("25.000", Tone.CRITICAL), Span("✗", Tone.CRITICAL))
