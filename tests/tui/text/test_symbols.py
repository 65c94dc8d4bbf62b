"""Tests of esper_tui.text.symbols."""

import pytest

from esper_tui.pages.help_page import help_rows
from esper_tui.text.spans import Span, plain, row_width
from esper_tui.text.symbols import SYMBOL_SETS, translated
from esper_tui.text.theme import ARROWS, CONDITIONS, MARKS


@pytest.mark.parametrize("symbols", SYMBOL_SETS)
def test_translated_rows_are_as_wide_as_before(symbols):
    """This includes texts from outside."""
    rows = (*help_rows(80), (Span("名前 ▁▂▃ é"),))

    assert [row_width(r) for r in translated(rows, symbols)] == [row_width(r) for r in rows]


def test_ascii_is_ascii():
    """A character without an equivalent becomes a question mark per cell."""
    assert plain(translated(((Span("名 é ▁█ ✓"),),), "ascii")[0]) == "?? ? _# v"
    assert all(plain(row).isascii() for row in translated(help_rows(80), "ascii"))


def test_symbols_that_are_used_together_differ_in_ascii():
    """Inclusive and exclusive bounds differ, and so do marks and arrows."""
    said = [plain(row) for row in translated(tuple((Span(t),) for t in ("ok ≤ 1", "ok < 1")), "ascii")]
    assert said == ["ok <=1", "ok < 1"]
    assert plain(translated(((Span("critical ≥ 3"),),), "ascii")[0]) == "critical >=3"
    assert len(set(plain(translated(((Span("✓↓↑✗"),),), "ascii")[0]))) == 4


def test_different_states_stay_different_in_ascii():
    """Marks, arrows and conditions can be distinguished."""
    for said in (MARKS.values(), ARROWS.values(), (symbol for symbol, _ in CONDITIONS.values())):
        kinds = set(said)
        rows = translated(tuple((Span(kind),) for kind in kinds), "ascii")
        assert len({plain(row) for row in rows}) == len(kinds)


def test_in_ascii_dots_of_a_chart_keep_their_height():
    """Every braille cell has a character; a high dot, a low one, an upright line and an area differ."""
    assert plain(translated(((Span("⠉⠒⣀⡇⣿⢕⠀"),),), "ascii")[0]) == "'-.|#: "
    every = "".join(chr(0x2800 + bits) for bits in range(1, 256))
    assert " " not in plain(translated(((Span(every),),), "ascii")[0])
