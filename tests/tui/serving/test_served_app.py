"""Tests of esper_tui.serving.served_app."""

import os

import pytest

from esper_tui.serving.served_app import ServedApp


@pytest.fixture
def app(make_source, make_feed, now):
    """The app of one browser session."""
    return ServedApp(make_source(make_feed()), clock=lambda: now)


async def test_a_saved_screen_goes_to_the_browser(app, monkeypatch):
    """It is delivered as an SVG file."""
    delivered = []
    monkeypatch.setattr(app, "deliver_text", lambda file, **how: delivered.append((file.read(), how)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")

    ((svg, how),) = delivered
    assert svg.startswith("<svg")
    assert how == {"save_filename": "sanctum-20231114-221320.svg", "mime_type": "image/svg+xml"}


async def test_an_app_is_unseen_once_its_server_is_gone(app, monkeypatch):
    """Its parent process has changed then."""
    async with app.run_test(size=(80, 24)):
        assert not app.is_unseen()
        monkeypatch.setattr(os, "getppid", lambda: 1)
        assert app.is_unseen()
