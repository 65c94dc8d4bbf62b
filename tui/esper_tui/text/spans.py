"""Rows of spans, of which all panels consist; a span is a text with a tone.

A row is a plain tuple, so that frames are compared by `==` and only rows that differ are painted.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

LONGEST_TEXT = 500
"""Texts from outside are truncated to this length before anything else is done with them."""


class Tone(StrEnum):
    """The purpose of a text; the theme maps it to a style."""

    PLAIN = "plain"
    DIM = "dim"
    LABEL = "label"
    TITLE = "title"
    BORDER = "border"
    VALUE = "value"
    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"
    BEYOND = "beyond"
    FADED = "faded"
    KEY = "key"
    FOCUS = "focus"
    WARNING_AREA = "warning area"
    CRITICAL_AREA = "critical area"
    CURVE_2 = "curve 2"
    CURVE_3 = "curve 3"
    CURVE_4 = "curve 4"
    CURVE_5 = "curve 5"
    CURVE_6 = "curve 6"
    CURVE_7 = "curve 7"
    CURVE_8 = "curve 8"


class Span(NamedTuple):
    """A text in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


Row = tuple[Span, ...]
Rows = tuple[Row, ...]


def clean(text: str) -> str:
    """Replace control, format and unpaired characters, which could disturb a terminal, by "�"."""
    text = text[:LONGEST_TEXT]
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "�" for char in text)


def crop(text: str, width: int) -> str:
    """Shorten a text to at most `width` cells; a cut text ends with "…"."""
    if text_width(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def plain(row: Row) -> str:
    """The row without its tones."""
    return "".join(span.text for span in row)


def row_width(row: Row) -> int:
    """The number of terminal cells that a row takes."""
    return sum([text_width(span.text) for span in row])


def text_width(text: str) -> int:
    """The number of terminal cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def merged(row: Row) -> Row:
    """The same row in as few spans as possible, as every change of tone costs bytes of output.

    A blank takes the tone of the span before it, as no tone has a background.
    """
    spans: list[Span] = []
    for text, tone in row:
        if spans and (tone is spans[-1].tone or text.isspace()):
            spans[-1] = Span(spans[-1].text + text, spans[-1].tone)
        elif text:
            spans.append(Span(text, tone))
    return tuple(spans)


def fit(row: Row, width: int) -> Row:
    """Pad or cut a row to exactly `width` cells."""
    missing = width - row_width(row)
    if missing >= 0:
        return (*row, Span(" " * missing)) if missing else row
    return _cut(row, width)


def _cut(row: Row, width: int) -> Row:
    kept: list[Span] = []
    for span in row:
        length = text_width(span.text)
        if length > width:
            kept.append(Span(set_cell_size(span.text, width), span.tone))
            break
        kept.append(span)
        width -= length
    return tuple(kept)


def left(text: str, width: int, tone: Tone = Tone.PLAIN) -> Span:
    """A text at the left of `width` cells, cut with "…" if it is longer."""
    text = crop(text, width)
    return Span(text + " " * (width - text_width(text)), tone)


def right(text: str, width: int, tone: Tone = Tone.PLAIN) -> Span:
    """A text at the right of `width` cells, cut with "…" if it is longer."""
    text = crop(text, width)
    return Span(" " * (width - text_width(text)) + text, tone)


def aligned(row: Row, width: int) -> Row:
    """A row at the right of `width` cells; spans are dropped from the left until it fits."""
    while row and row_width(row) > width:
        row = row[1:]
    return (Span(" " * (width - row_width(row))), *row)


def fit_items(items: Iterable[Row], width: int, gap: int = 2) -> Row:
    """The first items that fit beside each other, up to the first that does not."""
    row: Row = ()
    for item in items:
        candidate = (*row, Span(" " * gap), *item) if row else item
        if row_width(candidate) > width:
            break
        row = candidate
    return row


def justified(start: Row, end: Row, width: int) -> Row:
    """One row at the left and one at the right; the right one is left out if both do not fit."""
    room = width - row_width(start) - row_width(end)
    if not end or room < 1:
        return fit(start, width)
    return (*start, Span(" " * room), *end)


def faded(rows: Rows) -> Rows:
    """The same rows in one subdued tone, for a frame that is no longer current."""
    return tuple(tuple(Span(span.text, Tone.FADED) for span in row) for row in rows)
