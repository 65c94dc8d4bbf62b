"""The border of a panel: a box where there is room for one, otherwise a titled rule."""

from dataclasses import dataclass

from esper_tui.text.spans import Row, Rows, Span, Tone, crop, fit, row_width

BOX_ROWS, BOX_CELLS = 2, 4
RULE_ROWS, RULE_CELLS = 1, 1
TOP_BORDER_ROWS = 1
"""The rows of either border above the content."""


def inner_size(width: int, height: int, boxed: bool) -> tuple[int, int]:
    """The cells and rows that a border of this size leaves to the content."""
    cells, rows = (BOX_CELLS, BOX_ROWS) if boxed else (RULE_CELLS, RULE_ROWS)
    return max(width - cells, 0), max(height - rows, 0)


@dataclass(frozen=True, slots=True)
class BorderStyle:
    """The tone of a border, and a mark before its title."""

    tone: Tone = Tone.BORDER
    mark: str = ""


PLAIN_BORDER = BorderStyle()
FOCUSED_BORDER = BorderStyle(Tone.FOCUS, "▸ ")


def bordered(
    title: str,
    note: Row,
    rows: Rows,
    width: int,
    height: int,
    boxed: bool,
    style: BorderStyle = PLAIN_BORDER,
) -> Rows:
    """Rows in a border with a title at its left and a note at its right; exactly `width` by `height`."""
    _, room = inner_size(width, height, boxed)
    body = (*rows[:room], *((),) * (room - len(rows)))
    if not boxed:
        ruled = (_rule("─", title, note, "─", width, style), *(_indented(row, width) for row in body))
        return ruled[:height]
    walls = tuple(_walled(row, width, style) for row in body)
    bottom = (Span("╰" + "─" * (width - 2) + "╯", style.tone),)
    boxed_rows = (_rule("╭", title, note, "╮", width, style), *walls, bottom)[:height]
    return boxed_rows if width >= BOX_CELLS else tuple(fit(row, width) for row in boxed_rows)


def _rule(start: str, title: str, note: Row, end: str, width: int, style: BorderStyle) -> Row:
    name = Span(f" {crop(style.mark + title, max(width - 6, 0))} ", Tone.TITLE)
    room = width - row_width((name,)) - 4
    kept = _leading(note, room - 3)
    words: Row = (Span(" "), *kept, Span(" ")) if kept else ()
    line = Span("─" * (room - row_width(words)), style.tone)
    rule = (Span(f"{start}─", style.tone), name, line, *words, Span(f"─{end}", style.tone))
    return fit(rule, width)


def _leading(note: Row, width: int) -> Row:
    """The first items of a note that fit; a blank span separates two items."""
    ends = [place for place, span in enumerate(note) if place and not span.text.strip()]
    return next((note[:end] for end in (len(note), *reversed(ends)) if row_width(note[:end]) <= width), ())


def _walled(row: Row, width: int, style: BorderStyle) -> Row:
    return (Span("│ ", style.tone), *fit(row, width - 4), Span(" │", style.tone))


def _indented(row: Row, width: int) -> Row:
    return fit((Span(" "), *row), width)
