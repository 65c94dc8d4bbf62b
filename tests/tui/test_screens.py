"""How the screens look: pictures of the whole app, compared with those that were looked at."""

import pytest

from esper_tui.app import SanctumApp

SIZES = [(80, 24), (120, 40), (200, 60)]
STATES = ["waiting", "healthy", "critical", "stale", "disconnected"]


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
