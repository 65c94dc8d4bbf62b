"""Tests of esper_tui.tiles: HEALTH, VALUE, GRADIENTS & LSTM."""

import math

import pytest

from esper_schemas import QUANTITIES
from esper_tui.help import LOSSES_METRICS
from esper_tui.rows import Tone, plain, row_width
from esper_tui.tiles import TILES, metric_row, tile_note, tile_rows
from esper_tui.vitals import TIMES


def test_every_quantity_of_the_learner_is_in_a_panel():
    """What is measured is shown somewhere."""
    shown = {name for tile in TILES.values() for name in tile.metrics}
    shown |= {*LOSSES_METRICS, *TIMES, "loss_ratio"}

    assert {name for name, field in QUANTITIES.items() if not field.head} == shown


def test_a_row_has_label_value_arrow_judgement_and_history(make_state, text):
    """In columns that do not depend on the values."""
    state = make_state(grad_norm=7.5)

    assert text([metric_row(state, "grad_norm", 40)]) == ["Grad               7.500 → !  ▁▂▃▃▅▆▅▇██"]


@pytest.mark.parametrize("value", [0.0, -1e300, math.nan, None, math.inf, 12345.678])
@pytest.mark.parametrize("width", [30, 36, 60])
def test_a_row_is_no_wider_than_its_place(make_state, value, width):
    """Whatever its value is."""
    for name in TILES["value"].metrics:
        assert row_width(metric_row(make_state(**{name: value}), name, width)) <= width


def test_the_bounds_stand_where_there_is_room(make_state):
    """And are left out, not cut, where there is none."""
    assert plain(metric_row(make_state(), "grad_norm_pre_clip", 36)).endswith("ok ≤ 5")
    assert "ok" not in plain(metric_row(make_state(), "grad_norm_pre_clip", 33))


def test_the_title_counts_what_is_not_well(make_snapshot, make_state, tone_of):
    """Rows that had no room included; nothing where all is well."""
    tile = TILES["health"]
    hurt = make_snapshot(make_state(grad_norm=7.5, log_prob_min=-101.0))

    assert tile_note(tile, make_snapshot()) == ()
    assert plain(tile_note(tile, hurt)) == "✗ 2"
    assert tone_of(tile_note(tile, hurt), "2") is Tone.CRITICAL


def test_before_the_first_update_every_row_is_waiting(feeds, text):
    """Defaults are not measurements."""
    rows = text(tile_rows(TILES["gradients"], feeds["waiting"].snapshot, 36, 30))

    assert all("waiting" in row for row in rows)
    assert len(rows) == len(TILES["gradients"].metrics)
