"""Tests of esper_tui.screens.main_screen: selection, opened panels, cursor, hidden panels and runs."""

import pytest
from msgspec import structs

from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import EventEntry
from esper_tui.app import SanctumApp
from esper_tui.control.user_settings import Settings, load
from esper_tui.grid.arrangement import OPENED
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import plain

ORDER = list(PANELS)


def shown(app, panel=OPENED):
    """What a panel of the cockpit says."""
    return "\n".join(plain(row) for row in app.screen_stack[0].query_one(f"#{panel}", PanelWidget).rows)


async def test_the_focus_goes_around_all_panels(start_app):
    """Tab forwards, shift+tab backwards, escape leaves it; the marked panel has a mark in its title."""
    app = start_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("tab")
        assert app.options.selected == ORDER[0]
        assert "▸ PPO LOSSES" in shown(app, "losses")
        await pilot.press("shift+tab")
        assert app.options.selected == ORDER[-1]
        await pilot.press("tab", "down", "j", "up")
        assert app.options.selected == ORDER[1]
        await pilot.press("escape")
        assert app.options.selected is None
        assert "▸" not in shown(app, "losses")


async def test_every_panel_opens_and_closes(start_app):
    """It fills the screen between header and footer; the brackets go from one to the next."""
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
    """What it is, what is healthy and what to do, from the catalogue and the rules."""
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
    """Home, end and pages go no further than there are rows."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter", "G")
        last = app.options.cursor
        await pilot.press("down", "pagedown")
        assert app.options.cursor == last > 5
        await pilot.press("g", "up", "pageup")
        assert app.options.cursor == 0


async def test_the_last_row_is_the_last_that_there_is(start_app):
    """A wide window lists a family of heads in one row; from its end one step leads up."""
    app = start_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press(*["tab"] * 3, "enter", "G")
        rows = shown(app).splitlines()
        await pilot.press("up")
        marked = [line for line in shown(app).splitlines() if "▸" in line]
        assert app.options.opened == "heads"
        assert marked[0] != next(line for line in rows if "▸" in line)
        assert "env 0 step 4" in marked[0]


async def test_a_finding_is_opened_with_its_evidence_and_advice(start_app, make_feed, make_snapshot):
    """All of both, below the list."""
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
    """Until all are shown again; the choice is in the file."""
    file = tmp_path / "esper" / "sanctum.toml"
    app = start_app(settings_file=file)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("tab", "tab", "x")
        await pilot.pause()
        assert app.screen.query_one("#findings", PanelWidget).size.height == 0
        assert app.screen.query_one("#losses", PanelWidget).size.width == 120
        assert app.options.selected == "heads"  # the mark goes on
    assert load(file) == (Settings(hidden=frozenset({"findings"})), "")
    again = start_app(settings=load(file)[0], settings_file=file)
    async with again.run_test(size=(120, 40)) as pilot:
        assert again.screen.query_one("#findings", PanelWidget).size.height == 0
        await pilot.press("X")
    assert load(file) == (Settings(), "")


async def test_hiding_needs_a_marked_panel(start_app):
    """Otherwise there is a word, and nothing is hidden."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("x")
        assert app.options.hidden == frozenset()


async def test_runs_are_listed_and_switched(several_runs, now):
    """Enter watches the one at the cursor, n the next one."""
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


async def test_a_single_run_has_no_next(start_app):
    """There is a word, and nothing changes."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        assert app.options.opened is None


async def test_the_mouse_marks_and_opens(start_app):
    """A click marks, a second one opens."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.click("#heads")
        assert app.options.selected == "heads"
        await pilot.click("#heads")
        assert app.options.opened == "heads"


def many_events(first, number):
    """So many events in a row, each with its number."""
    return tuple(
        EventEntry(n * 10**9, "rank0", "PPOUpdateCompleted", f"update {n}")
        for n in range(first, first + number)
    )


def marked_row(app):
    """What the cursor of an opened panel stands at."""
    return next(line for line in shown(app).splitlines() if "▸" in line)


@pytest.fixture
def events_opened(start_app, make_feed, make_snapshot):
    """An app with EVENTS open, and what lets it know of the events from a number on."""

    def feed(first):
        return make_feed(structs.replace(make_snapshot(), recent_events=many_events(first, 40)))

    app = start_app(feed(0))

    async def arrive(pilot, first):
        app._source.feed = feed(first)
        await pilot.pause(0.6)

    return app, arrive


OPEN_EVENTS = ("enter", "left_square_bracket")


async def test_a_list_that_grows_opens_at_its_newest_and_follows_it(events_opened):
    """The cursor stands at the end, also when more arrives."""
    app, arrive = events_opened
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*OPEN_EVENTS)
        assert "update 39" in marked_row(app)
        await arrive(pilot, 5)
        assert "update 44" in marked_row(app)


async def test_a_moved_cursor_stays_at_its_event_until_it_is_at_the_newest_again(events_opened):
    """While events arrive, and where its event is no longer listed, at the oldest that is."""
    app, arrive = events_opened
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
    """What was said in passing."""
    return [notice.message for notice in app._notifications]


def drawn(app):
    """The panels that have a place on the screen."""
    return [name for name in ORDER if app.screen_stack[0].query_one(f"#{name}", PanelWidget).size.height]


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (160, 50)])
async def test_the_mark_goes_only_through_panels_that_are_seen(start_app, size):
    """Each of them once around, in their order; every other panel can still be opened."""
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


async def test_a_panel_that_a_smaller_window_drops_loses_its_mark(start_app):
    """So does one that was opened and has no place on the cockpit; nothing is hidden unseen."""
    app = start_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("shift+tab")
        assert app.options.selected == ORDER[-1]
        await pilot.resize_terminal(60, 16)
        await pilot.pause(0.5)
        assert app.options.selected is None
        await pilot.press("enter", "left_square_bracket", "escape", "x")
        assert app.options.selected is None
        assert app.options.hidden == frozenset()


async def test_hiding_says_what_is_hidden_and_how_it_comes_back(start_app):
    """For the marked panel, the opened one, the list of runs, and where nothing is left to hide."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("tab", "x", "escape", "enter", "x", "r", "x")
        assert notices(app)[:2] == [
            "PPO LOSSES is hidden; X shows all panels again.",
            "FINDINGS is hidden; X shows all panels again.",
        ]
        assert notices(app)[2] == "The list of runs cannot be hidden; esc closes it."
        assert app.options.hidden == frozenset({"losses", "findings"})


async def test_with_everything_hidden_the_screen_says_how_it_comes_back(start_app):
    """And another attempt to hide says the same."""
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
