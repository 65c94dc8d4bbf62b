"""Tests of esper_tui.pages.heads_page."""

import pytest

from esper_schemas.heads import HEADS
from esper_schemas.state import TamiyoState
from esper_tui.pages.help_page import CONDITION_WORDS
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels.gradient_flow import gradient_flow_row
from esper_tui.panels.head_columns import Space, coefficient, condition, gradient, latch
from esper_tui.text.spans import plain
from esper_tui.view.view import View


def test_opened_heads_list_the_decisions(page):
    """Choices have their full name and their probability."""
    assert "germinate 93%" in page("heads", "Entr")


@pytest.mark.parametrize("width", [78, 118])
def test_opened_heads_show_everything_that_the_panel_shows(feeds, now, width):
    """State, latch, coefficient, gradient and gradient flow are shown, in a table or head by head."""
    view = View(feeds["critical"], now)
    state = view.snapshot.tamiyo
    rows = [plain(entry.row) for entry in PAGES["heads"].entries(view, width)]
    said = {label: " ".join(row for row in rows if row.startswith(label)) for label in LABELS}
    assert all(said.values())
    for head in HEADS:
        for label, cell in (("State", condition), ("Latch", latch), ("Grad", gradient)):
            assert plain(cell(state, head, Space(7))).strip() in said[label]
        assert plain(coefficient(TamiyoState(), head)) in said["Entr"]
    assert plain(gradient_flow_row(state, width - 16)) in said["Flow"]


LABELS = ("State", "Latch", "Entr", "Grad", "Flow")


@pytest.mark.parametrize("width", [80, 120])
def test_opened_heads_explain_their_state_and_latch(page, width):
    """The flow and the additions to a number are explained too."""
    state = " ".join(page("heads", "State", width).split())
    assert "State" in state
    assert any(words in state for words in CONDITION_WORDS.values())
    assert "been NaN or infinite" in page("heads", "Latch", width)
    assert "never" in page("heads", "Latch", width)
    assert "reach every layer" in page("heads", "Flow", width)
    assert "Coefficient" in page("heads", "Entr", width)
    assert "since the last update" in page("heads", "Grad", width)
