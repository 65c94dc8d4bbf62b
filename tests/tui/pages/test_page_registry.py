"""Tests of esper_tui.pages.page_registry: properties of every page."""

import pytest

from esper_schemas import QUANTITIES
from esper_tui.metrics.metric_value import history_of
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import Tone, plain
from esper_tui.text.theme import MARKS
from esper_tui.view.view import View

WITHOUT_DETAILS = {"slots", "runs"}
"""Pages with rows that need no details: changes of stages, other runs."""


TITLES = {"ranks": 1, "gradients": 3, "heads": 2}
"""Rows that are not entries of their own: titles of tables, and the two decisions."""


def test_every_panel_can_be_opened_and_so_can_the_runs():
    """Everything on the screen has a page."""
    assert set(PAGES) == {*PANELS, "runs"}


@pytest.mark.parametrize("panel", sorted(set(PAGES) - WITHOUT_DETAILS - {"findings"}))
def test_every_row_is_explained(view, panel):
    """Only blank rows and titles have no details."""
    entries = [entry for entry in PAGES[panel].entries(view, 116) if entry.row]
    unexplained = [plain(entry.row) for entry in entries if not entry.details(118)]

    assert len(unexplained) == TITLES.get(panel, 0)


@pytest.mark.parametrize("panel", ["losses", "health", "value", "gradients", "heads"])
def test_every_metric_of_an_opened_panel_has_its_history(view, make_snapshot, panel, page):
    """Every measured metric has one, as a line in the row and as a chart below."""
    missing = [
        name
        for name in QUANTITIES
        if QUANTITIES[name].default is None and not history_of(view.snapshot, name)
    ]

    assert set(missing) <= {
        "td_error_std",
        "entropy_velocity",
        "entropy_clip_correlation",
        "collapse_risk_score",
        "gradient_drift",
    }
    label = {
        "losses": "KL",
        "health": "Adv mean",
        "value": "TD mean",
        "gradients": "Grad CV",
        "heads": "Ratio",
    }
    assert any(char in page(panel, label[panel]) for char in "▂▃▄▅▆▇")


@pytest.mark.parametrize("panel", ["losses", "health", "value", "gradients"])
def test_no_row_of_a_metric_depends_on_colour_alone(feeds, now, panel):
    """A value that is not finite has a mark, whether the metric has bounds or not."""
    for entry in PAGES[panel].entries(View(feeds["nan"], now), 76):
        bad = [span.tone for span in entry.row if span.tone in (Tone.WARNING, Tone.CRITICAL)]
        assert not bad or set(plain(entry.row)) & set(MARKS.values())
