"""Tests of esper_tui.pages.metric_pages."""

import pytest

from esper_tui.pages.metric_pages import metric_entry, metrics_page
from esper_tui.text.spans import plain, row_width
from esper_tui.view.view import View


def test_a_row_has_everything_that_is_known_of_a_metric(make_snapshot, make_state, with_finding):
    """It has value, trend, the mark of a finding, history, both bounds, unit and id."""
    snapshot = make_snapshot(make_state(kl_divergence=0.0171))
    found = with_finding(snapshot, "kl_divergence", severity="warning")
    row = plain(metric_entry(found, "kl_divergence").row)

    assert row.split() == [
        *("KL", "0.0171", "↗", "!", "▁▁▂▃▅▆▅███", "ok", "≤", "0.015"),
        *("critical", ">", "0.03", "nats", "TELE-110"),
    ]


def test_its_details_are_the_help_of_the_metric_and_its_history(make_snapshot, text):
    """The help comes first, the history last."""
    lines = text(metric_entry(make_snapshot(), "kl_divergence").details(100))

    assert lines[0] == "KL  TELE-110 · kl_divergence · nats"
    assert [line.split()[0] for line in lines[1:3]] == ["Question", "Meaning"]
    assert lines[-4].startswith("History")


def test_a_page_has_one_entry_for_each_metric(make_feed, now):
    """The entries have the given order."""
    names = ("value_loss", "td_error_std", "loss_ratio")
    page = metrics_page(names)
    rows = [plain(entry.row) for entry in page.entries(View(make_feed(), now), 20)]

    assert [row.split()[0] for row in rows] == ["V.Loss", "TD", "Lv/Lp"]


@pytest.mark.parametrize("name", ["value_loss", "policy_loss", "td_error_std"])
def test_rows_have_one_width_if_parts_are_missing(make_snapshot, name):
    """Columns stay aligned."""
    snapshot = make_snapshot()

    assert row_width(metric_entry(snapshot, name).row) == row_width(metric_entry(snapshot, "grad_norm").row)
