"""A line at the bottom of the screen in which the user writes a text."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Input, Label


class PromptScreen(ModalScreen[str | None]):
    """Asks for one line of text, above which the screen stays visible. The result is None after escape."""

    BINDINGS = [Binding("escape,ctrl+c", "leave", "Back")]
    CSS = """
    PromptScreen { background: transparent; align: left bottom; }
    PromptScreen Horizontal { height: 1; width: 100%; }
    PromptScreen Label { width: auto; padding: 0 1; text-style: bold; }
    PromptScreen Input { width: 1fr; }
    """

    def __init__(self, title: str, examples: str) -> None:
        super().__init__()
        self._title = title
        self._examples = examples

    def compose(self) -> ComposeResult:
        """The title, and behind it the line."""
        with Horizontal():
            yield Label(self._title)
            yield Input(placeholder=self._examples, compact=True)

    def on_mount(self) -> None:
        """Take the keys from now on."""
        self.set_focus(self.query_one(Input))

    def write(self, text: str) -> None:
        """Write what was typed before the line could take it."""
        self.query_one(Input).insert_text_at_cursor(text)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the text."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """Return nothing."""
        self.dismiss(None)
