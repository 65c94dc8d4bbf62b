"""Tests of esper_tui.text.symbols, chart, pace and navigation: the small tools of the cockpit."""

import math

import pytest

from esper_tui.charts.block_chart import chart
from esper_tui.control.navigation import LAST, after, beside, found, moved
from esper_tui.control.redraw_schedule import is_due
from esper_tui.pages.help_page import help_rows
from esper_tui.text.spans import Span, plain, row_width
from esper_tui.text.symbols import SYMBOL_SETS, translated
from esper_tui.text.theme import ARROWS, CONDITIONS, MARKS, THEMES, styles_for


@pytest.mark.parametrize("symbols", SYMBOL_SETS)
def test_translated_rows_are_as_wide_as_before(symbols):
    """Texts from outside too."""
    rows = (*help_rows(80), (Span("名前 ▁▂▃ é"),))

    assert [row_width(r) for r in translated(rows, symbols)] == [row_width(r) for r in rows]


def test_ascii_is_ascii():
    """What has no likeness is a question mark for each cell."""
    assert plain(translated(((Span("名 é ▁█ ✓"),),), "ascii")[0]) == "?? ? _# v"
    assert all(plain(row).isascii() for row in translated(help_rows(80), "ascii"))


def test_signs_that_can_stand_beside_each_other_differ_in_ascii():
    """A bound that belongs to the range and one that does not; what is well and what goes down."""
    said = [plain(row) for row in translated(tuple((Span(t),) for t in ("ok ≤ 1", "ok < 1")), "ascii")]
    assert said == ["ok <=1", "ok < 1"]
    assert plain(translated(((Span("critical ≥ 3"),),), "ascii")[0]) == "critical >=3"
    assert len(set(plain(translated(((Span("✓↓↑✗"),),), "ascii")[0]))) == 4


def test_different_states_stay_different_in_ascii():
    """Marks, arrows and conditions are told apart."""
    for said in (MARKS.values(), ARROWS.values(), (symbol for symbol, _, _ in CONDITIONS.values())):
        kinds = set(said)
        rows = translated(tuple((Span(kind),) for kind in kinds), "ascii")
        assert len({plain(row) for row in rows}) == len(kinds)


def test_every_theme_has_every_tone():
    """And is no other theme."""
    tones = [set(theme.colours) for theme in THEMES.values()]

    assert all(tone == tones[0] for tone in tones)
    assert styles_for("256", "dark") != styles_for("256", "light")
    assert styles_for("standard", "dark") == styles_for("truecolor", "ansi")


def test_a_chart_spans_its_values():
    """The smallest is one eighth of a row, the largest fills all rows."""
    assert [plain(row) for row in chart([0.0, 1.0, 0.5], 2)] == ["   ██ ▁▁ ", "▁▁ ██ ██ "]


def test_a_chart_marks_what_is_no_number():
    """On the ground, without moving the scale; a flat history is in the middle."""
    assert [plain(row) for row in chart([None, math.nan, 1.0, 1.0], 1)] == ["·· ×× ▅▅ ▅▅ "]


def test_panels_are_drawn_at_their_own_pace():
    """Losses ten times a second, lists four times, the header always."""
    assert is_due("losses", None, 0.0)
    assert not is_due("losses", 1.0, 1.09)
    assert is_due("losses", 1.0, 1.11)
    assert not is_due("events", 1.0, 1.2)
    assert is_due("events", 1.0, 1.25)
    assert is_due("header", 1.0, 1.0)


def test_steps_go_around_and_rows_do_not():
    """Panels and themes have no end; lists do."""
    two = ("a", "b")
    assert (after("b", "ab"), after("x", "ab")) == ("a", "a")
    assert [beside(None, two, 1), beside(None, two, -1), beside("b", two, 1)] == ["a", "b", "a"]
    assert beside("a", (), 1) is None
    assert (moved(0, 5, 3), moved(2, -9, 3), moved(0, 1, 0)) == (2, 0, 0)


def test_a_held_cursor_is_found_where_its_entry_is_now():
    """Of entries that are alike it is the nearest; one that is gone leaves the oldest."""
    assert found(3, "c", ["b", "c", "d"]) == 1
    assert found(2, "a", ["a", "a", "a", "b"]) == 2
    assert found(2, "x", ["a", "b", "c"]) == 0
    assert (found(LAST, None, "abc"), found(1, None, "abc"), found(0, None, "")) == (2, 1, 0)
