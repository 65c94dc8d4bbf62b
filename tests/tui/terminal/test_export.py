"""Tests of esper_tui.terminal.export."""

import io
import re

import pytest

from esper_tui.panels.panel_registry import PANELS
from esper_tui.terminal.export import print_frame


@pytest.fixture
def once(now):
    """The output for a feed."""

    def make(feed, **options):
        stream = io.StringIO()
        print_frame(feed, stream, now_ns=now, **options)
        return stream.getvalue()

    return make


def test_plain_text_has_no_escape_sequence_and_no_trailing_blank(once, feeds):
    """It can be put into a log or a bug report."""
    written = once(feeds["critical"])

    assert "\x1b" not in written
    assert all(line == line.rstrip() for line in written.splitlines())
    assert written.endswith("╯\n")


@pytest.mark.parametrize(
    ("theme", "critical"), [("dark", "1;38;5;203"), ("light", "1;38;5;160"), ("ansi", "1;91")]
)
def test_a_theme_is_the_same_text_with_escape_sequences(once, feeds, theme, critical):
    """Only the colours of the tones are added."""
    written = once(feeds["critical"], theme=theme)

    assert f"\x1b[{critical}m" in written
    stripped = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", written).splitlines()]
    assert stripped == once(feeds["critical"]).splitlines()


def test_a_frame_is_as_high_as_its_content(once, feeds):
    """Without a height, every panel that has something to show has its important rows."""
    lines = once(feeds["healthy"]).splitlines()

    assert max(map(len, lines)) == 100
    assert sum("22:1" in line for line in lines) == 4
    titles = {kind.title for kind in PANELS.values()}
    assert {title for title in titles if any(title in line for line in lines)} == titles - {
        "SCALARS",
        "CHARTS",
    }
    assert any("Lv/Lp" in line for line in lines)
    assert any("State" in line for line in lines)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 5), (80, 24), (200, 60)])
def test_a_given_size_is_kept(once, feeds, width, height):
    """The output is neither wider nor higher than requested."""
    lines = once(feeds["healthy"], width=width, height=height).splitlines()

    assert len(lines) <= height
    assert max(map(len, lines), default=0) <= width


def test_wide_frames_join_panels_that_are_side_by_side(once, feeds):
    """One line of text has a row of each."""
    lines = once(feeds["healthy"], width=200).splitlines()

    assert any("PPO LOSSES" in line and "ACTION HEADS" in line for line in lines)


def test_before_the_first_update_it_says_waiting(once, feeds):
    """There are words in place of zeros."""
    written = once(feeds["waiting"])

    assert "○ WAITING" in written
    assert "waiting for the first update" in written
    assert "0.000" not in written
