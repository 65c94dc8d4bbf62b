"""Sanctum in the past of a run: what the screen shows, which keys act, and where entries lead."""

import time

import pytest
from msgspec import structs
from tests.tui.conftest import FINDINGS

from esper_schemas.history import AtTime, AtUpdate, SnapshotQuestion, Unanswered
from esper_tui.app import STANDS_STILL, SanctumApp
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import plain


@pytest.fixture
def opened():
    """The histories that an app has opened."""
    return []


@pytest.fixture
def start(make_source, make_feed, make_snapshot, make_state, with_reports, recorded_past, now, opened):
    """An app on a run of 17 updates with findings, reports and events, and its source."""

    def open_history(run):
        opened.append(recorded_past(run))
        return opened[-1]

    def make(feed=None, **options):
        snapshot = structs.replace(with_reports(make_snapshot()), findings=FINDINGS)
        source = make_source(feed or make_feed(snapshot))
        return SanctumApp(source, clock=lambda: now, open_history=open_history, **options), source

    return make


def text(app, panel="header"):
    """The text of a panel of the main screen."""
    rows = app.main_screen.query_one(f"#{panel}", PanelWidget).rows
    return "\n".join(plain(row) for row in rows)


def said(app):
    """The messages of the notifications."""
    return [notice.message for notice in app._notifications]


async def wait_until(pilot, is_true):
    """Let the app run until a condition holds."""
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        await pilot.pause(0.01)


async def press(pilot, *keys):
    """Press keys, and wait for what each of them needs."""
    for key in keys:
        await pilot.press(key)
        await wait_until(pilot, lambda: not pilot.app.rewind.is_waiting)
    await pilot.pause()
    pilot.app.redraw()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
async def test_the_whole_cockpit_is_that_of_the_update(start, size):
    """The state is PAST, with the distance to the live run; the losses are those of then."""
    app, _ = start()
    async with app.run_test(size=size) as pilot:
        await press(pilot, "comma", "comma", "comma")

        assert text(app).startswith(" ◀ PAST  live: +3")
        assert "update 14/100" in text(app)
        assert "0.014" in text(app, "losses")
        await press(pilot, "full_stop", "full_stop", "full_stop")
        assert "LIVE" in text(app)
        assert "PAST" not in text(app)


async def test_the_live_run_goes_on_behind_the_past(start, make_feed, make_snapshot, make_state):
    """The distance grows; the numbers on the screen stay."""
    app, source = start()
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "comma")
        polls = source.polls
        later = make_state(last_update=134, ppo_updates_count=134, policy_loss=0.777)
        source.feed = make_feed(make_snapshot(later))
        await wait_until(pilot, lambda: "live: +118" in text(app))

        assert source.polls > polls
        assert "0.016" in text(app, "losses")
        assert "0.777" not in text(app, "losses")


async def test_the_past_does_not_hide_a_broken_connection(start, make_feed):
    """The state of the source is beside that of the screen."""
    app, source = start()
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "comma")
        source.feed = make_feed(received_ns=0)
        await wait_until(pilot, lambda: "disconnected: +1" in text(app))


async def test_a_recorded_run_has_an_end_and_not_a_live_one(start, make_feed, make_snapshot):
    """Its distance is that to the end."""
    app, _ = start(make_feed(make_snapshot(outcome="completed"), live=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "comma")

        assert "◀ PAST  end: +1" in text(app)


LEADS_TO = {
    "a finding": ("findings", (), AtUpdate(12)),
    "its evidence": ("findings", ("down",), AtUpdate(11)),
    "its last evidence": ("findings", ("down", "down"), AtUpdate(12)),
    "another finding": ("findings", ("down", "down", "down"), AtUpdate(15)),
    "an anomaly": ("anomalies", ("home", "down"), AtUpdate(12)),
}


@pytest.mark.parametrize("entry", LEADS_TO)
async def test_enter_on_an_entry_goes_to_its_update(start, opened, entry):
    """The panel is closed, and the cockpit is that of the update."""
    panel, keys, moment = LEADS_TO[entry]
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        app.main_screen.change(selected=panel, opened=panel)
        await press(pilot, *keys, "enter")

        assert app.options.opened is None
        assert SnapshotQuestion(moment) in opened[0].asked
        assert app.view().snapshot.tamiyo.last_update == moment.update


async def test_enter_on_an_event_goes_to_its_time(start, opened, now):
    """The newest one is of the present second."""
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        app.main_screen.change(selected="events")
        await press(pilot, "enter", "home", "enter")

        assert SnapshotQuestion(AtTime(now - 10 * 1_000_000_000)) in opened[0].asked
        assert app.view().snapshot.tamiyo.last_update == 7


@pytest.mark.parametrize(("presses", "steps"), [(0, 8), (1, 50), (2, 50)], ids=["update", "env_step", "time"])
async def test_enter_on_a_chart_goes_to_the_cursor(start, opened, presses, steps):
    """On every axis; the opened panel below is closed, and the next chart has its cursor there."""
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "tab", "enter")
        env_steps = [100.0 * update for update in range(18)]
        opened[0].metrics |= {"explained_variance": [0.5] * 18, "env_steps_total": env_steps}
        opened[0].started_s += 1
        await press(pilot, "c", *("x",) * presses)
        await wait_until(pilot, lambda: app.screen._curves.known.extent)
        await press(pilot, "home", *("right",) * steps, "enter")

        at = app.view().snapshot.tamiyo.last_update
        assert at == pytest.approx(8, abs=1)
        assert (app.screen, app.options.opened, app.rewind.is_past) == (app.main_screen, None, True)
        await press(pilot, "c")
        assert app.screen.board.viewport.cursor == at


