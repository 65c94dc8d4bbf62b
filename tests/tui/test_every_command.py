"""Every command of the table, through each of its keys, and what it changes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from esper_tui.app import SanctumApp
from esper_tui.control.commands import COMMANDS
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import plain

ORDER = list(PANELS)
OPEN_HEALTH = ("enter", *("]",) * ORDER.index("health"))


@dataclass(frozen=True)
class Effect:
    """What a command changes: a value that is different before the command and as expected after it."""

    seen: Callable[[SanctumApp], Any]
    after: Any
    pressed_before: tuple[str, ...] = ()


def page(app):
    """The class of the screen on top."""
    return type(app.screen).__name__


def notices(app):
    """The messages of the notifications."""
    return [notice.message for notice in app._notifications]


def update_shown(app):
    """The last update of the snapshot on the screen."""
    return app.view().snapshot.tamiyo.last_update


EFFECTS = {
    "quit": Effect(lambda app: app.return_code, 0),
    "suspend": Effect(lambda app: "cannot be suspended" in "".join(notices(app)), True),  # there is no shell
    "help": Effect(page, "HelpScreen"),
    "pause": Effect(lambda app: app.view().newest is not None, True),
    "select_next": Effect(lambda app: app.options.selected, ORDER[1], ("tab",)),
    "select_previous": Effect(lambda app: app.options.selected, ORDER[0], ("tab", "tab")),
    "open": Effect(lambda app: app.options.opened, ORDER[0], ("tab",)),
    "charts": Effect(page, "ChartScreen"),
    "back": Effect(lambda app: app.options.opened, None, ("tab", "enter")),
    "row_down": Effect(lambda app: app.options.cursor, 1, OPEN_HEALTH),
    "row_up": Effect(lambda app: app.options.cursor, 1, (*OPEN_HEALTH, "down", "down")),
    "page_down": Effect(lambda app: app.options.cursor, 10, OPEN_HEALTH),
    "page_up": Effect(lambda app: app.options.cursor, 1, (*OPEN_HEALTH, "pagedown", "down")),
    "first_row": Effect(lambda app: app.options.cursor, 0, (*OPEN_HEALTH, "down", "down")),
    "last_row": Effect(lambda app: app.options.cursor, 34, OPEN_HEALTH),
    "open_next": Effect(lambda app: app.options.opened, ORDER[1], ("enter",)),
    "open_previous": Effect(lambda app: app.options.opened, ORDER[-1], ("enter",)),
    "back_in_time": Effect(update_shown, 16),
    "forward_in_time": Effect(update_shown, 16, ("comma", "comma")),
    "previous_mark": Effect(update_shown, 12),
    "next_mark": Effect(update_shown, 12, ("less_than_sign", "less_than_sign")),
    "go_to": Effect(page, "PromptScreen"),
    "note": Effect(page, "PromptScreen"),
    "time_bar": Effect(lambda app: app.options.time_bar, True),
    "play": Effect(lambda app: app.rewind.playhead.playing, True, ("T",)),
    "play_faster": Effect(lambda app: app.rewind.playhead.speed, 2.0, ("T",)),
    "play_slower": Effect(lambda app: app.rewind.playhead.speed, 0.5, ("T",)),
    "to_start": Effect(update_shown, 1, ("T",)),
    "to_present": Effect(update_shown, 17, ("T", "comma")),
    "hide": Effect(lambda app: app.options.hidden, frozenset({ORDER[0]}), ("tab",)),
    "show_all": Effect(lambda app: app.options.hidden, frozenset(), ("tab", "x")),
    "runs": Effect(lambda app: app.options.opened, "runs"),
    "next_run": Effect(lambda app: app.view().snapshot.run.run, "second"),
    "theme": Effect(lambda app: app.theme, "textual-light"),
    "symbols": Effect(lambda app: app.options.symbols, "braille"),
    "faster": Effect(lambda app: app.rate, 8.0),
    "slower": Effect(lambda app: app.rate, 2.0),
    "copy": Effect(lambda app: "PPO LOSSES" in app.clipboard, True),
    "save": Effect(lambda app: len(list(app.directory.glob("*.svg"))), 1),
    "command_palette": Effect(page, "CommandPalette"),
}
"""One for each command, in the order of the table."""


class Notes:
    """Writes no notes."""

    def outcomes(self):
        """There are none."""
        return iter(())


@pytest.fixture
def app(several_runs, now, tmp_path, monkeypatch, recorded_past):
    """The main screen with four frames a second, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    made = SanctumApp(
        several_runs,
        clock=lambda: now,
        open_history=lambda run: recorded_past(run),
        notes=Notes(),
        frames_per_second=4.0,
    )
    made.directory = tmp_path
    return made


