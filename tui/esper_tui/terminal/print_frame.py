"""One frame as text, for logs and bug reports: no terminal is needed, nothing is waited for."""

from pathlib import Path
from typing import TextIO

from rich.color import ColorSystem
from rich.style import Style

from esper_schemas.source import Feed
from esper_tui.frame import draw
from esper_tui.grid.arrangement import natural_height
from esper_tui.text.spans import Row, Rows, Tone, plain
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
) -> None:
    """Write the picture of a feed at a moment (nanoseconds since 1970) to a stream.

    Without a height the frame is as high as its content. A theme adds escape sequences for its colours,
    on whatever background there is.
    """
    height = height or natural_height(width)
    styles = foreground_styles(theme) if theme else None
    for row in frame_rows(View(feed, now_ns), width, height, options):
        stream.write((_coloured(row, styles) if styles else plain(row).rstrip()) + "\n")


def frame_rows(view: View, width: int, height: int, options: ViewOptions = ViewOptions()) -> Rows:  # noqa: B008
    """The whole screen as rows, panels that stand beside each other joined, without the footer."""
    lines: list[list[tuple[int, Row]]] = [[] for _ in range(height)]
    for place, rows in draw(view, width, height, options):
        if place.panel == "footer":
            continue
        for y, row in enumerate(rows, place.y):
            lines[y].append((place.x, row))
    return _without_blank_end([_joined(line) for line in lines])


def _joined(line: list[tuple[int, Row]]) -> Row:
    ordered = sorted(line, key=lambda part: part[0])
    return tuple(span for _, row in ordered for span in row)


def _without_blank_end(rows: list[Row]) -> Rows:
    while rows and not plain(rows[-1]).strip():
        rows.pop()
    return tuple(rows)


def _coloured(row: Row, styles: dict[Tone, Style]) -> str:
    return "".join(styles[span.tone].render(span.text, color_system=ColorSystem.TRUECOLOR) for span in row)


def write_new(name: str, text: str) -> str:
    """Write a file of this name, or where there is one, of a name with a number; returns the name."""
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
