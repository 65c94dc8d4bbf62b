"""Tests of esper_tui.screens.main_screen: selection, opened panels, cursor, hidden panels and runs."""

import re
import time

import pytest
from msgspec import structs
from textual.events import MouseScrollDown, MouseScrollUp

from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import EventEntry
from esper_tui.app import SanctumApp
from esper_tui.control.user_settings import Settings, load
from esper_tui.grid.arrangement import OPENED
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import plain

ORDER = list(PANELS)
OPEN_HEALTH = ("enter", *("]",) * ORDER.index("health"))


async def wait_until(pilot, is_true):
    """Let the app run until a condition holds."""
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        await pilot.pause(0.01)


def shown(app, panel=OPENED):
    """The text of a panel of the main screen."""
    return "\n".join(plain(row) for row in app.screen_stack[0].query_one(f"#{panel}", PanelWidget).rows)


async def test_the_focus_cycles_through_all_panels(start_app):
    """Tab goes forwards, shift+tab backwards, escape clears it; the title of a selected panel has a mark."""
    app = start_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("tab")
        assert app.options.selected == ORDER[0]
        assert "▸ PPO LOSSES" in shown(app, "losses")
        await pilot.press("shift+tab")
        assert app.options.selected == "events"  # there is no room for charts
        await pilot.press("tab", "down", "j", "up")
        assert app.options.selected == ORDER[1]
        await pilot.press("escape")
        assert app.options.selected is None
        assert "▸" not in shown(app, "losses")


@pytest.mark.slow
async def test_every_panel_opens_and_closes(start_app):
    """It fills the screen between header and footer; the brackets switch to the next and the previous one."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        for panel in ORDER:
            await pilot.pause()
            assert app.options.opened == panel
            assert PANELS[panel].title in shown(app)
            assert app.screen.query_one(f"#{OPENED}", PanelWidget).size == (120, 37)
            await pilot.press("right_square_bracket")
        await pilot.press("left_square_bracket", "escape")
        assert app.options.opened is None


async def test_the_cursor_shows_the_help_of_its_metric(start_app):
    """The help has the meaning, the healthy range and the advice for the metric."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter", "down")
        assert "TELE-110 · kl_divergence · nats" in shown(app)
        assert "How far did this update move the policy?" in shown(app)
        assert "ok ≤ 0.015, critical > 0.03" in shown(app)
        assert "Advice      Lower the learning rate" in shown(app)
        assert "0.0060 → 0.0117" in shown(app)
        await pilot.press("up")
        assert "TELE-200 · explained_variance" in shown(app)


async def test_the_cursor_stays_within_the_list(start_app):
    """Home, end and page keys stop at its ends."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter", "G")
        last = app.options.cursor
        await pilot.press("down", "pagedown")
        assert app.options.cursor == last > 5
        await pilot.press("g", "up", "pageup")
        assert app.options.cursor == 0


async def test_one_step_up_leaves_the_last_row(start_app):
    """A wide window lists a family of heads in one row; one step up from the last row moves the cursor."""
    app = start_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press(*["tab"] * (ORDER.index("heads") + 1), "enter", "G")
        rows = shown(app).splitlines()
        await pilot.press("up")
        marked = [line for line in shown(app).splitlines() if "▸" in line]
        assert app.options.opened == "heads"
        assert marked[0] != next(line for line in rows if "▸" in line)
        assert "env 0 step 4" in marked[0]


async def test_a_finding_is_opened_with_its_evidence_and_advice(start_app, make_feed, make_snapshot):
    """All of it is below the list."""
    finding = Finding(
        rule="x",
        severity="critical",
        title="The policy runs away",
        since_update=12,
        evidence=(Evidence(11, "KL 0.05"), Evidence(12, "clip 0.4")),
        advice=("Lower the learning rate.", "Make fewer epochs."),
    )
    app = start_app(make_feed(structs.replace(make_snapshot(), findings=(finding,))))
    async with app.run_test(size=(120, 40)) as pilot:
        assert "✗ The policy runs away" in shown(app, "findings")
        assert "since 12" in shown(app, "findings")
        await pilot.press("tab", "tab", "enter")
        assert all(text in shown(app) for text in ("KL 0.05", "clip 0.4", "→ Lower", "→ Make fewer"))


async def test_hidden_panels_stay_hidden(start_app, tmp_path):
    """The settings file keeps the choice until all panels are shown again."""
    file = tmp_path / "esper" / "sanctum.toml"
    app = start_app(settings_file=file)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("tab", "tab", "x")
        await pilot.pause()
        assert app.screen.query_one("#findings", PanelWidget).size.height == 0
        assert app.options.selected == "return"  # the next panel is selected
    assert load(file) == (Settings(hidden=frozenset({"findings"})), "")
    again = start_app(settings=load(file)[0], settings_file=file)
    async with again.run_test(size=(120, 40)) as pilot:
        assert again.screen.query_one("#findings", PanelWidget).size.height == 0
        await pilot.press("X")
    assert load(file) == (Settings(), "")


async def test_hiding_needs_a_selected_panel(start_app):
    """Without a selected panel nothing is hidden."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("x")
        assert app.options.hidden == frozenset()


