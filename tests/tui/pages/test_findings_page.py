"""Tests of esper_tui.pages.findings_page."""

import pytest

from esper_tui.pages.findings_page import finding_entries
from esper_tui.view.view import View


@pytest.fixture
def entries(make_feed, now):
    """The entries of a snapshot."""
    return lambda snapshot: finding_entries(View(make_feed(snapshot), now), 118)


def test_values_beyond_their_bands_are_listed_quietly(entries, make_snapshot, make_state, text):
    """Below the verdict; each has a row and its help. The worst comes first, and heads have their names."""
    found = entries(make_snapshot(make_state(collapse_risk_score=0.8, head_alpha_speed_ratio_max=1.3)))
    rows = text([entry.row for entry in found])

    assert rows[:2] == [
        "✓ no finding in 17 updates",
        "2 values beyond the bands of their metrics; that alone is not a finding",
    ]
    assert [row.split("  ")[0] for row in rows[2:]] == ["Collapse risk", "Ratio α speed"]
    assert not any(mark in row for row in rows[2:] for mark in "!✗")
    assert any("TELE-122" in line for line in text(found[2].details(118)))


def test_without_such_a_value_there_is_no_list(entries, make_snapshot, text):
    """Only the number of updates is shown."""
    assert text([entry.row for entry in entries(make_snapshot())]) == ["✓ no finding in 17 updates"]


def test_an_alarm_is_shown_without_other_values(entries, make_snapshot, make_state, with_finding):
    """Values beyond their bands are listed only beside notices."""
    snapshot = make_snapshot(make_state(collapse_risk_score=0.8))

    assert len(entries(with_finding(snapshot, severity="critical"))) == 1
    assert len(entries(with_finding(snapshot, severity="notice"))) == 3


def test_the_details_name_the_metrics_that_show_a_finding(entries, make_snapshot, with_finding, text):
    """By their labels, with the head if they are of one; other names stand for themselves."""
    about = ("kl_divergence", "head_alpha_speed_ratio_max", "mean_return", "eval/reward")
    (entry,) = entries(with_finding(make_snapshot(), *about))

    assert text(entry.details(118))[-1].split("  ")[-1] == ("KL, Ratio of α speed, mean return, eval/reward")
