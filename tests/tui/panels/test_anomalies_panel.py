"""Tests of esper_tui.panels.anomalies_panel."""

import pytest
from msgspec import structs

from esper_schemas.snapshot import InstabilityTotals
from esper_tui.panels.anomalies_panel import anomalies_note, anomalies_rows
from esper_tui.text.spans import Tone, plain, row_width


@pytest.fixture
def hurt(make_snapshot, with_reports):
    """A snapshot with one report of each kind."""
    return with_reports(make_snapshot())


def test_a_calm_run_says_what_is_measured_and_that_nothing_was_reported(make_snapshot, text):
    """The level is the one that was asked for."""
    assert text(anomalies_rows(make_snapshot(), 60, 5)) == [
        "Telemetry  normal",
        "✓ no anomalies",
    ]
    assert plain(anomalies_note(make_snapshot())) == "0 anomalies"


def test_reports_of_all_kinds_stand_in_the_order_of_time(hurt, text):
    """Update, mark, kind, and what was seen; what is tiny is not written as zero."""
    assert text(anomalies_rows(hurt, 70, 9)) == [
        "Telemetry  ! debug from update 12 to 18: kl spike",
        "    12 ✗ kl spike               KL 0.231 > 0.100",
        "    12 ! telemetry raised       debug until update 18: kl spike",
        "    13 ! gradient drift         Grad drift 5.100 > 4.000",
        "    14 ✗ head entropy collapse  op 3e-6 < 0.080",
        "    15 ! worst ratios           style 8.880 in 2 transitions",
        "    16 ✗ not finite             3 NaN, 1 Inf: policy_loss, lstm",
    ]


def test_a_low_panel_keeps_the_level_and_the_newest(hurt, text):
    """What is measured now is the first thing to know."""
    assert [line.split()[0] for line in text(anomalies_rows(hurt, 70, 2))] == ["Telemetry", "16"]
    assert anomalies_rows(hurt, 70, 0) == ()


def test_a_level_that_has_gone_back_is_said_quietly(make_snapshot, with_reports, find):
    """What is measured now, then when it was more."""
    row = find(anomalies_rows(with_reports(make_snapshot(), active=False), 70, 9), "Telemetry")

    assert plain(row) == "Telemetry  normal, was debug from update 12 to 18"
    assert Tone.WARNING not in {span.tone for span in row}


def test_the_title_counts_and_never_forgets_what_was_not_finite(make_snapshot, hurt, tone_of):
    """Anomalies in a quiet tone, NaN and infinity as an alarm."""
    assert tone_of(anomalies_note(hurt), "3 NaN, 1 Inf") is Tone.CRITICAL
    finite = structs.replace(hurt, instability_totals=InstabilityTotals())
    assert plain(anomalies_note(finite)) == "3 anomalies"
    one = structs.replace(make_snapshot(), anomaly_counts={"kl_spike": 1})
    assert plain(anomalies_note(one)) == "1 anomaly"


@pytest.mark.parametrize("width", [20, 44, 70])
def test_rows_stay_within_their_width(hurt, width):
    """Long reports are cut, with a mark that something is missing."""
    rows = anomalies_rows(hurt, width, 9)

    assert max(map(row_width, rows)) <= width
