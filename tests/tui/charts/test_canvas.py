"""Tests of esper_tui.charts.canvas."""

from esper_tui.charts.canvas import SPARSE, Canvas
from esper_tui.text.spans import Span, Tone, plain

BLANK = Span(" ")


def drawn(canvas, background=BLANK):
    """The text of a canvas."""
    return [plain(canvas.row(y, background)) for y in range(canvas.height)]


def test_a_cell_has_two_columns_of_four_dots():
    """Rows are counted from the top."""
    canvas = Canvas(2, 2)
    canvas.column(0, 0, 0, Tone.VALUE)
    canvas.column(1, 3, 3, Tone.VALUE)
    canvas.column(3, 2, 5, Tone.VALUE)
    assert drawn(canvas) == ["⢁⢠", " ⠘"]


def test_what_is_beyond_the_canvas_is_not_drawn():
    """Columns are clipped at the top and the bottom."""
    canvas = Canvas(1, 1)
    canvas.column(0, -9, 99, Tone.VALUE)
    canvas.column(2, 0, 3, Tone.VALUE)
    canvas.column(1, 7, 9, Tone.VALUE)
    assert drawn(canvas) == ["⡇"]


def test_a_later_tone_covers_the_one_before_in_its_cell():
    """A line is not lost in an area; dots of the same tone are joined."""
    canvas = Canvas(1, 1)
    canvas.column(0, 0, 3, Tone.DIM, SPARSE)
    canvas.column(1, 0, 3, Tone.DIM, SPARSE)
    assert drawn(canvas) == ["⢕"]
    canvas.column(1, 0, 0, Tone.VALUE)
    canvas.column(0, 1, 1, Tone.VALUE)
    assert canvas.row(0, BLANK) == (Span("⠊", Tone.VALUE),)


def test_texts_are_above_dots_or_below_them():
    """The background is seen only where there is neither."""
    canvas = Canvas(4, 1)
    canvas.column(0, 0, 0, Tone.VALUE)
    canvas.column(2, 0, 0, Tone.VALUE)
    canvas.text(0, 0, Span("×", Tone.BEYOND))
    canvas.text(1, 0, Span("a"), above=False)
    canvas.text(2, 0, Span("b"), above=False)
    canvas.text(9, 9, Span("c"))
    assert drawn(canvas, Span("░", Tone.DIM)) == ["×⠁b░"]


def test_blanks_do_not_divide_spans():
    """Every change of tone costs bytes of output."""
    canvas = Canvas(3, 1)
    canvas.column(0, 0, 0, Tone.VALUE)
    canvas.column(4, 0, 0, Tone.VALUE)
    assert canvas.row(0, BLANK) == (Span("⠁ ⠁", Tone.VALUE),)
