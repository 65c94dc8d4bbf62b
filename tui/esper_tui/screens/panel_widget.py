"""The widget of a panel: paints rows, and repaints only those that have changed."""

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from esper_tui.text.spans import Rows, Tone, merged, row_width
from esper_tui.text.theme import styles_for


class PanelWidget(Widget):
    """Rows of text with tones. What is painted depends on nothing else: equal rows are equal pixels."""

    ALLOW_SELECT = False

    class Clicked(Message):
        """A mouse click on a row of a panel."""

        def __init__(self, panel: str, row: int) -> None:
            super().__init__()
            self.panel = panel
            self.row = row

    class Scrolled(Message):
        """A turn of the mouse wheel over a panel: down (1) or up (-1)."""

        def __init__(self, panel: str, direction: int) -> None:
            super().__init__()
            self.panel = panel
            self.direction = direction

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.rows: Rows = ()
        self._row_width = 0
        self._styles = styles_for(None)

    def on_click(self, event: events.Click) -> None:
        """Report the click."""
        self.post_message(self.Clicked(self.id or "", event.y))

    def on_mouse_scroll_down(self) -> None:
        """Report a turn of the wheel."""
        self.post_message(self.Scrolled(self.id or "", 1))

    def on_mouse_scroll_up(self) -> None:
        """Report a turn of the wheel."""
        self.post_message(self.Scrolled(self.id or "", -1))

    def paint(self, styles: dict[Tone, Style]) -> None:
        """Use other styles from now on."""
        self._styles = styles
        self.refresh()

    def show(self, rows: Rows) -> int:
        """Take new rows of one width and repaint those that differ; returns their number."""
        before, self.rows = self.rows, rows
        self._row_width = row_width(rows[0]) if rows else 0
        dirty = changed_rows(before, rows)
        if dirty:
            self.refresh(*(Region(0, y, self.size.width, n) for y, n in runs(dirty)))
        return len(dirty)

    def render_line(self, y: int) -> Strip:
        """Paint one row, cut or padded to the widget's width, which may have changed since it was drawn."""
        blank = self._styles[Tone.PLAIN]
        if y >= len(self.rows):
            return Strip.blank(self.size.width, blank)
        segments = [Segment(span.text, self._styles[span.tone]) for span in merged(self.rows[y])]
        return Strip(segments, self._row_width).adjust_cell_length(self.size.width, blank)


def changed_rows(before: Rows, after: Rows) -> list[int]:
    """The numbers of the rows that differ, including rows that were added or removed."""
    longer = max(len(before), len(after))
    return [y for y in range(longer) if before[y : y + 1] != after[y : y + 1]]


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs of consecutive ones: the first of each run, and its length."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and sum(found[-1]) == number:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((number, 1))
    return found