async def test_runs_are_listed_and_switched(several_runs, now):
    """Enter shows the run at the cursor, n the next one."""
    source = several_runs
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("r")
        assert all(run in shown(app) for run in source.runs)
        await pilot.press("down", "down", "enter")
        assert source.selected == "third"
        assert app.options.opened is None
        await pilot.press("n")
        assert source.selected == "first"
        await pilot.press("r", "r")
        assert app.options.opened is None


async def test_a_new_run_is_announced_and_can_be_watched(several_runs, now):
    """The screen stays with its run; n watches the new one, wherever it is in the list."""
    source = several_runs
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        source.begin("fourth")
        await wait_until(pilot, lambda: "new run fourth" in shown(app, "footer"))
        assert "first" in shown(app, "header")
        await pilot.press("n")
        assert source.selected == "fourth"
        await wait_until(pilot, lambda: "new run" not in shown(app, "footer"))


async def test_the_list_of_runs_ends_the_announcement(several_runs, now):
    """Whoever has seen the list knows the new run; the one that is shown stays."""
    source = several_runs
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        source.begin("fourth")
        await pilot.press("r")
        assert "fourth" in shown(app)
        assert "new run" not in shown(app, "footer")
        assert source.selected == "first"


async def test_the_cursor_stays_at_a_run_while_others_begin(several_runs, now):
    """Enter watches the run that the user sees at the cursor."""
    source = several_runs
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("r", "down")
        source.begin("fourth")
        await pilot.press("enter")
        assert source.selected == "second"


async def test_a_single_run_has_no_next(start_app):
    """The key opens nothing; a notification says why."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        assert app.options.opened is None
        assert notices(app) == ["There is no other run."]


async def test_the_wheel_moves_the_cursor_of_an_opened_panel(start_app):
    """It stops at both ends; on the main screen it does nothing."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot._post_mouse_events([MouseScrollDown], "#losses", offset=(5, 3))
        assert app.options.selected is None
        await pilot.press(*OPEN_HEALTH)
        await pilot._post_mouse_events([MouseScrollDown, MouseScrollDown], "#opened", offset=(5, 3))
        assert app.options.cursor == 6
        await pilot._post_mouse_events([MouseScrollUp] * 3, "#opened", offset=(5, 3))
        assert app.options.cursor == 0


async def test_a_click_in_an_opened_panel_moves_the_cursor(start_app):
    """It moves to the row that was clicked, also in a list that is scrolled; details are no rows of it."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*OPEN_HEALTH, *["down"] * 12)
        rows = [plain(row) for row in app.screen.query_one("#opened", PanelWidget).rows]
        (marked,) = [y for y, row in enumerate(rows) if "▸" in row]
        await pilot.click("#opened", offset=(5, marked + 1))
        assert app.options.cursor == 13
        await pilot.click("#opened", offset=(5, 20))
        await pilot.click("#opened", offset=(5, 0))
        assert app.options.cursor == 13


async def test_a_second_click_on_an_entry_opens_it(several_runs, now):
    """In the list of runs it watches the run, as enter does."""
    source = several_runs
    app = SanctumApp(source, clock=lambda: now)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("r")
        await pilot.click("#opened", offset=(5, 3))
        assert source.selected == "first"
        await pilot.click("#opened", offset=(5, 3))
        assert source.selected == "third"
        assert app.options.opened is None


@pytest.mark.parametrize(("key", "seen"), [("home", r" 1-\d+ of 35 "), ("end", r" \d+-35 of 35 ")])
async def test_an_opened_list_that_is_cut_says_so(start_app, key, seen):
    """The border has the rows in sight, and the number of all."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*OPEN_HEALTH, key)
        assert re.search(seen, shown(app).splitlines()[0])


async def test_an_opened_list_that_is_whole_has_no_range(start_app):
    """Every row is in sight."""
    app = start_app()
    async with app.run_test(size=(200, 70)) as pilot:
        await pilot.press(*OPEN_HEALTH)
        assert " of " not in shown(app).splitlines()[0]


