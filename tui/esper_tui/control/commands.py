"""The table of all commands, from which key bindings, footer, command palette and help page are made."""

from dataclasses import dataclass
from enum import StrEnum


class FooterOn(StrEnum):
    """The screens whose footer lists a command."""

    MAIN = "main"
    OPENED = "opened"
    TIME_BAR = "time bar"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ScreenCommand:
    """A command: `action` is what Textual runs, `title` its name in the palette.

    The footer shows the label, unless it is empty. On the help page only commands with `on_help` work: the
    user could not see what the others do. Commands with `on_time_bar` work only while the time bar is open,
    where they replace others with the same key.
    """

    name: str
    keys: tuple[str, ...]
    action: str
    label: str
    title: str
    help: str
    footer: FooterOn = FooterOn.ALL
    on_help: bool = False
    on_time_bar: bool = False

    @property
    def key(self) -> str:
        """The first key, as printed on a keyboard."""
        return KEY_NAMES.get(self.keys[0], self.keys[0])

    @property
    def all_keys(self) -> str:
        """All keys, as printed on a keyboard; names that mean the same key are merged."""
        return " ".join(dict.fromkeys(KEY_NAMES.get(key, key) for key in self.keys))


KEY_NAMES = {
    "escape": "esc",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "question_mark": "?",
    "plus": "+",
    "minus": "-",
    "colon": ":",
    "comma": ",",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "pagedown": "pgdn",
    "pageup": "pgup",
}

