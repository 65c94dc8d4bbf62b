"""The screen that shows the help page; arrow keys and page keys scroll it."""

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen

from esper_tui.pages.help_page import help_rows
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Rows, Tone
from esper_tui.text.symbols import translated


class HelpScreen(Screen[None]):
    """The help page in a window of any size, in the cockpit's colours and symbols."""

    def __init__(self, styles: dict[Tone, Style], symbols: str) -> None:
        super().__init__()
        self._colours = styles
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        """One panel as long as the page, in a container that scrolls."""
        with VerticalScroll():
            yield PanelWidget("help")

    def on_mount(self) -> None:
        """Take on the colours."""
        self._page.paint(self._colours)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the page for the new width."""
        self._draw(event.size.width)

    def paint(self, styles: dict[Tone, Style], symbols: str) -> None:
        """Use other colours and symbols from now on."""
        self._symbols = symbols
        self._page.paint(styles)
        self._draw(self.size.width)
        self.query_one(VerticalScroll).vertical_scrollbar.refresh()

    @property
    def rows(self) -> Rows:
        """The whole page as it is drawn, what is scrolled out of sight included."""
        return self._page.rows

    @property
    def _page(self) -> PanelWidget:
        return self.query_one("#help", PanelWidget)

    def _draw(self, width: int) -> None:
        rows = translated(help_rows(width), self._symbols)
        self._page.styles.height = len(rows)
        self._page.show(rows)

    def scroll_by(self, rows: int) -> None:
        """Move the page by so many rows."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)
