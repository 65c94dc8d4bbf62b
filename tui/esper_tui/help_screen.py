"""The screen that shows the help page; arrow keys and page keys scroll it."""

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen

from esper_tui.help import help_rows
from esper_tui.panel import Panel


class HelpScreen(Screen[None]):
    """The help page in a window of any size."""

    def compose(self) -> ComposeResult:
        """One panel as long as the page, in a container that scrolls."""
        with VerticalScroll():
            yield Panel("help")

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the page for the new width."""
        rows = help_rows(event.size.width)
        page = self.query_one("#help", Panel)
        page.styles.height = len(rows)
        page.show(rows)
