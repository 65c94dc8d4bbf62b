"""The screens of the documentation show what Sanctum draws now."""

import asyncio
import html
import re
import time
from pathlib import Path

import pytest
from docs.make_screens import PICTURES, RECORDINGS, SCREENS
from docs.recordings.__main__ import COLLAPSE
from docs.recordings.__main__ import RECORDINGS as RECORDED

from docs import make_screens

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BY_NAME = {screen.name: screen for screen in PICTURES}
COMPARED = ("120x40", "before", "onset", "after", "chart")


@pytest.fixture(autouse=True)
def in_recordings(monkeypatch):
    """The environment in which the screens are drawn."""
    monkeypatch.chdir(RECORDINGS)
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC"}.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def words(svg):
    """The texts of a screen, with their places."""
    found = re.findall(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg)
    return [(x, y, html.unescape(text)) for x, y, text in found]


@pytest.mark.parametrize("name", COMPARED)
def test_a_picture_shows_what_its_keys_lead_to(name):
    """`python docs/make_screens.py` draws pictures anew that are out of date."""
    drawn = asyncio.run(make_screens.draw(BY_NAME[name]))

    assert words((SCREENS / f"sanctum-{name}.svg").read_text()) == words(drawn)


def test_every_picture_and_every_recording_is_used():
    """There is no file that nothing draws or shows."""
    shown = {
        name for page in PAGES for name in re.findall(r"screens/sanctum-([\w-]+)\.svg", page.read_text())
    }

    assert shown == set(BY_NAME)
    assert {path.name for path in SCREENS.iterdir()} == {f"sanctum-{name}.svg" for name in BY_NAME}
    assert {screen.run for screen in PICTURES} == set(RECORDED)
    assert {path.stem for path in RECORDINGS.glob("*.mcap")} == set(RECORDED)


def test_the_tutorial_makes_the_run_that_it_shows():
    """Its command has the options with which the collapse was recorded."""
    assert f"    uv run esper ppo {COLLAPSE} --name collapse\n" in TUTORIAL