async def test_enter_on_what_reports_nothing_goes_nowhere(start, opened):
    """A metric has no moment."""
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        app.main_screen.change(selected="losses")
        await press(pilot, "enter", "down", "enter")

        assert app.options.opened == "losses"
        asked = [question for history in opened for question in history.asked]
        assert [question for question in asked if isinstance(question, SnapshotQuestion)] == []


@pytest.mark.parametrize(
    ("written", "update"), [("7", 7), ("-3", 14), ("first-critical", 12), ("last-checkpoint", 5)]
)
async def test_the_prompt_goes_to_a_named_moment(start, written, update):
    """The keys of the text are no commands."""
    app, _ = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "colon", *("minus" if char == "-" else char for char in written), "enter")
        await wait_until(pilot, lambda: app.view().snapshot.tamiyo.last_update == update)


async def test_what_is_typed_before_the_prompt_opens_is_not_lost(start):
    """The letters reach the prompt in their order."""
    app, _ = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("colon", "1", "2", "enter")
        await wait_until(pilot, lambda: app.view().snapshot.tamiyo.last_update == 12)


@pytest.mark.parametrize("written", ["99", "0", "noon", "25:00", "mark:x"])
async def test_a_moment_that_does_not_exist_is_said_in_one_sentence(start, written):
    """The screen stays where it is."""
    app, _ = start()
    async with app.run_test(size=(80, 24)) as pilot:
        keys = ("colon" if char == ":" else char for char in written)
        await press(pilot, "colon", *keys, "enter")
        await wait_until(pilot, lambda: said(app))

        assert len(said(app)) == 1
        assert said(app)[0].count(".") == 1
        assert "LIVE" in text(app)


async def test_beyond_both_ends_a_sentence_says_so(start):
    """Nothing else happens."""
    app, _ = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "full_stop", "greater_than_sign", "T", "home", "comma", "less_than_sign")

        assert said(app) == [
            "This is the present.",
            "There is no later mark.",
            "The run begins with update 1.",
            "There is no earlier mark.",
        ]
        assert app.view().snapshot.tamiyo.last_update == 1


async def test_a_run_without_a_history_says_so(start_app):
    """Every key of the past ends in a sentence, and the screen stays live."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "comma")

        assert said(app) == ["The past of this run is not available from here."]
        assert "LIVE" in text(app)


async def test_a_log_that_vanishes_is_said_once(start, opened):
    """What was shown remains."""
    app, _ = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "comma")
        opened[0].refusal = Unanswered("The log is gone.")
        await press(pilot, "colon", "3", "enter")
        await wait_until(pilot, lambda: said(app))
        await pilot.pause(0.3)

        assert said(app) == ["The log is gone."]
        assert app.view().snapshot.tamiyo.last_update == 16


async def test_escape_returns_level_by_level(start):
    """First the panel, then the time bar, then the selection, then the past."""
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "T", "comma", "tab", "enter")
        seen = []
        for _ in range(4):
            await press(pilot, "escape")
            seen.append((app.options.opened, app.options.time_bar, app.options.selected, app.rewind.is_past))

    assert [sum(map(bool, state)) for state in seen] == [3, 2, 1, 0]


async def test_keys_of_the_time_bar_keep_their_meaning_elsewhere(start):
    """Without the bar they pause, set the redraw rate, and move among rows."""
    app, _ = start(frames_per_second=4.0)
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "plus", "space")
        assert (app.rate, app.is_paused, app.rewind.playhead.speed) == (8.0, True, 1.0)
        await press(pilot, "space", "T", "plus")
        assert (app.rate, app.is_paused, app.rewind.playhead.speed) == (8.0, False, 2.0)


async def test_a_paused_screen_can_go_back(start):
    """Going back ends the pause, as the past stands still by itself."""
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "p", "comma")
        assert not app.is_paused
        assert "PAST" in text(app)
        await press(pilot, "p")
        assert said(app) == [STANDS_STILL]


async def test_playing_shows_the_run_up_to_the_present(start):
    """It begins at the first update, and stops in the present."""
    app, _ = start()
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "T", *("plus",) * 4)
        await pilot.press("space")
        seen = set()

        def is_over():
            seen.add(app.view().snapshot.tamiyo.last_update)
            return not app.rewind.playhead.playing

        await wait_until(pilot, is_over)
        assert len(seen) > 3
        assert not app.rewind.is_past


async def test_the_app_begins_at_a_given_moment(start):
    """It is reached as soon as the source has a snapshot."""
    app, _ = start(at="first-critical")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.view().snapshot.tamiyo.last_update == 12)


async def test_a_copied_screen_of_the_past_says_so(start):
    """The text has the time bar as well."""
    app, _ = start()
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "T", "comma", "y")

        assert "PAST" in app.clipboard
        assert "update 16" in app.clipboard
        assert "█" in app.clipboard


@pytest.mark.parametrize(
    ("width", "said_there"), [(120, "ONSET of a finding, recognised later"), (60, "ONSET")]
)
async def test_the_onset_of_a_finding_that_was_recognised_later_is_not_called_healthy(
    start, width, said_there
):
    """The snapshot of update 12 has no finding, but one of now begins there; elsewhere the verdict stays."""
    app, _ = start()
    async with app.run_test(size=(width, 30)) as pilot:
        await press(pilot, "T", "less_than_sign")

        assert f" {said_there}" in text(app).splitlines()[0]
        assert "HEALTHY" not in text(app)
        await press(pilot, "comma")
        assert "HEALTHY" in text(app)
        assert "ONSET" not in text(app)
