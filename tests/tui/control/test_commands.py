"""Tests of esper_tui.control.commands: the table of commands and what is generated from it."""

import pytest

from esper_tui.app import SanctumApp
from esper_tui.control.commands import BY_PRECEDENCE, COMMANDS
from esper_tui.pages.help_page import help_rows
from esper_tui.screens.help_screen import HelpScreen
from esper_tui.screens.main_screen import MainScreen


@pytest.fixture
def page(text):
    """The help page as one text."""

    def make(width=200):
        return "\n".join(text(help_rows(width)))

    return make


def test_every_command_has_a_key_an_action_and_help(page):
    """The key bindings, the action methods and the help page match the table of commands."""
    bound = [(binding.action, binding.key) for binding in SanctumApp.BINDINGS]

    assert bound == [(command.action, ",".join(command.keys)) for command in BY_PRECEDENCE]
    for command in COMMANDS:
        owner, _, call = command.action.rpartition(".")
        assert hasattr(MainScreen if owner == "screen" else SanctumApp, f"action_{call.split('(')[0]}")
        assert command.help in page()


def test_commands_that_work_on_the_help_page_are_actions_of_its_screen():
    """Other commands of the screen have no action there."""
    for command in COMMANDS:
        owner, _, call = command.action.rpartition(".")
        if owner == "screen":
            assert hasattr(HelpScreen, f"action_{call.split('(')[0]}") == command.on_help


def test_no_key_is_named_twice():
    """A key that terminals report under two names is listed once."""
    for command in COMMANDS:
        names = command.all_keys.split()
        assert len(names) == len(set(names))


def test_no_key_has_two_meanings():
    """Each key is in the table once, and may be there once more for the time bar."""
    for on_time_bar in (False, True):
        keys = [key for command in COMMANDS if command.on_time_bar is on_time_bar for key in command.keys]

        assert len(keys) == len(set(keys))
