"""Tests of esper_tui.screens.prompt_screen."""

import pytest

from esper_tui.screens.prompt_screen import PromptScreen


@pytest.fixture
def answers():
    """What the prompt returned."""
    return []


async def test_a_text_is_returned(start_app, answers):
    """Keys that are commands of the app are letters here."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(PromptScreen("Go to", "40"), answers.append)
        await pilot.press("q", "4", "0", "enter")
        await pilot.pause()

        assert app.is_running
        assert answers == ["q40"]
        assert app.screen is app.main_screen


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_the_prompt_is_left_without_a_text(start_app, answers, key):
    """The app keeps running."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(PromptScreen("Go to", "40"), answers.append)
        await pilot.press("4", key)
        await pilot.pause()

        assert app.is_running
        assert answers == [None]


async def test_the_screen_stays_visible_above_the_prompt(start_app, answers):
    """The prompt takes the last row, with examples of what to write."""
    app = start_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(PromptScreen("Go to", "40 · 12:30"), answers.append)
        await pilot.pause()
        lines = ["".join(s.text for s in strip) for strip in app.screen._compositor.render_strips()]

    assert "Go to" in lines[-1]
    assert "40 · 12:30" in lines[-1]
