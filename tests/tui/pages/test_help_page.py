"""Tests of esper_tui.pages.help_page and the tables that it is generated from."""

import pytest

from esper_schemas import CATALOGUE, HeadCondition
from esper_tui.pages.help_page import (
    CONDITION_WORDS,
    HEADS_FAMILIES,
    LOSSES_METRICS,
    PANEL_WORDS,
    help_rows,
)
from esper_tui.panels.heads_panel import LEGEND
from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import row_width
from esper_tui.text.theme import CONDITIONS


@pytest.fixture
def page(text):
    """The help page as one text."""

    def make(width=200):
        return "\n".join(text(help_rows(width)))

    return make


def test_every_number_of_the_panels_is_explained(page):
    """Each metric has its question from the catalogue."""
    fields = [*LOSSES_METRICS, *(f"head_op_{family}" for family in HEADS_FAMILIES)]

    for name in fields:
        assert CATALOGUE[name].metric.question in page(400)


def test_the_bounds_on_the_page_are_those_of_the_records(page):
    """Lv/Lp and the entropy of a head have the bounds of TELE-131, TELE-132 and TELE-170."""
    assert "ok 0.2–5, critical < 0.1 or > 10" in page(400)
    assert "TELE-170, ok > 0.5, critical ≤ 0.25 of its maximum" in page(400)


def test_every_symbol_of_the_legend_is_explained(page):
    """Each symbol is on the page with the name of its condition."""
    for condition in LEGEND:
        assert f"{CONDITIONS[condition][0]} {condition.value}" in page()


def test_what_is_not_finite_is_explained(page):
    """It is explained as the state of a head and as a mark in a history."""
    assert "× not finite" in page()
    assert f"{CONDITIONS[HeadCondition.NOT_FINITE][0]} {HeadCondition.NOT_FINITE.value}" in page()
    assert CONDITION_WORDS[HeadCondition.NOT_FINITE] in page()


def test_every_condition_has_a_symbol():
    """Every state of a head can be drawn."""
    assert set(CONDITIONS) == set(HeadCondition)


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
def test_the_page_is_wrapped_not_cut(width):
    """Every row has the width of the window."""
    assert {row_width(row) for row in help_rows(width)} == {width}


def test_every_panel_is_named_with_what_it_shows(page):
    """So is the reason why a panel may not be shown."""
    assert PANEL_WORDS.keys() == PANELS.keys()
    for panel, words in PANEL_WORDS.items():
        assert f" {PANELS[panel].title.split(' & ')[0]} " in page(400)
        assert words in page(400)
    assert "leaves its place to the others" in page(400)