_MAIN, _OPENED = FooterOn.MAIN, FooterOn.OPENED
_SELECTION = (
    ScreenCommand(
        "select_next", ("tab",), "screen.step(1)", "panel", "Next panel", "Select the next panel.", _MAIN
    ),
    ScreenCommand(
        "select_previous",
        ("shift+tab",),
        "screen.step(-1)",
        "",
        "Previous panel",
        "Select the previous panel.",
    ),
    ScreenCommand(
        "open",
        ("enter",),
        "screen.open",
        "open",
        "Open the panel",
        "Open the selected panel: every metric with its bounds, history and help. In it: watch the run, "
        "expand the group, or go to the update of the finding, anomaly or event at the cursor.",
        _MAIN,
    ),
    ScreenCommand(
        "charts",
        ("c",),
        "charts",
        "chart",
        "Charts",
        "Chart the metric at the cursor, or those of the selected panel, over the whole run.",
    ),
    ScreenCommand(
        "back",
        ("escape",),
        "screen.back",
        "back",
        "Back",
        "Go back one level: close the opened panel, the time bar, the selection; return to the present.",
        _OPENED,
        on_help=True,
    ),
    ScreenCommand(
        "row_down",
        ("down", "j"),
        "screen.move(1)",
        "",
        "Row down",
        "Move the cursor down, or select the next panel.",
        on_help=True,
    ),
    ScreenCommand(
        "row_up",
        ("up", "k"),
        "screen.move(-1)",
        "",
        "Row up",
        "Move the cursor up, or select the previous panel.",
        on_help=True,
    ),
    ScreenCommand(
        "page_down",
        ("pagedown",),
        "screen.move(10)",
        "",
        "Page down",
        "Move the cursor down by ten rows.",
        on_help=True,
    ),
    ScreenCommand(
        "page_up",
        ("pageup",),
        "screen.move(-10)",
        "",
        "Page up",
        "Move the cursor up by ten rows.",
        on_help=True,
    ),
    ScreenCommand(
        "first_row",
        ("g", "home"),
        "screen.first_row",
        "",
        "First row",
        "Move the cursor to the first row.",
        on_help=True,
    ),
    ScreenCommand(
        "last_row",
        ("G", "end"),
        "screen.last_row",
        "",
        "Last row",
        "Move the cursor to the last row.",
        on_help=True,
    ),
    ScreenCommand(
        "open_next",
        ("]", "right", "l"),
        "screen.step(1)",
        "next",
        "Open the next panel",
        "Open the next panel; on the main screen, select it.",
        _OPENED,
    ),
    ScreenCommand(
        "open_previous",
        ("[", "left"),
        "screen.step(-1)",
        "previous",
        "Open the previous panel",
        "Open the previous panel; on the main screen, select it.",
        _OPENED,
    ),
)
_DISPLAY = (
    ScreenCommand(
        "hide",
        ("x",),
        "screen.hide",
        "hide",
        "Hide the panel",
        "Hide the selected or opened panel, also in later sessions.",
        _MAIN,
    ),
    ScreenCommand(
        "show_all", ("X",), "screen.show_all", "", "Show all panels", "Show all hidden panels again."
    ),
    ScreenCommand("runs", ("r",), "screen.runs", "runs", "Runs", "List the runs of this aggregator."),
    ScreenCommand(
        "next_run",
        ("n",),
        "screen.next_run",
        "",
        "Next run",
        "Watch the run that has begun last, or else the next one of this aggregator.",
    ),
    ScreenCommand(
        "theme",
        ("t",),
        "theme",
        "theme",
        "Next theme",
        "Switch between dark, light and the terminal's own colours.",
        _MAIN,
        on_help=True,
    ),
    ScreenCommand(
        "symbols",
        ("b",),
        "symbols",
        "",
        "Next symbols",
        "Switch between block, braille and ASCII symbols.",
        on_help=True,
    ),
    ScreenCommand(
        "faster",
        ("+", "plus"),
        "faster",
        "",
        "Redraw more often",
        "Double the redraw rate, up to 20 frames per second.",
    ),
    ScreenCommand(
        "slower",
        ("-", "minus"),
        "slower",
        "",
        "Redraw less often",
        "Halve the redraw rate, down to one frame per second.",
    ),
    ScreenCommand(
        "copy",
        ("y",),
        "copy",
        "copy",
        "Copy",
        "Copy the selected panel, or else the screen, as text (OSC 52).",
        on_help=True,
    ),
    ScreenCommand(
        "save",
        ("s",),
        "save",
        "save",
        "Save as SVG",
        "Save the screen as an SVG file in the working directory.",
        on_help=True,
    ),
)
_TIME = FooterOn.TIME_BAR
_TIME_BAR = (
    ScreenCommand(
        "play",
        ("space",),
        "screen.play",
        "play",
        "Play or stop",
        "In the time bar: play the run from here at its own pace, without the times in which it stood still, "
        "or stop.",
        _TIME,
        on_time_bar=True,
    ),
    ScreenCommand(
        "play_faster",
        ("+", "plus"),
        "screen.speed(2)",
        "faster",
        "Play faster",
        "In the time bar: double the speed of playing, up to 1,024 times that of the run.",
        _TIME,
        on_time_bar=True,
    ),
    ScreenCommand(
        "play_slower",
        ("-", "minus"),
        "screen.speed(-2)",
        "slower",
        "Play slower",
        "In the time bar: halve the speed of playing, down to a quarter of that of the run.",
        _TIME,
        on_time_bar=True,
    ),
    ScreenCommand(
        "to_start",
        ("home",),
        "screen.to_start",
        "start",
        "Go to the start",
        "In the time bar: go to the first update.",
        _TIME,
        on_time_bar=True,
    ),
    ScreenCommand(
        "to_present",
        ("end",),
        "screen.to_present",
        "present",
        "Return to the present",
        "In the time bar: return to the present.",
        _TIME,
        on_time_bar=True,
    ),
)
_PAST = (
    ScreenCommand(
        "back_in_time",
        ("comma",),
        "screen.step_in_time(-1)",
        "back",
        "One update back",
        "Go one update back in time; the whole screen is that of then, and the run continues.",
        _TIME,
    ),
    ScreenCommand(
        "forward_in_time",
        ("full_stop",),
        "screen.step_in_time(1)",
        "forward",
        "One update forward",
        "Go one update forward in time, up to the present.",
        _TIME,
    ),
    ScreenCommand(
        "previous_mark",
        ("less_than_sign",),
        "screen.to_mark(-1)",
        "earlier mark",
        "Previous mark",
        "Go to the mark before: the onset of a finding, an anomaly, a checkpoint, a restart, a note.",
        _TIME,
    ),
    ScreenCommand(
        "next_mark",
        ("greater_than_sign",),
        "screen.to_mark(1)",
        "later mark",
        "Next mark",
        "Go to the mark after.",
        _TIME,
    ),
    ScreenCommand(
        "go_to",
        ("colon",),
        "screen.go_to",
        "go to",
        "Go to a moment",
        "Go to an update, a time or a mark: 40, -10, 12:30, first-critical, last-checkpoint, event:120.",
        _TIME,
    ),
    ScreenCommand(
        "note",
        ("m",),
        "note",
        "",
        "Write a note",
        "Write a note about the update that is shown: a mark for everyone who views the run.",
    ),
    ScreenCommand(
        "time_bar",
        ("T",),
        "screen.time_bar",
        "time",
        "Time bar",
        "Show or hide the bar of the run's time, with its marks and gaps.",
        _MAIN,
    ),
)
COMMANDS: tuple[ScreenCommand, ...] = (
    ScreenCommand(
        "quit",
        ("q", "ctrl+c"),
        "quit",
        "quit",
        "Quit",
        "Quit Sanctum. Training continues.",
        on_help=True,
    ),
    ScreenCommand(
        "suspend",
        ("ctrl+z",),
        "suspend",
        "",
        "Suspend",
        "Return to the shell; its command fg resumes Sanctum. Training continues.",
        on_help=True,
    ),
    ScreenCommand("help", ("?", "h"), "help", "help", "Help", "Show or hide this page.", on_help=True),
    ScreenCommand(
        "pause",
        ("p", "space"),
        "pause",
        "pause",
        "Pause or resume",
        "Pause or resume the display. Events are still received while it is paused.",
    ),
    *_SELECTION,
    *_PAST,
    *_TIME_BAR,
    *_DISPLAY,
    ScreenCommand(
        "command_palette",
        ("ctrl+p",),
        "command_palette",
        "",
        "Commands",
        "Search the commands by name.",
        on_help=True,
    ),
)


def key_of(name: str) -> str:
    """The first key of a command, as printed on a keyboard."""
    return next(command.key for command in COMMANDS if command.name == name)


BY_PRECEDENCE = sorted(COMMANDS, key=lambda command: not command.on_time_bar)
"""All commands, those of the time bar before others with the same key."""


def needs_time_bar(action: str) -> bool:
    """Whether an action of the main screen works only while the time bar is open."""
    return any(c.on_time_bar and c.action.partition("(")[0] == f"screen.{action}" for c in COMMANDS)


def works_on_help(action: str) -> bool:
    """Whether an action of the app works on the help page; actions that are no commands always do."""
    return all(command.on_help for command in COMMANDS if command.action == action)
