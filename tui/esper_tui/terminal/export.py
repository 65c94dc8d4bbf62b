"""Exports a frame: as text to a stream, without a terminal and without waiting, or as a new file."""

from pathlib import Path
from typing import TextIO

from rich.color import ColorSystem
from rich.style import Style

from esper_schemas.source import Feed
from esper_tui.frame import frame_rows, screen_plan
from esper_tui.grid.arrangement import natural_height
from esper_tui.past.past import Past
from esper_tui.text.spans import Row, Tone, plain
from esper_tui.text.theme import foreground_styles
from esper_tui.view.view import View, ViewOptions

DEFAULT_WIDTH = 100


def print_frame(
    feed: Feed,
    stream: TextIO,
    *,
    now_ns: int,
    width: int = DEFAULT_WIDTH,
    height: int | None = None,
    theme: str | None = None,
    options: ViewOptions = ViewOptions(),  # noqa: B008
    past: Past | None = None,
) -> None:
    """Write the frame of a feed at a moment (nanoseconds since 1970) to a stream, or that of its past.

    Without a height the frame is as high as its content. With a theme its colours are added as escape
    sequences, but not its background.
    """
    earlier = past.snapshot if past else None
    view = View(feed, now_ns) if earlier is None else View(feed.at(earlier), now_ns, feed, past=past)
    plan = screen_plan(view, options)
    height = height or natural_height(width, plan.absent, plan.limits)
    styles = foreground_styles(theme) if theme else None
    for row in frame_rows(view, width, height, options):
        stream.write((_coloured(row, styles) if styles else plain(row).rstrip()) + "\n")


def _coloured(row: Row, styles: dict[Tone, Style]) -> str:
    return "".join(styles[span.tone].render(span.text, color_system=ColorSystem.TRUECOLOR) for span in row)


def write_new(name: str, text: str) -> str:
    """Write a new file, with a number added to its name if that name is taken; returns the name."""
    path, free, number = Path(name), name, 1
    while True:
        try:
            with Path(free).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            number += 1
            free = f"{path.stem}-{number}{path.suffix}"
        else:
            return free
