"""Tests of esper_tui.terminal.ascii_filter."""

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from esper_tui.terminal.ascii_filter import AsciiFilter


def test_a_line_has_only_ascii_and_keeps_its_width_and_its_styles():
    """A character of two cells is replaced by two characters."""
    style = Style.parse("bold red")
    line = [Segment("plain"), Segment("“é” ▁█ 名", style)]

    filtered = AsciiFilter().apply(line, Color(0, 0, 0))

    assert [segment.text for segment in filtered] == ["plain", "??? _# ??"]
    assert filtered[0] is line[0]
    assert filtered[1].style == style
    assert cell_len(filtered[1].text) == cell_len(line[1].text)
