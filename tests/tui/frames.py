"""Frames of the screen as text files: the character and the tone of every cell, in a format of their own.

    ACCEPT_FRAMES=1 pytest tests/tui/test_screens.py

writes the frames as they are drawn now; check the difference before you commit it.
"""

import os
from difflib import unified_diff
from pathlib import Path

import pytest

from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Tone, fit

ACCEPTED = Path(__file__).parent / "frames"
BETWEEN = "tones"
LETTERS = {
    Tone.PLAIN: "p",
    Tone.DIM: "d",
    Tone.LABEL: "l",
    Tone.TITLE: "T",
    Tone.BORDER: "-",
    Tone.VALUE: "v",
    Tone.GOOD: "g",
    Tone.WARNING: "W",
    Tone.CRITICAL: "C",
    Tone.BEYOND: "B",
    Tone.FADED: "f",
    Tone.KEY: "k",
    Tone.FOCUS: "F",
    Tone.WARNING_AREA: "w",
    Tone.CRITICAL_AREA: "c",
    Tone.CURVE_2: "2",
    Tone.CURVE_3: "3",
    Tone.CURVE_4: "4",
    Tone.CURVE_5: "5",
    Tone.CURVE_6: "6",
    Tone.CURVE_7: "7",
    Tone.CURVE_8: "8",
}


def frame_of(app):
    """The window of a running app: its text, a separator, and a letter for the tone of every character."""
    lines = [_line(app, y) for y in range(app.size.height)]
    text = ["".join(span.text for span in line).rstrip() for line in lines]
    tones = ["".join(map(_letters, line)).rstrip() for line in lines]
    return "\n".join((*text, BETWEEN, *tones, ""))


def _line(app, y):
    """The spans of one line of the window, from all panels side by side in it."""
    panels = sorted(app.screen.query(PanelWidget), key=lambda panel: panel.region.x)
    line = []
    for region, rows in ((panel.region, panel.rows) for panel in panels):
        if region.width and region.y <= y < region.bottom and y - region.y < len(rows):
            line += fit(rows[y - region.y], region.width)
    return line


def _letters(span):
    """The letters of a span's tone; a blank has none, because no tone has a background."""
    return "".join(" " if char.isspace() else LETTERS[span.tone] for char in span.text)


def assert_accepted(name, frame):
    """Fail with a unified diff where a frame is not the accepted one of this name."""
    path = ACCEPTED / f"{name}.txt"
    if os.environ.get("ACCEPT_FRAMES"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(frame, encoding="utf-8")
    accepted = path.read_text(encoding="utf-8") if path.exists() else ""
    diff = list(unified_diff(accepted.splitlines(), frame.splitlines(), "accepted", "drawn", lineterm=""))
    if diff:
        pytest.fail("\n".join([f"{path.name} differs from the drawn frame:", *diff]), pytrace=False)
