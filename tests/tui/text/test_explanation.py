"""Tests of esper_tui.text.explanation."""

from esper_tui.text.explanation import TERM_WIDTH, Explanation, explanation_rows, term_rows
from esper_tui.text.spans import Tone, row_width


def test_an_explanation_has_a_row_for_each_of_its_parts(text):
    """An empty part has none."""
    whole = Explanation("What it is.", "steady", "Do this.")

    assert text(explanation_rows(whole, 60)) == [
        "Meaning     What it is.",
        "Healthy     steady",
        "Advice      Do this.",
    ]
    assert text(explanation_rows(Explanation("What it is."), 60)) == ["Meaning     What it is."]


def test_a_text_is_wrapped_beside_its_term(text):
    """The term is written once, in the tone of a label."""
    rows = list(term_rows("Meaning", "one two three four five", 24))

    assert text(rows) == ["Meaning     one two", "            three four", "            five"]
    assert rows[0][0].tone is Tone.LABEL
    assert max(map(row_width, rows)) <= 24


def test_a_window_that_is_too_narrow_still_shows_some_words(text):
    """Each row has at least ten cells of text."""
    assert len(text(term_rows("Meaning", "one two three", TERM_WIDTH))) == 2
