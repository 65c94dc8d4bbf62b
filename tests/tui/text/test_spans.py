"""Tests of esper_tui.text.spans."""

from hypothesis import given
from hypothesis import strategies as st

from esper_tui.text.spans import (
    Span,
    Tone,
    aligned,
    clean,
    crop,
    faded,
    fit,
    fit_items,
    justified,
    left,
    merged,
    plain,
    right,
    row_width,
)

rows = st.lists(st.builds(Span, st.text(max_size=8).map(clean), st.sampled_from(Tone)), max_size=6).map(tuple)


@given(rows, st.integers(0, 40))
def test_fit_gives_exactly_the_width(row, width):
    """Wide characters that would be halved are replaced by blanks."""
    assert row_width(fit(row, width)) == width


@given(rows)
def test_merged_keeps_the_text_in_no_more_spans(row):
    """Only the number of spans changes; characters that are not blank keep their tone."""
    short = merged(row)

    def said(spans):
        return [(c, tone) for text, tone in spans for c in text if not c.isspace()]

    assert plain(short) == plain(row)
    assert said(short) == said(row)
    assert len(short) <= len(row)


@given(st.text())
def test_clean_leaves_nothing_that_a_terminal_interprets(text):
    """Escape sequences, line breaks and direction marks are replaced."""
    assert clean(text).isprintable()


def test_clean_keeps_the_number_of_characters():
    """Each forbidden character becomes one replacement."""
    assert clean("a\x1b[31mb\nc\u202ed") == "a�[31mb�c�d"


def test_crop_marks_what_is_missing():
    """A cut text ends in an ellipsis; wide characters count twice."""
    assert [crop("abcdef", 4), crop("abcd", 4), crop("漢字漢字", 5), crop("ab", 0)] == [
        "abc…",
        "abcd",
        "漢字…",
        "",
    ]


def test_left_and_right_fill_their_place():
    """Both have exactly the requested width."""
    assert [left("ab", 4).text, right("ab", 4).text, right("abcdef", 4).text] == [
        "ab  ",
        "  ab",
        "abc…",
    ]


def test_fit_items_ends_before_the_first_item_that_does_not_fit():
    """Items are never cut."""
    items = [(Span("aaa"),), (Span("bbb"),), (Span("c"),)]

    assert plain(fit_items(items, 8)) == "aaa  bbb"
    assert plain(fit_items(items, 7)) == "aaa"


def test_justified_leaves_out_the_right_part_where_both_do_not_fit():
    """The left part takes precedence."""
    assert plain(justified((Span("left"),), (Span("right"),), 12)) == "left   right"
    assert plain(justified((Span("left"),), (Span("right"),), 9)) == "left     "


def test_aligned_drops_spans_from_the_beginning():
    """A number is never cut; what precedes it is left out."""
    assert plain(aligned((Span("1.3×"), Span("0.456")), 10)) == " 1.3×0.456"
    assert plain(aligned((Span("1.3×"), Span("0.456")), 7)) == "  0.456"


def test_faded_rows_have_one_tone():
    """The text is unchanged."""
    picture = faded(((Span("a", Tone.GOOD), Span("b", Tone.CRITICAL)),))

    assert picture == ((Span("a", Tone.FADED), Span("b", Tone.FADED)),)
