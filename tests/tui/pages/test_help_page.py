"""Tests of esper_tui.pages.help_page and the tables that it is made from."""

import pytest

from esper_schemas import CATALOGUE, HeadCondition
from esper_tui.app import SanctumApp
from esper_tui.control.commands import COMMANDS
from esper_tui.pages.help_page import CONDITION_WORDS, HEADS_FAMILIES, LOSSES_METRICS, help_rows
from esper_tui.panels.footer import footer_rows
from esper_tui.panels.heads_panel import LEGEND
from esper_tui.screens.help_screen import HelpScreen
from esper_tui.screens.main_screen import MainScreen
from esper_tui.text.spans import row_width
from esper_tui.text.theme import CONDITIONS
from esper_tui.view.view import View, ViewOptions


@pytest.fixture
def page(text):
    """The help page as one text."""

    def make(width=200):
        return "\n".join(text(help_rows(width)))

    return make


def test_every_command_has_a_key_an_action_and_help(page):
    """The bindings, the page and the methods are made of one table."""
    bound = [(binding.action, binding.key) for binding in SanctumApp.BINDINGS]

    assert bound == [(command.action, ",".join(command.keys)) for command in COMMANDS]
    for command in COMMANDS:
        owner, _, call = command.action.rpartition(".")
        assert hasattr(MainScreen if owner == "screen" else SanctumApp, f"action_{call.split('(')[0]}")
        assert command.help in page()


def test_commands_that_work_on_the_help_page_are_actions_of_its_screen():
    """The others find no action there."""
    for command in COMMANDS:
        owner, _, call = command.action.rpartition(".")
        if owner == "screen":
            assert hasattr(HelpScreen, f"action_{call.split('(')[0]}") == command.on_help


def test_no_key_is_named_twice():
    """Two names that terminals have for one key are one to people."""
    for command in COMMANDS:
        names = command.all_keys.split()
        assert len(names) == len(set(names))


def test_no_key_has_two_meanings():
    """Each key stands once in the table."""
    keys = [key for command in COMMANDS for key in command.keys]

    assert len(keys) == len(set(keys))


def test_every_number_of_the_panels_is_explained(page):
    """With its question, from the catalogue."""
    fields = [*LOSSES_METRICS, *(f"head_op_{family}" for family in HEADS_FAMILIES)]

    for name in fields:
        assert CATALOGUE[name].metric.question in page(400)


def test_the_bounds_on_the_page_are_those_of_the_records(page):
    """Lv/Lp and a head's entropy, as TELE-131, TELE-132 and TELE-170 say."""
    assert "ok 0.2–5, critical < 0.1 or > 10" in page(400)
    assert "TELE-170, ok > 0.5, critical ≤ 0.25 of its maximum" in page(400)


def test_every_symbol_of_the_legend_is_explained(page):
    """The page says what a condition is, the legend only how it is called."""
    for condition in LEGEND:
        assert f"{CONDITIONS[condition][0]} {condition.value}" in page()


def test_what_is_not_finite_is_explained(page):
    """As the state of a head, and as a mark in a history."""
    assert "× not finite" in page()
    assert f"{CONDITIONS[HeadCondition.NOT_FINITE][0]} {HeadCondition.NOT_FINITE.value}" in page()
    assert CONDITION_WORDS[HeadCondition.NOT_FINITE] in page()


def test_every_condition_has_a_symbol():
    """A head can be in no state that cannot be drawn."""
    assert set(CONDITIONS) == set(HeadCondition)


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
def test_the_page_is_wrapped_not_cut(width):
    """Every row has the width of the window."""
    assert {row_width(row) for row in help_rows(width)} == {width}


@pytest.mark.parametrize(
    ("opened", "keys"),
    [
        (None, "q quit ? help p pause tab panel enter open x hide r runs t theme y copy s save"),
        ("health", "q quit ? help p pause esc back ] next [ previous r runs y copy s save"),
    ],
)
def test_the_footer_names_the_keys_of_its_screen(feeds, now, text, opened, keys):
    """Commands with a label, and where the picture comes from."""
    line = text(footer_rows(View(feeds["healthy"], now), ViewOptions(opened=opened), 150, 1))[0]

    assert line.split("ipc")[0].split() == keys.split()
    assert line.endswith("ipc:///run/user/1000/esper/main.sock")
