"""Tests of esper_tui.panels.anomalies_panel."""

import pytest
from msgspec import structs

from esper_schemas.findings import Evidence
from esper_schemas.snapshot import InstabilityTotals
from esper_tui.panels.anomalies_panel import anomalies_note, anomalies_rows
from esper_tui.text.spans import Tone, plain, row_width


@pytest.fixture
def with_anomalies(make_snapshot, with_reports):
    """A snapshot with one report of each kind."""
    return with_reports(make_snapshot())


def test_a_run_without_anomalies_shows_its_telemetry_level(make_snapshot, text):
    """The telemetry level is the requested one."""
    assert text(anomalies_rows(make_snapshot(), 60, 5)) == [
        "Telemetry  normal",
        "✓ no anomalies",
    ]
    assert plain(anomalies_note(make_snapshot())) == "0 anomalies"


def test_reports_of_all_kinds_are_in_chronological_order(with_anomalies, text):
    """Each has update, kind and observation; a tiny value is not written as zero."""
    assert text(anomalies_rows(with_anomalies, 80, 9)) == [
        "Telemetry  rank 0: debug from update 12 to 18: kl spike",
        "    12   kl spike               rank 0: KL 0.231 > 0.100",
        "    12   telemetry raised       rank 0: debug until update 18: kl spike",
        "    13   gradient drift         rank 0: Grad drift 5.100 > 4.000",
        "    14   head entropy collapse  rank 0: op 3e-6 < 0.080",
        "    15   worst ratios           rank 0: style 8.880 in 2 transitions",
        "    16   not finite             rank 0: 3 NaN, 1 Inf: policy_loss, lstm",
    ]


def test_a_report_is_marked_if_a_finding_is_about_the_same(with_anomalies, with_finding, text):
    """Reports of earlier updates than its evidence, and of other metrics, are not marked."""
    shows = with_finding(with_anomalies, "kl_divergence", evidence=(Evidence(12, "KL"),))
    later = with_finding(with_anomalies, "kl_divergence", evidence=(Evidence(13, "KL"),))
    broken = with_finding(with_anomalies, "policy_loss", rule="loss_not_finite")

    marked = [[line[7] for line in text(anomalies_rows(s, 80, 9))[1:]] for s in (shows, later, broken)]
    assert marked == [["✗", *" " * 5], [*" " * 6], [*" " * 5, "✗"]]


def test_a_low_panel_keeps_the_level_and_the_newest(with_anomalies, text):
    """The telemetry level comes before the newest report."""
    assert [line.split()[0] for line in text(anomalies_rows(with_anomalies, 70, 2))] == ["Telemetry", "16"]
    assert anomalies_rows(with_anomalies, 70, 0) == ()


def test_an_escalation_is_not_a_warning(make_snapshot, with_reports, find):
    """The row shows the current level, then when it was raised."""
    over, now = (
        find(anomalies_rows(with_reports(make_snapshot(), active=active), 70, 9), "Telemetry")
        for active in (False, True)
    )

    assert plain(over) == "Telemetry  normal, rank 0: was debug from update 12 to 18"
    assert {span.tone for span in (*over, *now)} == {Tone.LABEL, Tone.VALUE, Tone.DIM}


def test_the_title_counts_anomalies_and_non_finite_values(
    make_snapshot, with_anomalies, with_finding, tone_of
):
    """It counts the anomalies; NaN and infinite values are marked if a finding is about them."""
    broken = with_finding(with_anomalies, rule="loss_not_finite")
    assert tone_of(anomalies_note(with_anomalies), "3 NaN, 1 Inf") is Tone.BEYOND
    assert plain(anomalies_note(broken)) == "✗ 3 NaN, 1 Inf"
    finite = structs.replace(with_anomalies, instability_totals=InstabilityTotals())
    assert plain(anomalies_note(finite)) == "3 anomalies"
    one = structs.replace(make_snapshot(), anomaly_counts={"kl_spike": 1})
    assert plain(anomalies_note(one)) == "1 anomaly"


@pytest.mark.parametrize("width", [20, 44, 70])
def test_rows_stay_within_their_width(with_anomalies, width):
    """Long reports are cut."""
    rows = anomalies_rows(with_anomalies, width, 9)

    assert max(map(row_width, rows)) <= width
