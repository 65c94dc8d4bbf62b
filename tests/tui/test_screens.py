"""How the screens look: pictures of the whole app, compared with those that were looked at."""

import pytest

from esper_tui.app import SanctumApp
from esper_tui.model.settings import Settings
from esper_tui.pages.opened import PAGES
from esper_tui.picture import PANELS

SIZES = [(80, 24), (120, 40), (160, 50), (200, 60)]
STATES = ["waiting", "healthy", "warning", "critical", "nan", "stale", "disconnected"]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", STATES)
def test_screen(snap_compare, given, feeds, now, state, size):
    """The picture is the one that was accepted; `--snapshot-update` accepts another."""
    app = SanctumApp(given(feeds[state]), clock=lambda: now)

    assert snap_compare(app, terminal_size=size)


def test_help_screen(snap_compare, given, feeds, now):
    """The first page of the help at the usual size."""
    app = SanctumApp(given(feeds["healthy"]), clock=lambda: now)

    assert snap_compare(app, press=["?"], terminal_size=(100, 40))


@pytest.mark.parametrize("theme", ["light", "ansi"])
def test_theme(snap_compare, given, feeds, now, theme):
    """The other themes, at the usual size."""
    app = SanctumApp(given(feeds["critical"]), clock=lambda: now, settings=Settings(theme=theme))

    assert snap_compare(app, terminal_size=(120, 40))


def test_ascii(snap_compare, given, feeds, now):
    """A font that has nothing else."""
    app = SanctumApp(given(feeds["critical"]), clock=lambda: now, settings=Settings(symbols="ascii"))

    assert snap_compare(app, terminal_size=(120, 40))


@pytest.mark.parametrize("panel", PAGES)
def test_opened_panel(snap_compare, given, feeds, now, panel):
    """Each panel as large as the screen, with the help of its second row."""
    app = SanctumApp(given(feeds["critical"]), clock=lambda: now)
    keys = ["r"] if panel == "runs" else ["enter", *"]" * list(PANELS).index(panel), "down"]

    assert snap_compare(app, press=keys, terminal_size=(120, 40))
