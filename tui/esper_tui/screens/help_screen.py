"""The screen of the help page, which scrolls."""

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen

from esper_tui.control.navigation import LAST
from esper_tui.pages.help_page import help_rows
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Rows, Tone
from esper_tui.text.symbols import translated


class HelpScreen(Screen[None]):
    """The help page in the styles and symbols of the main screen."""

    def __init__(self, styles: dict[Tone, Style], symbols: str) -> None:
        super().__init__()
        self._tone_styles = styles
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        """One widget as long as the page, in a container that scrolls."""
        with VerticalScroll():
            yield PanelWidget("help")

    def on_mount(self) -> None:
        """Apply the styles."""
        self._page.paint(self._tone_styles)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the page for the new width."""
        self._draw(event.size.width)

    def paint(self, styles: dict[Tone, Style], symbols: str) -> None:
        """Use other styles and symbols from now on."""
        self._symbols = symbols
        self._page.paint(styles)
        self._draw(self.size.width)
        self.query_one(VerticalScroll).vertical_scrollbar.refresh()

    def copied_rows(self) -> Rows:
        """The whole page, including the rows that are scrolled out of sight."""
        return self._page.rows

    @property
    def _page(self) -> PanelWidget:
        return self.query_one("#help", PanelWidget)

    def _draw(self, width: int) -> None:
        rows = translated(help_rows(width), self._symbols)
        self._page.styles.height = len(rows)
        self._page.show(rows)

    def action_move(self, rows: int) -> None:
        """Scroll by `rows`."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)

    def action_first_row(self) -> None:
        """Scroll to the top."""
        self.action_move(-LAST)

    def action_last_row(self) -> None:
        """Scroll to the bottom."""
        self.action_move(LAST)

    def action_back(self) -> None:
        """Return to the main screen."""
        self.dismiss()
