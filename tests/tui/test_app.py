"""Tests of esper_tui.app: what it draws while its source changes."""

import subprocess
import sys
import time

import pytest

from esper_schemas.source import Feed
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import plain


def screen_text(app):
    """The text of header, losses and heads."""
    panels = [app.screen_stack[0].query_one(f"#{n}", PanelWidget) for n in ("header", "losses", "heads")]
    return "\n".join(plain(row) for panel in panels for row in panel.rows)


def widths(app):
    """The widths of the widgets that have a place."""
    return {widget.size.width for widget in app.screen.query(PanelWidget) if widget.size.height}


async def wait_until(pilot, is_true):
    """Let the app run until a condition holds."""
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        await pilot.pause(0.01)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit_ends_the_app(start_both, make_feed, key):
    """The exit code is 0."""
    app, _ = start_both(make_feed())
    async with app.run_test() as pilot:
        await pilot.press(key)

    assert app.return_code == 0
    assert not app.is_running


async def test_escape_on_the_main_screen_does_nothing(start_both, make_feed):
    """There is nothing to go back to."""
    app, _ = start_both(make_feed())
    async with app.run_test() as pilot:
        await pilot.press("escape")

        assert app.is_running
        assert app.screen is app.screen_stack[0]


@pytest.mark.parametrize("key", ["p", "space"])
async def test_pause_freezes_the_screen_and_shows_how_far_behind_it_is(
    start_both, make_feed, make_snapshot, make_state, key
):
    """The source is still polled; resuming shows the newest snapshot."""
    app, source = start_both(make_feed())
    later = make_feed(make_snapshot(make_state(policy_loss=0.777, ppo_updates_count=20)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(key)
        source.feed = later
        await wait_until(pilot, lambda: "3 updates behind" in screen_text(app))
        paused = screen_text(app)
        await pilot.press(key)
        resumed = screen_text(app)

    assert "PAUSED, 3 updates behind" in paused
    assert "0.777" not in paused
    assert "PAUSED" not in resumed
    assert "0.777" in resumed


async def test_a_paused_screen_does_not_hide_a_broken_connection(start_both, make_feed):
    """The state in the header is that of the connection, not of the paused snapshot."""
    app, source = start_both(make_feed())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("p")
        source.feed = make_feed(received_ns=0)
        await wait_until(pilot, lambda: "DISCONNECTED" in screen_text(app))


async def test_copy_puts_the_screen_as_text_on_the_clipboard(start_both, make_feed):
    """The text has no escape sequences."""
    app, _ = start_both(make_feed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y")

        assert "── PPO LOSSES ─" in app.clipboard
        assert "\x1b" not in app.clipboard


async def test_the_app_starts_before_the_trainer_and_survives_its_end(
    start_both, make_feed, make_snapshot, feeds
):
    """The same screen shows every state of the connection, without a restart."""
    app, source = start_both(Feed(origin="ipc:///x"))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: "WAITING" in screen_text(app))
        for name in ("healthy", "stale", "disconnected", "critical", "finished", "waiting"):
            source.feed = feeds[name]
            word = {"healthy": "LIVE", "critical": "NaN"}.get(name, name.upper())
            await wait_until(pilot, lambda word=word: word in screen_text(app))


@pytest.mark.slow
async def test_the_screen_is_complete_after_many_resizes(start_both, feeds):
    """The sizes range from one cell to more than a screen."""
    app, _ = start_both(feeds["critical"])
    async with app.run_test(size=(120, 40)) as pilot:
        for width, height in [(1, 1), (2, 5), (250, 90), (40, 3), (61, 20), (180, 12), (80, 24)]:
            await pilot.resize_terminal(width, height)
        await wait_until(pilot, lambda: "ACTION HEADS" in screen_text(app))
        await wait_until(pilot, lambda: widths(app) == {80})


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (10, 4), (30, 8), (60, 12)])
async def test_the_app_starts_in_tiny_windows(start_both, feeds, size):
    """The app runs and accepts keys at any size."""
    app, _ = start_both(feeds["critical"])
    async with app.run_test(size=size) as pilot:
        await pilot.press("?", "escape", "p", "p")

        assert app.is_running


@pytest.mark.process
def test_the_app_imports_neither_torch_nor_sockets():
    """It is also installed on machines that only watch."""
    code = (
        "import sys, esper_tui.app, esper_tui.terminal.export\n"
        "print([m for m in ('torch', 'zmq', 'mcap', 'esper_bus', 'esper_aggregator') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.process
def test_one_frame_needs_no_textual():
    """This lets `sanctum --once` start faster than the app."""
    code = "import sys, esper_tui.terminal.export; print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