def test_every_command_is_tested():
    """A new command needs an entry here."""
    assert list(EFFECTS) == [command.name for command in COMMANDS]


@pytest.mark.parametrize(
    ("name", "key"), [(command.name, key) for command in COMMANDS for key in command.keys]
)
async def test_a_key_has_the_effect_of_its_command(app, name, key):
    """The value is different before the key is pressed, and as expected after it."""
    effect = EFFECTS[name]
    async with app.run_test(size=(80, 24)) as pilot:
        for before in effect.pressed_before:
            await pilot.press(before)
            await wait_until(pilot, lambda: not app.rewind.is_waiting)
        assert effect.seen(app) != effect.after
        await pilot.press(key)
        await wait_until(pilot, lambda: effect.seen(app) == effect.after)
        await pilot.pause()


async def wait_until(pilot, is_true):
    """Let the app run until a condition holds."""
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        await pilot.pause(0.01)


def seen_of(app):
    """The state that commands change, apart from the screen on top."""
    names = ("selected", "opened", "cursor", "hidden")
    run = app.view().snapshot.run.run
    return (*(getattr(app.options, name) for name in names), app.rate, app.is_paused, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"), [(command.name, key) for command in COMMANDS for key in command.keys]
)
async def test_on_the_help_page_no_key_acts_behind_it(app, name, key):
    """The state of the main screen does not change."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "down", "?")
        before = seen_of(app)
        await pilot.press(key)
        await pilot.pause()
        assert seen_of(app) == before
        assert name in HELP_LEFT or page(app) == "HelpScreen" or name == "command_palette"


HELP_LEFT = {"quit", "help", "back"}


@pytest.mark.slow
async def test_the_help_page_changes_its_theme_and_symbols_and_is_copied_itself(app):
    """This applies to the page that is shown, not only to the next one."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("?", "b", "b", "t", "y")
        await pilot.pause()
        help_page = app.screen.query_one("#help", PanelWidget)
        assert all(plain(row).isascii() for row in help_page.rows)
        assert help_page.render_line(1)._segments[0].style.bgcolor.number == 255
        assert "KEYS" in app.clipboard
        assert "Quit Sanctum." in app.clipboard


async def test_over_the_help_page_the_palette_offers_what_acts_there(app):
    """Commands that would act behind the page are left out."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("?")
        offered = {entry.title for entry in app.get_system_commands(app.screen)}
        assert {"Next theme", "Help", "Copy"} <= offered
        assert not {"Runs", "Hide the panel", "Redraw more often"} & offered


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EFFECTS if name != "command_palette"])
async def test_the_palette_has_the_same_effects(app, name):
    """Each entry runs the command of its title."""
    effect = EFFECTS[name]
    title = next(command.title for command in COMMANDS if command.name == name)
    async with app.run_test(size=(80, 24)) as pilot:
        for before in effect.pressed_before:
            await pilot.press(before)
            await wait_until(pilot, lambda: not app.rewind.is_waiting)
        assert effect.seen(app) != effect.after
        entries = {entry.title: entry.callback for entry in app.get_system_commands(app.screen)}
        await entries[title]()
        await wait_until(pilot, lambda: effect.seen(app) == effect.after)
        await pilot.pause()
