"""Tests of esper_tui.panels.metric_panels: HEALTH, VALUE, GRADIENTS & LSTM."""

import math

import pytest
from msgspec import structs
from tests.tui.foreign import sb3, sb3_state

from esper_schemas import QUANTITIES, TamiyoState
from esper_tui.pages.help_page import LOSSES_METRICS
from esper_tui.panels.metric_panels import (
    METRIC_PANELS,
    MetricPanel,
    metric_panel_note,
    metric_panel_rows,
    shown_metrics,
)
from esper_tui.panels.vitals_panel import TIMES
from esper_tui.text.spans import Tone, plain, row_width


@pytest.fixture
def row(make_snapshot, make_state, with_finding):
    """The row of one metric that a warning is about, for a state with some fields changed."""

    def make(name, width, **fields):
        snapshot = with_finding(make_snapshot(make_state(**fields)), name, severity="warning")
        (made,) = metric_panel_rows(MetricPanel("PANEL", (name,)), snapshot, width, 1)
        return made

    return make


def test_every_quantity_of_the_learner_is_in_a_panel():
    """Every measured quantity is shown somewhere."""
    shown = {name for panel in METRIC_PANELS.values() for name in panel.metrics + panel.signs}
    shown |= {*LOSSES_METRICS, *TIMES, "loss_ratio"}

    assert {name for name, field in QUANTITIES.items() if not field.head} == shown


def test_signs_have_a_row_once_they_are_measured(make_state, make_snapshot):
    """A run of an earlier version, which does not measure them, has no empty rows."""
    panel = METRIC_PANELS["gradients"]
    without = dict.fromkeys(panel.signs)
    unmeasured, measured = (
        structs.replace(make_snapshot(make_state(**fields)), histories={})
        for fields in (without, {**without, "dead_units": 0.25})
    )

    assert shown_metrics(panel, unmeasured) == panel.metrics
    assert shown_metrics(panel, measured) == (*panel.metrics, "dead_units")


def test_a_row_has_label_value_arrow_mark_and_history(row, text):
    """The parts are in this order."""
    assert text([row("grad_norm", 40, grad_norm=7.5)]) == ["Grad               7.500 → !  ▁▂▃▃▅▆▅▇██"]


@pytest.mark.parametrize("value", [0.0, -1e300, math.nan, None, math.inf, 12345.678])
@pytest.mark.parametrize("width", [30, 36, 60])
def test_a_row_fits_its_place(row, value, width):
    """No value makes it wider than its panel."""
    for name in METRIC_PANELS["value"].metrics:
        assert row_width(row(name, width, **{name: value})) <= width


@pytest.mark.parametrize("width", range(13, 30))
def test_in_a_narrow_panel_the_number_and_its_mark_stay(row, width):
    """The label is shortened before they are."""
    line = plain(row("grad_norm_pre_clip", width, grad_norm_pre_clip=55.5))[:width]

    assert "55.500" in line
    assert "!" in line
    assert line.startswith("Gra")


def test_the_bounds_are_shown_where_there_is_room(row):
    """They are left out, not cut, where there is too little."""
    assert plain(row("grad_norm_pre_clip", 36)).endswith("ok ≤ 5")
    assert "ok" not in plain(row("grad_norm_pre_clip", 33))


def test_the_title_counts_the_metrics_that_findings_are_about(
    make_snapshot, make_state, with_finding, tone_of
):
    """Values beyond their bands are not counted, as most healthy runs have some."""
    panel = METRIC_PANELS["health"]
    beyond = make_snapshot(make_state(grad_norm=7.5, log_prob_min=-101.0, advantage_std=0.0))
    found = with_finding(with_finding(beyond, "grad_norm"), "log_prob_min", severity="warning")

    assert metric_panel_note(panel, beyond) == ()
    assert plain(metric_panel_note(panel, found)) == "✗ 2"
    assert tone_of(metric_panel_note(panel, found), "2") is Tone.CRITICAL


def labels(rows):
    """The labels of the rows."""
    return [row[0].text.strip() for row in rows]


@pytest.fixture
def fitting(make_snapshot, make_state, with_finding):
    """The labels of the rows of GRADIENTS in a panel of a given height, with findings about some metrics."""

    def shown(height, critical=(), warnings=(), **fields):
        snapshot = with_finding(make_snapshot(make_state(**fields)), *critical)
        snapshot = with_finding(snapshot, *warnings, severity="warning")
        return labels(metric_panel_rows(METRIC_PANELS["gradients"], snapshot, 36, height))

    return shown


def test_metrics_that_findings_are_about_have_a_row_where_not_all_fit(fitting):
    """They take the last rows, in the usual order; the other rows do not move."""
    bad = {"lstm_cell_rms": 99.0, "skipped_steps": 1}

    assert fitting(8, bad, **bad) == [*fitting(8)[:6], "c rms", "Skipped steps"]


def test_values_beyond_their_bands_do_not_move_the_rows(fitting):
    """A panel of a healthy run keeps its rows while values cross their bands."""
    assert fitting(8, lstm_cell_rms=99.0, skipped_steps=1) == fitting(8)


def test_a_metric_in_alarm_that_had_a_row_keeps_its_place(fitting):
    """The last other metric gives up its row."""
    bad = {"lstm_hidden_rms": math.nan, "lstm_cell_rms": 99.0}

    assert fitting(9, bad, **bad)[6:] == ["V grad", "h rms", "c rms"]


def test_metrics_of_critical_findings_have_a_row_before_those_of_warnings(fitting):
    """Warnings are dropped first if not even all metrics in alarm fit."""
    warnings, critical = {"nan_grad_count": 1}, {"skipped_steps": 9, "lstm_cell_rms": math.inf}
    found = {"critical": critical, "warnings": warnings} | critical | warnings

    assert fitting(2, **found) == ["c rms", "Skipped steps"]
    assert fitting(3, **found)[0] == "NaN grads"
    assert fitting(0, **found) == []


def test_before_the_first_update_every_row_is_waiting(feeds, text):
    """No default is shown as a measurement."""
    rows = text(metric_panel_rows(METRIC_PANELS["gradients"], feeds["waiting"].snapshot, 36, 30))

    assert all("waiting" in row for row in rows)
    assert len(rows) == len(METRIC_PANELS["gradients"].metrics)


def test_another_trainer_has_rows_for_what_it_measures_only(text):
    """Before its first update every metric is waiting."""
    snapshot = sb3(sb3_state(value_mean=1.0))

    assert [
        line.split()[0] for line in text(metric_panel_rows(METRIC_PANELS["value"], snapshot, 36, 12))
    ] == [
        "Expl.Var",
        "Value",
    ]
    assert len(metric_panel_rows(METRIC_PANELS["value"], sb3(TamiyoState()), 36, 12)) == 12
