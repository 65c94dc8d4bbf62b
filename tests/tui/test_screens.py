"""Frames of the running app, compared with those that were accepted (see frames.py)."""

from xml.etree import ElementTree

import pytest
from rich.style import Style
from tests.tui.foreign import FOREIGN
from tests.tui.frames import ACCEPTED, assert_accepted, frame_of

from esper_tui.app import SanctumApp
from esper_tui.control.user_settings import Settings
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Tone, merged
from esper_tui.text.theme import THEMES

SIZES = [f"{width}x{height}" for width, height in ((80, 24), (120, 40), (160, 50), (200, 60))]
FOREIGN_SIZES = ["40x12", "80x24", "120x40", "200x60"]
STATES = ["waiting", "healthy", "warning", "critical", "nan", "stale", "disconnected"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def start(make_source, feeds, foreign_feeds, now):
    """An app that shows one of the feeds."""
    known = {**feeds, **foreign_feeds}

    def make(state, **settings):
        return SanctumApp(make_source(known[state]), clock=lambda: now, settings=Settings(**settings))

    return make


async def drawn(app, size, *keys):
    """The frame of an app in a window of a given size, after some keys."""
    width, height = map(int, size.split("x"))
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        return frame_of(app)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
async def test_a_screen_is_as_accepted(start, state, size):
    """Each state is drawn at each usual size."""
    frame = await drawn(start(state), size)

    assert_accepted(f"screen-{state}-{size}", frame)


@pytest.mark.parametrize("size", FOREIGN_SIZES)
@pytest.mark.parametrize("state", FOREIGN)
async def test_the_screen_of_another_trainer_is_as_accepted(start, state, size):
    """It shows what that trainer measures, and nothing of what it does not."""
    frame = await drawn(start(state), size)

    assert_accepted(f"screen-{state}-{size}", frame)


async def test_the_scalars_of_another_trainer_are_opened_as_accepted(start):
    """The groups of a run with few scalars are expanded."""
    frame = await drawn(start("foreign"), "120x40", "enter", *"]" * list(PANELS).index("scalars"), "down")

    assert_accepted("opened-foreign-scalars", frame)


async def test_the_help_page_is_as_accepted(start):
    """The frame has its first page."""
    frame = await drawn(start("healthy"), "100x40", "?")

    assert_accepted("help", frame)


async def test_the_ascii_screen_is_as_accepted(start):
    """The frame has no other characters."""
    frame = await drawn(start("critical", symbols="ascii"), "120x40")

    assert_accepted("ascii", frame)
    assert frame.isascii()


@pytest.mark.slow
@pytest.mark.parametrize("panel", PAGES)
async def test_an_opened_panel_is_as_accepted(start, panel):
    """It fills the screen, with the help of its second row."""
    keys = ["r"] if panel == "runs" else ["enter", *"]" * list(PANELS).index(panel), "down"]

    frame = await drawn(start("critical"), "120x40", *keys)

    assert_accepted(f"opened-{panel}", frame)


def test_every_accepted_frame_is_compared():
    """A frame without a test has to be deleted."""
    compared = {f"screen-{state}-{size}" for state in STATES for size in SIZES}
    compared |= {f"screen-{state}-{size}" for state in FOREIGN for size in FOREIGN_SIZES}
    compared |= {"opened-foreign-scalars", "help", "ascii", *(f"opened-{panel}" for panel in PAGES)}
    compared |= {f"charts-{size}" for size in ("80x24", "120x40", "200x60")}  # by those of the chart screen

    assert {path.stem for path in ACCEPTED.iterdir()} == compared


@pytest.mark.parametrize("theme", THEMES)
async def test_a_theme_paints_every_tone_in_its_own_colour(start, theme):
    """Every cell has the colour of its tone on the background of the theme."""
    app, background = start("critical", theme=theme), Style.parse(THEMES[theme].background)
    async with app.run_test(size=(120, 40)):
        panels = [panel for panel in app.screen.query(PanelWidget) if panel.size.height]
        painted = [(p.rows[y], p.render_line(y)) for p in panels for y in range(p.size.height)]

    tones = set()
    for row, strip in painted:
        expected = [(text, Style.parse(THEMES[theme].colours[t]) + background) for text, t in merged(row)]
        assert [(segment.text, segment.style) for segment in strip] == expected
        tones |= {tone for _, tone in row}
    of_charts = {tone for tone in Tone if tone.endswith("area") or tone.startswith("curve")}
    assert tones >= set(Tone) - {Tone.FADED, Tone.FOCUS} - of_charts


async def test_the_screen_is_exported_as_svg(start):
    """The file is well-formed, has the words on the screen, and keeps its blanks in every renderer."""
    app = start("critical")
    async with app.run_test(size=(120, 40)):
        root = ElementTree.fromstring(app.export_screenshot(title="Sanctum"))

    words = " ".join("".join(text.itertext()).replace("\xa0", " ") for text in root.iter(f"{SVG}text"))
    assert root.tag == f"{SVG}svg"
    assert root.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
    for expected in ("PPO LOSSES", "ACTION HEADS", "digits-lite-7f3a", "NaN"):
        assert expected in words
