"""Tests of esper_tui.panels.metric_panels: HEALTH, VALUE, GRADIENTS & LSTM."""

import math

import pytest
from tests.tui.foreign import sb3, sb3_state

from esper_schemas import QUANTITIES, TamiyoState
from esper_tui.pages.help_page import LOSSES_METRICS
from esper_tui.panels.metric_panels import METRIC_PANELS, MetricPanel, metric_panel_note, metric_panel_rows
from esper_tui.panels.vitals_panel import TIMES
from esper_tui.text.spans import Tone, plain, row_width


@pytest.fixture
def row(make_snapshot, make_state):
    """The row of one metric, for a state with some fields changed."""

    def make(name, width, **fields):
        (made,) = metric_panel_rows(
            MetricPanel("PANEL", (name,)), make_snapshot(make_state(**fields)), width, 1
        )
        return made

    return make


def test_every_quantity_of_the_learner_is_in_a_panel():
    """Every measured quantity is shown somewhere."""
    shown = {name for panel in METRIC_PANELS.values() for name in panel.metrics}
    shown |= {*LOSSES_METRICS, *TIMES, "loss_ratio"}

    assert {name for name, field in QUANTITIES.items() if not field.head} == shown


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
    assert "✗" in line
    assert line.startswith("Gra")


def test_the_bounds_are_shown_where_there_is_room(row):
    """They are left out, not cut, where there is too little."""
    assert plain(row("grad_norm_pre_clip", 36)).endswith("ok ≤ 5")
    assert "ok" not in plain(row("grad_norm_pre_clip", 33))


def test_the_title_counts_unhealthy_metrics(make_snapshot, make_state, tone_of):
    """It is empty if all metrics are healthy."""
    panel = METRIC_PANELS["health"]
    unhealthy = make_snapshot(make_state(grad_norm=7.5, log_prob_min=-101.0))

    assert metric_panel_note(panel, make_snapshot()) == ()
    assert plain(metric_panel_note(panel, unhealthy)) == "✗ 2"
    assert tone_of(metric_panel_note(panel, unhealthy), "2") is Tone.CRITICAL


def labels(rows):
    """The labels of the rows."""
    return [row[0].text.strip() for row in rows]


def test_unhealthy_metrics_have_a_row_where_not_all_fit(make_snapshot, make_state):
    """They take the last rows, in the usual order; the other rows do not move."""
    panel, unhealthy = METRIC_PANELS["gradients"], {"lstm_cell_rms": 99.0, "skipped_steps": 1}
    usual = labels(metric_panel_rows(panel, make_snapshot(), 36, 8))
    shown = labels(metric_panel_rows(panel, make_snapshot(make_state(**unhealthy)), 36, 8))

    assert shown == [*usual[:6], "c rms", "Skipped steps"]


def test_an_unhealthy_metric_that_had_a_row_keeps_its_place(make_snapshot, make_state):
    """The last healthy metric gives up its row."""
    unhealthy = {"lstm_hidden_rms": math.nan, "lstm_cell_rms": 99.0}
    shown = labels(
        metric_panel_rows(METRIC_PANELS["gradients"], make_snapshot(make_state(**unhealthy)), 36, 9)
    )

    assert shown[6:] == ["V grad", "h rms", "c rms"]


def test_critical_metrics_have_a_row_before_warnings(make_snapshot, make_state):
    """Warnings are dropped first if not even all unhealthy metrics fit."""
    unhealthy = {"nan_grad_count": 1, "skipped_steps": 9, "lstm_cell_rms": math.inf}
    snapshot = make_snapshot(make_state(**unhealthy))

    assert labels(metric_panel_rows(METRIC_PANELS["gradients"], snapshot, 36, 2)) == [
        "c rms",
        "Skipped steps",
    ]
    assert labels(metric_panel_rows(METRIC_PANELS["gradients"], snapshot, 36, 3))[0] == "NaN grads"
    assert metric_panel_rows(METRIC_PANELS["gradients"], snapshot, 36, 0) == ()


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
