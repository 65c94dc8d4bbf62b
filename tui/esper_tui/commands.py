"""Every command of the cockpit, once: key bindings, footer and help are made from this table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """What a key does: `action` is the app's method `action_<action>`.

    The footer shows the label, if there is one.
    """

    keys: tuple[str, ...]
    action: str
    label: str
    help: str

    @property
    def key(self) -> str:
        """The first key, as people call it."""
        return KEY_NAMES.get(self.keys[0], self.keys[0])

    @property
    def all_keys(self) -> str:
        """All keys, as people call them."""
        return " ".join(KEY_NAMES.get(key, key) for key in self.keys)


KEY_NAMES = {"escape": "esc"}

COMMANDS: tuple[Command, ...] = (
    Command(("q", "ctrl+c"), "quit", "quit", "Leave Sanctum. Training goes on."),
    Command(("?", "h"), "help", "help", "Show or hide this page."),
    Command(
        ("p", "space"),
        "pause",
        "pause",
        "Hold the picture, or go on. Nothing is lost while it is held.",
    ),
    Command(("y",), "copy", "copy", "Copy the screen as text to the terminal's clipboard."),
    Command(("escape",), "back", "", "Leave this page."),
)
