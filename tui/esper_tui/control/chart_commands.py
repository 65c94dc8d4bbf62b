"""The commands of the chart screen; their keys mean this only there."""

from esper_tui.control.commands import COMMANDS, ScreenCommand


def _command(
    name: str, keys: tuple[str, ...], action: str, label: str, title: str, text: str
) -> ScreenCommand:
    return ScreenCommand(f"chart_{name}", keys, f"screen.{action}", label, title, text)


CHART_COMMANDS: tuple[ScreenCommand, ...] = (
    _command("back", ("escape", "c"), "back", "back", "Close the charts", "Go back to the panels."),
    _command(
        "enter",
        ("enter",),
        "enter",
        "go",
        "Go to the cursor",
        "Close the charts, and show the whole screen as it was at the cursor; without a cursor show the "
        "selected chart alone.",
    ),
    _command(
        "next", ("down", "j"), "step(1)", "", "Next chart", "Select the next chart; also with the tab key."
    ),
    _command("previous", ("up", "k"), "step(-1)", "", "Previous chart", "Select the previous chart."),
    _command(
        "cursor_left", ("left",), "cursor(-1)", "", "Cursor to the left", "Move the cursor to the left."
    ),
    _command(
        "cursor_right",
        ("right",),
        "cursor(1)",
        "",
        "Cursor to the right",
        "Move the cursor, at which every chart shows its values; at an edge the window moves along.",
    ),
    _command(
        "cursor_start", ("home",), "cursor_to(0)", "", "Cursor to the start", "Move it to the left edge."
    ),
    _command("cursor_end", ("end",), "cursor_to(1)", "", "Cursor to the end", "Move it to the right edge."),
    _command(
        "zoom_in",
        ("+", "plus", "="),
        "zoom(0.5)",
        "zoom",
        "Zoom in",
        "Show half of the window, around the cursor.",
    ),
    _command("zoom_out", ("-", "minus"), "zoom(2.0)", "", "Zoom out", "Show twice as much."),
    _command("whole", ("0",), "whole", "", "Whole run", "Show the whole run, and follow it."),
    _command(
        "pan_left", ("[", "left_square_bracket"), "pan(-0.5)", "", "Pan to the left", "Move by half a window."
    ),
    _command(
        "pan_right",
        ("]", "right_square_bracket"),
        "pan(0.5)",
        "",
        "Pan to the right",
        "Move by half a window.",
    ),
    _command(
        "axis",
        ("x",),
        "next_axis",
        "axis",
        "Next horizontal axis",
        "Switch between updates, environment steps and time.",
    ),
    _command(
        "log", ("l",), "logarithmic", "log", "Logarithmic scale", "Switch between linear and logarithmic."
    ),
    _command(
        "smooth",
        ("e",),
        "smooth",
        "smooth",
        "Moving average",
        "Draw an exponential moving average (EMA) over the range of the values; each press smooths more.",
    ),
    _command(
        "own_ranges",
        ("n",),
        "own_ranges",
        "",
        "Own ranges",
        "Draw every curve over its own range, so that curves of different sizes can be compared.",
    ),
    _command(
        "add",
        ("a",),
        "add",
        "add",
        "Add a metric",
        "Search a metric, and draw it into the selected chart, too.",
    ),
    _command(
        "remove",
        ("d", "delete"),
        "remove",
        "",
        "Remove a metric",
        "Take the last metric out of the chart again.",
    ),
    _command("find", ("/",), "find", "find", "Find a chart", "Search a metric, and select its chart."),
    _command(
        "more", ("g",), "grid(1)", "grid", "More charts", "Show more charts at once, up to four by four."
    ),
    _command("fewer", ("G",), "grid(-1)", "", "Fewer charts", "Show fewer charts at once."),
    _command(
        "alone",
        ("o",),
        "alone",
        "",
        "One chart",
        "Show the selected chart alone; again, the grid from before.",
    ),
)


def works_on_charts(command: ScreenCommand) -> bool:
    """Whether a command of the main screen does the same on the chart screen."""
    return command in COMMANDS and not command.action.startswith("screen.") and command.name != "charts"
