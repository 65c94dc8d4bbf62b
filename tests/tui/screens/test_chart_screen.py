"""The chart screen on a running app: every key, what it asks for, and that a still chart costs nothing."""

import math
from array import array
from dataclasses import dataclass

import pytest
from msgspec import structs
from tests.tui.frames import assert_accepted, frame_of
from tests.tui.list_history import ListHistory

from esper_schemas.history import Mark, Place, SeriesQuestion
from esper_tui.control.chart_commands import CHART_COMMANDS
from esper_tui.control.commands import COMMANDS
from esper_tui.text.spans import plain

LENGTH = 1000
CRITICAL = Mark(place=Place(9, 600), kind="finding", title="KL jumped", severity="critical")


@pytest.fixture
def lists():
    """A run of a thousand updates."""
    metrics = {
        "mean_return": [n / LENGTH for n in range(LENGTH)],
        "kl_divergence": [0.01 + 0.005 * math.sin(n / 50) for n in range(LENGTH)],
        "env_steps_total": [100.0 * n for n in range(LENGTH)],
    }
    return ListHistory(metrics, marks=[CRITICAL])


@pytest.fixture
def app(start_app, lists):
    """The app of that run."""
    return start_app(open_history=lambda run: lists)


async def settled(app, pilot):
    """Wait until every question has been answered and drawn."""
    for _ in range(4):
        app._tick()
        await pilot.pause()


def board(app):
    """The charts that are shown."""
    return app.screen.board


def lines(app):
    """The screen as text."""
    return [plain(row).rstrip() for row in app.screen.copied_rows()]


def window(app):
    """The part of the run that is shown."""
    return board(app).viewport.window


@dataclass(frozen=True)
class Effect:
    """What a command changes, as a value that is different before and as expected after it."""

    seen: object
    after: object
    before: tuple[str, ...] = ()


EFFECTS = {
    "chart_back": Effect(lambda app: type(app.screen).__name__, "MainScreen"),
    "chart_enter": Effect(lambda app: type(app.screen).__name__, "MainScreen", ("home",)),
    "chart_next": Effect(lambda app: board(app).selected, 1),
    "chart_previous": Effect(lambda app: board(app).selected, 0, ("down",)),
    "chart_cursor_left": Effect(lambda app: board(app).viewport.cursor, 999.0),
    "chart_cursor_right": Effect(lambda app: board(app).viewport.cursor, 999.0, ("left", "left")),
    "chart_cursor_start": Effect(lambda app: board(app).viewport.cursor, 0.0),
    "chart_cursor_end": Effect(lambda app: board(app).viewport.cursor, 999.0, ("home",)),
    "chart_zoom_in": Effect(window, (249.75, 749.25)),
    "chart_zoom_out": Effect(window, None, ("+",)),
    "chart_whole": Effect(window, None, ("+", "+")),
    "chart_pan_left": Effect(window, (0.0, 499.5), ("+",)),
    "chart_pan_right": Effect(window, (499.5, 999.0), ("+",)),
    "chart_axis": Effect(lambda app: board(app).viewport.axis, "env_step"),
    "chart_log": Effect(lambda app: board(app).logarithmic, True),
    "chart_smooth": Effect(lambda app: board(app).smoothing, 0.6),
    "chart_own_ranges": Effect(lambda app: board(app).own_ranges, True),
    "chart_add": Effect(lambda app: type(app.screen).__name__, "CommandPalette"),
    "chart_remove": Effect(lambda app: len(board(app).item.metrics), 1, ("down", "down", "down")),
    "chart_find": Effect(lambda app: type(app.screen).__name__, "CommandPalette"),
    "chart_more": Effect(lambda app: board(app).grid, (2, 1)),
    "chart_fewer": Effect(lambda app: board(app).grid, (4, 4)),
    "chart_alone": Effect(lambda app: board(app).grid, (1, 1), ("g", "g", "g")),
}
"""One for each command, in the order of the table."""


def test_every_command_is_tested():
    """A new command needs an entry here."""
    assert list(EFFECTS) == [command.name for command in CHART_COMMANDS]


@pytest.mark.parametrize(("name", "key"), [(c.name, key) for c in CHART_COMMANDS for key in c.keys])
async def test_a_key_has_the_effect_of_its_command(app, name, key):
    """The value is different before the key is pressed, and as expected after it."""
    effect = EFFECTS[name]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        if name == "chart_remove":
            app.screen._change(board(app).overlaid("kl_divergence"))
        else:
            await pilot.press(*effect.before)
        assert effect.seen(app) != effect.after
        await pilot.press(key)
        await pilot.pause()
        assert effect.seen(app) == effect.after


class Resumed(ListHistory):
    """A run that had come a hundred updates further before it was resumed."""

    def _series(self, question):
        answer = super()._series(question)
        later = array("d", [x + 100.0 for x in array("d", answer.x)]).tobytes()
        return structs.replace(answer, earlier_x=later, earlier=answer.columns)


async def test_the_axis_reaches_to_the_end_of_what_was_made_again(start_app, lists):
    """The whole run is as long as its longest branch."""
    app = start_app(open_history=lambda run: Resumed(lists.metrics))
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        await pilot.press("end")
        assert board(app).viewport.cursor >= 1090.0


