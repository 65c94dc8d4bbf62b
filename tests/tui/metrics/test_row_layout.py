"""Tests of esper_tui.metrics.row_layout."""

import pytest

from esper_tui.metrics.row_layout import RowLayout, row_layout, shrink_columns


@pytest.mark.parametrize(
    ("width", "layout"),
    [
        (28, RowLayout(15, 9, 3)),
        (26, RowLayout(15, 9, 1)),
        (19, RowLayout(8, 9, 1)),
        (17, RowLayout(8, 7, 1)),
        (13, RowLayout(4, 7, 1)),
        (12, RowLayout(4, 6, 1)),
        (8, RowLayout(0, 6, 1)),
        (1, RowLayout(0, 1, 1)),
    ],
)
def test_the_arrow_shrinks_before_the_label_and_the_number_stays_longest(width, layout):
    """The label is shortened and dropped before the number is."""
    assert row_layout(width, 15, 9) == layout


@pytest.mark.parametrize("width", range(3, 60))
def test_the_columns_are_never_wider_than_the_row(width):
    """The cell of the mark is included."""
    layout = row_layout(width, 15, 9)

    assert layout.label + layout.value + layout.arrow + 1 <= width


def test_a_column_that_is_narrower_than_what_it_keeps_is_not_widened():
    """Shrinking never adds cells."""
    assert shrink_columns({"a": 2, "b": 9}, (("a", 5), ("b", 1)), 6) == {"a": 2, "b": 4}