async def test_the_mouse_selects_and_opens(start_app):
    """A click selects a panel, a second one opens it."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.click("#heads")
        assert app.options.selected == "heads"
        await pilot.click("#heads")
        assert app.options.opened == "heads"


def many_events(first, number):
    """Consecutive events, each with its number."""
    return tuple(
        EventEntry(n * 10**9, "host0:0", "PPOUpdateCompleted", f"update {n}")
        for n in range(first, first + number)
    )


def marked_row(app):
    """The row at the cursor of an opened panel."""
    return next(line for line in shown(app).splitlines() if "▸" in line)


@pytest.fixture
def app_with_events(start_app, make_feed, make_snapshot):
    """An app with a list of events, and a function that replaces them by those from a given number on."""

    def feed(first):
        return make_feed(structs.replace(make_snapshot(), recent_events=many_events(first, 40)))

    app = start_app(feed(0))

    async def arrive(pilot, first):
        app._source.feed = feed(first)
        await pilot.pause(0.6)

    return app, arrive


OPEN_EVENTS = ("enter", *["left_square_bracket"] * (len(ORDER) - ORDER.index("events")))


async def test_a_growing_list_opens_at_its_newest_entry_and_follows_it(app_with_events):
    """The cursor stays at the end when more entries arrive."""
    app, arrive = app_with_events
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*OPEN_EVENTS)
        assert "update 39" in marked_row(app)
        await arrive(pilot, 5)
        assert "update 44" in marked_row(app)


@pytest.mark.slow
async def test_a_moved_cursor_stays_at_its_event_until_it_is_at_the_newest_again(app_with_events):
    """When its event is no longer listed, it moves to the oldest one."""
    app, arrive = app_with_events
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*OPEN_EVENTS, "up", "up")
        assert "update 37" in marked_row(app)
        await arrive(pilot, 5)
        assert "update 37" in marked_row(app)
        await pilot.press("down")
        assert "update 38" in marked_row(app)
        await arrive(pilot, 50)
        assert "update 50" in marked_row(app)
        await pilot.press("G")
        await arrive(pilot, 60)
        assert "update 99" in marked_row(app)


def notices(app):
    """The messages of the notifications."""
    return [notice.message for notice in app._notifications]


def drawn(app):
    """The panels that have a place on the screen."""
    return [name for name in ORDER if app.screen_stack[0].query_one(f"#{name}", PanelWidget).size.height]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (60, 16), (160, 50)])
async def test_only_visible_panels_are_selected(start_app, size):
    """Each of them is selected once, in order; the other panels can still be opened."""
    app = start_app()
    async with app.run_test(size=size) as pilot:
        seen = drawn(app)
        marked = []
        for _ in range(len(seen) + 1):
            await pilot.press("tab")
            marked.append(app.options.selected)
        assert marked == [*seen, seen[0]]
        await pilot.press("escape", "enter", "left_square_bracket")
        assert app.options.opened == ORDER[-1]


@pytest.mark.slow
async def test_a_panel_that_a_smaller_window_drops_is_deselected(start_app):
    """So is one that was opened without a place on the main screen; nothing is hidden unseen."""
    app = start_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("shift+tab")
        assert app.options.selected == "events"  # there is no room for charts
        await pilot.resize_terminal(60, 16)
        await pilot.pause(0.5)
        assert app.options.selected is None
        await pilot.press("enter", "left_square_bracket", "escape", "x")
        assert app.options.selected is None
        assert app.options.hidden == frozenset()


async def test_hiding_names_the_panel_and_how_to_show_it_again(start_app):
    """This covers the selected panel, the opened one, and the list of runs, which cannot be hidden."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", "x", "escape", "enter", "x", "r", "x")
        assert notices(app)[:2] == [
            "PPO LOSSES is hidden; X shows all panels again.",
            "FINDINGS is hidden; X shows all panels again.",
        ]
        assert notices(app)[2] == "The list of runs cannot be hidden; esc closes it."
        assert app.options.hidden == frozenset({"losses", "findings"})


async def test_with_everything_hidden_the_screen_says_how_to_show_it_again(start_app):
    """Another attempt to hide reports the same."""
    app = start_app(settings=Settings(hidden=frozenset(ORDER)))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "All panels are hidden; X shows them again." in shown(app, "empty")
        assert app.screen.query_one("#empty", PanelWidget).size == (80, 21)
        await pilot.press("tab", "x", "enter")
        assert notices(app) == ["All panels are hidden; X shows them again."]
        await pilot.press("X")
        await pilot.pause()
        assert app.screen.query_one("#empty", PanelWidget).size.height == 0
        assert "losses" in drawn(app)
