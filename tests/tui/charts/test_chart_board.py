"""Tests of esper_tui.charts.chart_board."""

from esper_tui.charts.chart_board import GRIDS, MOST_CURVES, SMOOTHINGS, ChartBoard, ChartItem

A, B, C = (ChartItem((name,)) for name in "abc")
BOARD = ChartBoard((A, B, C))


def test_charts_are_selected_one_after_the_other():
    """After the last one comes the first."""
    assert BOARD.stepped(1).item == B
    assert BOARD.stepped(-1).item == C


def test_a_grid_shows_the_page_of_the_selected_chart():
    """Two charts a page: the third is on the second page."""
    two = BOARD.regridded(1)
    assert two.grid == (2, 1)
    assert two.visible() == (0, 1)
    assert two.stepped(-1).visible() == (2,)
    assert two.metrics() == ("a", "b")


def test_grids_go_from_one_chart_to_four_by_four():
    """After the largest one comes the smallest."""
    board, seen = BOARD, []
    for _ in GRIDS:
        seen.append(board.grid)
        board = board.regridded(1)
    assert (seen[0], seen[-1], board.grid) == ((1, 1), (4, 4), (1, 1))


def test_smoothing_goes_from_none_to_the_strongest_and_back():
    """Each step smooths more."""
    board, seen = BOARD, []
    for _ in SMOOTHINGS:
        seen.append(board.smoothing)
        board = board.next_smoothing()
    assert seen == sorted(SMOOTHINGS)
    assert board.smoothing == 0.0


def test_metrics_are_overlaid_and_removed_again():
    """One metric remains, and none is drawn twice."""
    both = BOARD.overlaid("b")
    assert both.item.metrics == ("a", "b")
    assert both.overlaid("b") == both
    assert both.without_last() == BOARD
    assert BOARD.without_last() == BOARD


def test_a_chart_has_at_most_as_many_curves_as_there_are_tones():
    """Others are not added."""
    board = BOARD
    for number in range(20):
        board = board.overlaid(f"m{number}")
    assert len(board.item.metrics) == MOST_CURVES


def test_a_chart_is_found_or_added():
    """A new one is selected, and the others remain."""
    assert BOARD.showing(C).selected == 2
    added = BOARD.stepped(1).showing(ChartItem(("d",)))
    assert added.item.metrics == ("d",)
    assert set(BOARD.items) < set(added.items)
