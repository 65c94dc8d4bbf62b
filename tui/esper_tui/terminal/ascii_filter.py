"""ASCII for what Textual draws by itself: notifications, the palette, the scrollbar of the help page."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from esper_tui.text.symbols import in_ascii


class AsciiFilter(LineFilter):
    """Replaces every character that is not ASCII, cell by cell, before a line is written."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, each as wide as before."""
        return [
            segment if segment.text.isascii() else Segment(in_ascii(segment.text), *segment[1:])
            for segment in segments
        ]
