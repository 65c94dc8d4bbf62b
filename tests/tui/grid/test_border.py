"""Tests of esper_tui.grid.border."""

import pytest

from esper_tui.grid.border import bordered, inner_size
from esper_tui.text.spans import Span, row_width

ROWS = ((Span("one"),), (Span("two"),))
NOTE = (Span("note"),)


def test_a_box_has_a_title_a_note_and_a_border(text):
    """A blank cell separates the content from the border."""
    assert text(bordered("TITLE", NOTE, ROWS, 24, 4, True)) == [
        "╭─ TITLE ─────── note ─╮",
        "│ one                  │",
        "│ two                  │",
        "╰──────────────────────╯",
    ]


def test_a_rule_needs_one_row_only(text):
    """Narrow windows have a rule above the content in place of a box."""
    assert text(bordered("TITLE", NOTE, ROWS, 24, 4, False)) == [
        "── TITLE ─────── note ──",
        " one",
        " two",
        "",
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (31, "── TITLE ─ ✗ first  ! second ──"),
        (30, "── TITLE ────────── ✗ first ──"),
        (21, "── TITLE ─ ✗ first ──"),
        (20, "── TITLE ───────────"),
    ],
)
def test_a_note_keeps_the_first_of_its_items(text, width, line):
    """Items that do not fit are left out whole, a mark together with its text."""
    note = (Span("✗"), Span(" first"), Span("  "), Span("!"), Span(" second"))

    assert text(bordered("TITLE", note, (), width, 1, False)) == [line]


def test_a_note_of_one_item_that_does_not_fit_is_left_out(text):
    """The title takes precedence."""
    assert text(bordered("TITLE", (Span("n" * 30),), (), 24, 1, False)) == ["── TITLE ───────────────"]


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 24, 120])
@pytest.mark.parametrize("height", [1, 2, 3, 10])
def test_a_frame_has_exactly_its_size(width, height, boxed):
    """Content that is too large is cut."""
    rows = bordered("TITLE", NOTE, ((Span("x" * 50),),) * 20, width, height, boxed)

    assert len(rows) == height
    assert {row_width(row) for row in rows} == {width}


def test_the_inner_size_is_what_the_frame_leaves():
    """A box takes two rows and four cells, a rule one of each."""
    assert inner_size(100, 10, True) == (96, 8)
    assert inner_size(80, 10, False) == (79, 9)
    assert inner_size(1, 0, True) == (0, 0)
