"""Every command of the cockpit, once: key bindings, footer, palette and help are made from this table."""

from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """On which screen the footer names a command."""

    COCKPIT = "cockpit"
    OPENED = "opened"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class Command:
    """What a key does: `action` is the app's method `action_<action>`, `title` its name in the palette.

    The footer shows the label, if there is one. `on_help` marks what acts on the help page too; there
    the others do nothing, because nobody sees what they do.
    """

    keys: tuple[str, ...]
    action: str
    label: str
    title: str
    help: str
    where: Where = Where.ANYWHERE
    on_help: bool = False

    @property
    def key(self) -> str:
        """The first key, as people call it."""
        return KEY_NAMES.get(self.keys[0], self.keys[0])

    @property
    def all_keys(self) -> str:
        """All keys, as people call them; what only terminals tell apart is named once."""
        return " ".join(dict.fromkeys(KEY_NAMES.get(key, key) for key in self.keys))


KEY_NAMES = {
    "escape": "esc",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "question_mark": "?",
    "plus": "+",
    "minus": "-",
    "colon": ":",
    "pagedown": "pgdn",
    "pageup": "pgup",
}

_COCKPIT, _OPENED = Where.COCKPIT, Where.OPENED
COMMANDS: tuple[Command, ...] = (
    Command(("q", "ctrl+c"), "quit", "quit", "Quit", "Leave Sanctum. Training goes on.", on_help=True),
    Command(("?", "h"), "help", "help", "Help", "Show or hide this page.", on_help=True),
    Command(
        ("p", "space"),
        "pause",
        "pause",
        "Pause or go on",
        "Hold the picture, or go on. Nothing is lost while it is held.",
    ),
    Command(("tab",), "focus_next_panel", "panel", "Next panel", "Mark the next panel.", _COCKPIT),
    Command(("shift+tab",), "focus_previous_panel", "", "Previous panel", "Mark the previous panel."),
    Command(
        ("enter",),
        "open",
        "open",
        "Open the panel",
        "Fill the screen with the marked panel: every metric, its bounds, its history and its help. "
        "In the list of runs: watch that run.",
        _COCKPIT,
    ),
    Command(
        ("escape",),
        "back",
        "back",
        "Back",
        "Go back one level; on the cockpit, mark nothing.",
        _OPENED,
        on_help=True,
    ),
    Command(
        ("down", "j"), "cursor_down", "", "Row down", "Move the cursor, or mark the next panel.", on_help=True
    ),
    Command(
        ("up", "k"), "cursor_up", "", "Row up", "Move the cursor, or mark the previous panel.", on_help=True
    ),
    Command(("pagedown",), "page_down", "", "Page down", "Move the cursor by ten rows.", on_help=True),
    Command(("pageup",), "page_up", "", "Page up", "Move the cursor by ten rows.", on_help=True),
    Command(("g", "home"), "first_row", "", "First row", "Move the cursor to the top.", on_help=True),
    Command(("G", "end"), "last_row", "", "Last row", "Move the cursor to the bottom.", on_help=True),
    Command(("]", "right", "l"), "next_panel", "next", "Open the next panel", "The next panel.", _OPENED),
    Command(
        ("[", "left"), "previous_panel", "previous", "Open the previous panel", "The previous one.", _OPENED
    ),
    Command(
        ("x",),
        "hide",
        "hide",
        "Hide the panel",
        "Hide the marked or opened panel; the choice is kept.",
        _COCKPIT,
    ),
    Command(("X",), "show_all", "", "Show all panels", "Show the hidden panels again."),
    Command(("r",), "runs", "runs", "Runs", "List the runs of this aggregator; enter watches one."),
    Command(("n",), "next_run", "", "Next run", "Watch the next run of this aggregator."),
    Command(
        ("t",),
        "theme",
        "theme",
        "Next theme",
        "Dark, light, or the terminal's own colours.",
        _COCKPIT,
        on_help=True,
    ),
    Command(("b",), "symbols", "", "Next symbols", "Blocks, braille, or plain ASCII.", on_help=True),
    Command(
        ("+", "plus"), "faster", "", "Draw more often", "Draw twice as often, at most 20 times a second."
    ),
    Command(("-", "minus"), "slower", "", "Draw less often", "Draw half as often, at least once a second."),
    Command(
        ("y",),
        "copy",
        "copy",
        "Copy",
        "Copy the marked panel, or the screen, as text (OSC 52).",
        on_help=True,
    ),
    Command(
        ("s",),
        "save",
        "save",
        "Save a picture",
        "Save the screen as an SVG file in this directory.",
        on_help=True,
    ),
    Command((":", "ctrl+p"), "command_palette", "", "Commands", "Find a command by its name.", on_help=True),
)


def key_of(action: str) -> str:
    """The first key of an action, as people call it."""
    return next(command.key for command in COMMANDS if command.action == action)


def acts_on_help(action: str) -> bool:
    """Whether the help page lets an action through; those that are no commands go through everywhere."""
    return all(command.on_help for command in COMMANDS if command.action == action)
