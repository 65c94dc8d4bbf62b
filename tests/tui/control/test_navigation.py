"""Tests of esper_tui.control.navigation."""

from esper_tui.control.navigation import LAST, cursor_row, moved, neighbour, next_choice


def test_choices_wrap_around_and_rows_do_not():
    """A step past the last theme or panel leads to the first; the cursor stops at the ends of a list."""
    two = ("a", "b")
    assert (next_choice("b", "ab"), next_choice("x", "ab")) == ("a", "a")
    assert [neighbour(None, two, 1), neighbour(None, two, -1), neighbour("b", two, 1)] == ["a", "b", "a"]
    assert neighbour("a", (), 1) is None
    assert (moved(0, 5, 3), moved(2, -9, 3), moved(0, 1, 0)) == (2, 0, 0)


def test_a_held_cursor_follows_its_entry():
    """It takes the nearest of equal entries; if its entry is gone, it moves to the oldest."""
    assert cursor_row(3, "c", ["b", "c", "d"]) == 1
    assert cursor_row(2, "a", ["a", "a", "a", "b"]) == 2
    assert cursor_row(2, "x", ["a", "b", "c"]) == 0
    assert (cursor_row(LAST, None, "abc"), cursor_row(1, None, "abc"), cursor_row(0, None, "")) == (2, 1, 0)
