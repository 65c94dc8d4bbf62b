"""Tests of esper_tui.pages.heads_page."""

import pytest
from msgspec import structs

from esper_schemas.heads import HEADS
from esper_schemas.payload import HeadMeasures
from esper_schemas.source import Feed
from esper_schemas.state import TamiyoState
from esper_tui.pages.heads_page import head_entry
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
    rows = [plain(entry.row) for entry in PAGES["heads"].entries(view, width)]
    said = {label: " ".join(row for row in rows if row.startswith(label)) for label in LABELS}
    assert all(said.values())
    for head in HEADS:
        for label, cell in (("State", condition), ("Latch", latch), ("Grad", gradient)):
            assert plain(cell(view.snapshot, head, Space(7))).strip() in said[label]
        assert plain(coefficient(TamiyoState(), head)) in said["Entr"]
    assert plain(gradient_flow_row(view.snapshot, width - 16)) in said["Flow"]


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


@pytest.mark.parametrize(("number", "width"), [(1, 118), (3, 78), (8, 118), (24, 78), (24, 200)])
def test_opened_heads_reach_every_number_of_every_own_head(own_state, make_snapshot, now, number, width):
    """In a table if there is room for one, else in a row for each number."""
    view = View(Feed(snapshot=make_snapshot(own_state(number))), now)
    rows = [plain(entry.row) for entry in PAGES["heads"].entries(view, width)]
    titles = [plain(row) for row in PAGES["heads"].titles(view, width)]

    for spec in view.snapshot.tamiyo.head_specs:
        assert any(spec.name in text for text in [*titles, *rows])
    for label in ("State", "Latch", "Entr", "Ratio min", "Grad", "KL", "Clip"):
        assert sum(row.startswith(f"{label} ") for row in rows) == (1 if titles else number)


def test_a_number_of_an_own_head_is_explained_with_its_history(own_state, make_snapshot, now, text):
    """The name is that of its quantity."""
    histories = {"heads/aim/entropy": (0.5, 0.6)}
    snapshot = structs.replace(make_snapshot(own_state(3)), histories=histories)
    details = "\n".join(text(head_entry(snapshot, "aim", "entropy").details(78)))

    assert "heads/aim/entropy" in details
    assert "0.500 → 0.600" in details


def test_the_deviation_of_continuous_heads_is_listed(own_state, make_snapshot, now):
    """It is left out where no head has one."""
    steer = own_state(1, sizes=(None,), move=HeadMeasures(entropy=-1.0, std=0.25))

    for state, listed in ((steer, True), (own_state(1), False)):
        view = View(Feed(snapshot=make_snapshot(state)), now)
        rows = [plain(entry.row) for entry in PAGES["heads"].entries(view, 118)]
        assert any(row.startswith("Std") for row in rows) == listed
