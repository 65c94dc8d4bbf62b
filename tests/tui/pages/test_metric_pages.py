"""Tests of esper_tui.pages.metric_pages."""

import pytest
from msgspec import structs

from esper_schemas import QUANTITIES
from esper_tui.pages.metric_pages import metric_entry, metrics_page
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels.metric_panels import METRIC_PANELS
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


@pytest.mark.parametrize("panel", ["health", "value", "gradients"])
def test_the_page_of_a_panel_lists_the_signs_that_were_measured(
    panel, make_feed, make_snapshot, make_state, now
):
    """The first sign of each panel stands after the other metrics."""
    signs = METRIC_PANELS[panel].signs
    state = make_state(**{**dict.fromkeys(signs), signs[0]: 0.125})
    feed = make_feed(structs.replace(make_snapshot(state), histories={}))
    rows = [plain(entry.row) for entry in PAGES[panel].entries(View(feed, now), 120)]
    shown = [name for name in signs if any(row.startswith(QUANTITIES[name].label) for row in rows)]

    assert shown == [signs[0]]


@pytest.mark.parametrize("name", ["value_loss", "policy_loss", "td_error_std"])
def test_rows_have_one_width_if_parts_are_missing(make_snapshot, name):
    """Columns stay aligned."""
    snapshot = make_snapshot()

    assert row_width(metric_entry(snapshot, name).row) == row_width(metric_entry(snapshot, "grad_norm").row)
