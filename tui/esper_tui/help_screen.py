"""The screen that shows the help page; arrow keys and page keys scroll it."""

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen

from esper_tui.help import help_rows
from esper_tui.panel import Panel
from esper_tui.rows import Tone
from esper_tui.symbols import translated


class HelpScreen(Screen[None]):
    """The help page in a window of any size, in the cockpit's colours and symbols."""

    def __init__(self, styles: dict[Tone, Style], symbols: str) -> None:
        super().__init__()
        self._colours = styles
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        """One panel as long as the page, in a container that scrolls."""
        with VerticalScroll():
            yield Panel("help")

    def on_mount(self) -> None:
        """Take on the colours."""
        self.query_one("#help", Panel).paint(self._colours)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the page for the new width."""
        rows = translated(help_rows(event.size.width), self._symbols)
        page = self.query_one("#help", Panel)
        page.styles.height = len(rows)
        page.show(rows)

    def scroll_by(self, rows: int) -> None:
        """Move the page by so many rows."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)
