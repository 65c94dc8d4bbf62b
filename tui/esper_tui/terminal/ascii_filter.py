"""Plain ASCII for what Textual draws by itself: notices, the palette, the help page's scrollbar."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from esper_tui.text.symbols import in_ascii


class AsciiFilter(LineFilter):
    """Replaces, on the way to the terminal, every character that is not ASCII, cell by cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, as wide as before."""
        return [
            segment if segment.text.isascii() else Segment(in_ascii(segment.text), *segment[1:])
            for segment in segments
        ]
