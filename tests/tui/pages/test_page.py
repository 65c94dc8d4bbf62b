"""Tests of esper_tui.pages.page."""

import pytest

from esper_tui.pages.page import Entry, explained_entry, wrapped
from esper_tui.text.explanation import Explanation
from esper_tui.text.spans import Span, Tone


def test_an_explained_entry_repeats_its_label_above_the_explanation(text):
    """The label without its padding."""
    row = (Span("  Gaps   ", Tone.LABEL), Span("3"))
    entry = explained_entry(row, Explanation("What it is."))

    assert entry.row == row
    assert text(entry.details(60)) == ["Gaps", "Meaning     What it is."]


def test_an_entry_has_no_details_unless_it_is_given_some():
    """It has no key either."""
    entry = Entry((Span("row"),))

    assert entry.details(60) == ()
    assert entry.key is None


@pytest.mark.parametrize(
    ("most", "lines"),
    [(9, ["one two", "three four", "five"]), (2, ["one two", "three …"]), (0, [])],
)
def test_a_text_that_has_no_room_ends_with_an_ellipsis(text, most, lines):
    """With no rows at all it is left out."""
    assert text(wrapped("one two three four five", 10, most=most)) == lines


def test_a_text_from_outside_cannot_disturb_the_terminal(text):
    """Control characters are replaced."""
    assert text(wrapped("a\x1b[2Jb", 40)) == ["a�[2Jb"]