@pytest.mark.parametrize("key", ["tab", "shift+tab"])
async def test_tab_selects_charts_as_it_selects_panels(app, key):
    """The main screen behind the charts does not change."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        await pilot.press(key)
        assert board(app).selected in (1, len(board(app).items) - 1)
        assert app.options.selected is None


async def test_the_chart_of_the_metric_at_the_cursor_is_opened(app):
    """With its value, its axis and its marks."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", "enter", "down", "c")
        await settled(app, pilot)
        assert board(app).item.metrics == ("kl_divergence",)
        drawn = lines(app)
        assert drawn[1].startswith(" KL ")
        assert any("▲" in line for line in drawn)
        assert "update" in drawn[-3]
        await pilot.press("escape")
        assert app.options.opened == "losses"


async def test_a_metric_is_added_by_its_name(app):
    """The search offers every metric of the run, and what is chosen is drawn into the chart."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        screen, offered = app.screen, []
        app.search_commands = lambda commands, prompt: offered.extend(commands)
        await pilot.press("a")
        next(choose for title, choose, names in offered if names == "kl_divergence")()
        assert screen.board.item.metrics == ("mean_return", "kl_divergence")
        offered.clear()
        await pilot.press("/")
        next(choose for title, choose, names in offered if names == "steps_per_second")()
        assert screen.board.item.metrics == ("steps_per_second",)


async def test_zooming_asks_for_the_window(app, lists):
    """The answer has as many buckets as the chart can show."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        await pilot.press("+", "+")
        await settled(app, pilot)
        question = [q for q in lists.asked if isinstance(q, SeriesQuestion)][-1]
        assert (question.first, question.last) == window(app)
        assert question.points == 156


@pytest.mark.parametrize(("presses", "name"), [(1, "env step"), (2, "2023-11-14")])
async def test_every_axis_has_the_marks(app, presses, name):
    """Over environment steps they are placed by the steps that had been made."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        await pilot.press(*["x"] * presses)
        await settled(app, pilot)
        await settled(app, pilot)
        drawn = lines(app)
        assert name in drawn[-3]
        assert (name == "env step") == ("▲" in drawn[-4])


async def test_a_still_chart_is_neither_asked_for_nor_drawn_again(app, lists, monkeypatch):
    """Not even the main screen behind it is drawn."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        asked = len(lists.asked)
        with monkeypatch.context() as patch:  # at its end the app may draw the main screen once more
            patch.setattr("esper_tui.screens.chart_screen.page_rows", pytest.fail)
            patch.setattr("esper_tui.screens.panel_area.draw_place", pytest.fail)
            for _ in range(20):
                app._tick()
        assert len(lists.asked) == asked


async def test_without_series_the_last_values_are_charted(start_app):
    """The last row says so."""
    app = start_app()
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("tab", "enter", "down", "c")
        await settled(app, pilot)
        drawn = lines(app)
        assert "last values" in drawn[-2]
        assert any("┤" in line for line in drawn)


async def test_charts_are_copied_in_their_symbols(app):
    """In ASCII there is no other character."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await settled(app, pilot)
        await pilot.press("b", "b", "y")
        await pilot.pause()
        assert app.clipboard.startswith(" CHARTS")
        assert app.clipboard.isascii()


async def test_the_palette_offers_what_acts_on_charts(app):
    """Commands of the panels are left out."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        offered = {entry.title for entry in app.get_system_commands(app.screen)}
        assert {"Zoom in", "Next theme", "Pause or resume"} <= offered
        assert not {"Open the panel", "Hide the panel", "Charts"} & offered


def test_keys_of_charts_mean_something_else_only_if_that_has_no_use_there():
    """Help, theme, copying and quitting keep their keys."""
    kept = {key for c in COMMANDS if c.on_help and not c.action.startswith("screen.") for key in c.keys}
    assert not kept & {key for command in CHART_COMMANDS for key in command.keys}


@pytest.mark.parametrize("size", ["80x24", "120x40", "200x60"])
async def test_charts_are_drawn_as_accepted(app, size):
    """Four of them, at an update and smoothed."""
    async with app.run_test(size=tuple(map(int, size.split("x")))) as pilot:
        await pilot.press("tab", "enter", "down", "c", "g", "g", "home", *["right"] * 9, "e")
        await settled(app, pilot)
        assert_accepted(f"charts-{size}", frame_of(app))


async def test_a_window_of_any_size_is_filled(app):
    """Also after it has changed."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c", "g", "g")
        for size in ((200, 60), (40, 12), (3, 2)):
            await pilot.resize_terminal(*size)
            await settled(app, pilot)
            assert len(app.screen.copied_rows()) == size[1]


async def test_the_cockpit_asks_for_the_charts_that_have_a_place(app, lists):
    """The return from a hundred columns on; in a narrower window, and behind an opened panel, nothing."""
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        assert not lists.asked
        await pilot.resize_terminal(120, 40)
        await settled(app, pilot)
        assert lists.asked[-1].metrics == ("mean_return",)
        returns = app.main_screen.query_one("#return").rows
        assert any("500" in plain(row) or "┤" in plain(row) for row in returns)
