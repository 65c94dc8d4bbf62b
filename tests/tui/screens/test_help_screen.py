"""Tests of esper_tui.screens.help_screen."""

import time

import pytest
from textual.containers import VerticalScroll
from textual.events import MouseScrollDown

from esper_tui.screens.help_screen import HelpScreen
from esper_tui.screens.panel_widget import PanelWidget


async def wait_until(pilot, is_true):
    """Let the app run until a condition holds."""
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        await pilot.pause(0.01)


@pytest.mark.parametrize("leave", ["?", "h", "escape"])
async def test_help_opens_and_closes(start_both, make_feed, leave):
    """The key that opens it closes it, and so does escape."""
    app, _ = start_both(make_feed())
    async with app.run_test() as pilot:
        await pilot.press("?")
        shown = isinstance(app.screen, HelpScreen)
        page = app.screen.query_one("#help", PanelWidget)
        height = page.size.height
        await pilot.press(leave)
        gone = not isinstance(app.screen, HelpScreen)

    assert shown
    assert gone
    assert height == len(page.rows) > 24


async def test_the_help_page_scrolls(start_both, make_feed):
    """The page is longer than the window."""
    app, _ = start_both(make_feed())
    async with app.run_test() as pilot:
        await pilot.press("?")
        await pilot.press("pagedown")
        scroller = app.screen.query_one("VerticalScroll")
        await wait_until(pilot, lambda: scroller.scroll_y > 10)


async def test_the_wheel_scrolls_the_help_page(start_both, make_feed):
    """The panel of the page passes it on."""
    app, _ = start_both(make_feed())
    async with app.run_test() as pilot:
        await pilot.press("?")
        await pilot._post_mouse_events([MouseScrollDown], "#help", offset=(5, 5))
        await wait_until(pilot, lambda: app.screen.query_one(VerticalScroll).scroll_y > 0)
