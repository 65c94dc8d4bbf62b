"""Tests of esper_tui.pages.chart_page."""

import math
from dataclasses import replace

import pytest
from tests.tui.list_history import ListHistory

from esper_schemas.history import Mark, Place, SeriesQuestion
from esper_tui.charts.chart_board import GRIDS, ChartBoard, ChartItem
from esper_tui.charts.curve import curves_of
from esper_tui.charts.viewport import Viewport
from esper_tui.pages.chart_page import ChartPage, fitting_grid, page_rows, pane_width
from esper_tui.text.spans import Tone, row_width

LENGTH = 400
METRICS = {
    "kl_divergence": [0.02 + 0.01 * math.sin(n / 40) for n in range(LENGTH)],
    "entropy": [2.0 - n / 400 for n in range(LENGTH)],
    "mean_return": [n / 400 for n in range(LENGTH)],
    "learning_rate": [3e-4] * LENGTH,
    "grad_norm": [math.nan if n % 100 < 5 else 1.0 + n for n in range(LENGTH)],
}
CRITICAL = Mark(place=Place(9, 300), kind="finding", title="KL divergence jumped", severity="critical")


def answered(points=100):
    """The curves of the metrics."""
    history = ListHistory(METRICS)
    history.ask(SeriesQuestion(metrics=tuple(METRICS), points=points))
    ((_, series),) = history.answers()
    return curves_of(series)


@pytest.fixture
def make_page():
    """A page of one chart, or of several in a grid."""

    def make(*items, **options):
        board = ChartBoard(tuple(ChartItem(metrics) for metrics in items), **options)
        return ChartPage(board=board, curves=answered(), extent=(0.0, LENGTH - 1.0), marks=(CRITICAL,))

    return make


def test_what_a_resumed_run_made_again_is_a_dim_curve_up_to_where_it_ended(make_page, make_snapshot, text):
    """The title says what it is; over own ranges, which would differ, there is none."""
    page = make_page(("kl_divergence",))
    curve = page.curves["kl_divergence"]
    again = curve.within(100, 200)
    again = again._replace(mean=[mean + 0.01 for mean in again.mean])
    page = replace(page, curves={"kl_divergence": curve._replace(earlier=again)})
    rows = page_rows(make_snapshot(), page, 80, 23)
    dots = [cell for row in rows[2:-4] for span in row if span.tone is Tone.DIM for cell in span.text]

    assert "dim: made again after a restart, to 200" in text(rows)[1]
    assert 10 < len([cell for cell in dots if "\u2800" < cell < "\u28ff"]) < 40
    alone = replace(page, board=replace(page.board, own_ranges=True))
    assert "dim" not in "".join(text(page_rows(make_snapshot(), alone, 80, 23)))


@pytest.fixture
def drawn(make_snapshot, text):
    """Draws a page as lines of text."""
    return lambda page, width=80, height=23: text(page_rows(make_snapshot(), page, width, height))


def test_the_first_row_says_what_is_shown_and_how(drawn, make_page):
    """A plain chart of the whole run has nothing to say."""
    plain = drawn(make_page(("entropy",)))[0]
    assert plain.split() == ["CHARTS", "1", "of", "1", "whole", "run", "digits-lite-7f3a"]
    changed = make_page(
        ("entropy",),
        viewport=Viewport(window=(10.0, 20.0)),
        logarithmic=True,
        smoothing=0.9,
        own_ranges=True,
    )
    words = drawn(changed, 120)[0]
    assert all(word in words for word in ("update 10–20", "logarithmic", "EMA 0.9", "own range"))


def test_a_chart_has_its_value_and_the_range_behind_it(drawn, make_page):
    """Without a cursor they are those of the last bucket."""
    assert drawn(make_page(("entropy",)))[1].startswith(" Entropy")
    assert "1.00" in drawn(make_page(("entropy",)))[1]
    assert "in 4" in drawn(make_page(("entropy",)))[1]


def test_the_cursor_shows_its_values_and_the_mark_beside_it(drawn, make_page):
    """The last row has the place and the mark."""
    lines = drawn(make_page(("entropy",), viewport=Viewport(cursor=300.0)))
    assert "1.24" in lines[1]
    assert lines[-1].strip().startswith("update 300")
    assert "▲ KL divergence jumped" in lines[-1]
    assert "KL" not in drawn(make_page(("entropy",), viewport=Viewport(cursor=200.0)))[-1]


def test_a_constant_is_called_constant(drawn, make_page):
    """Its line is flat."""
    assert "constant" in drawn(make_page(("learning_rate",)))[1]


def test_values_that_are_not_finite_are_counted(drawn, make_page):
    """The bucket at the cursor has some."""
    page = make_page(("grad_norm",), viewport=Viewport(cursor=105.0))
    assert "1 not finite" in drawn(page)[1]


def test_several_metrics_in_one_chart_have_a_legend(drawn, make_page):
    """Each name is in the tone of its curve."""
    title = drawn(make_page(("kl_divergence", "entropy")))[1]
    assert title.index("KL") < title.index("Entropy")


def test_the_return_has_its_baseline(drawn, make_page):
    """It is a line with the label WAIT."""
    assert any("╌ WAIT ╌" in line for line in drawn(make_page(("mean_return",))))
    assert not any("WAIT" in line for line in drawn(make_page(("entropy",))))


def test_a_grid_shows_several_charts(drawn, make_page):
    """The selected one is marked."""
    page = make_page(*((name,) for name in METRICS), grid=(2, 2), selected=1)
    lines = drawn(page, 120, 40)
    assert lines[1].index("KL") < lines[1].index("▸ Entropy")
    assert "Return" in lines[20]


def test_a_metric_that_was_never_measured_says_so(drawn, make_page):
    """Before an answer has arrived it is awaited."""
    page = make_page(("value_mean",))
    assert any("not measured by this run" in line for line in drawn(page))
    waiting = ChartPage(board=page.board, curves={})
    assert any("waiting" in line for line in drawn(waiting))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("size", [(80, 23), (120, 39), (200, 59), (40, 12), (20, 5), (3, 2), (1, 1)])
def test_a_page_has_exactly_its_size(make_snapshot, make_page, size, grid):
    """Charts without room in the grid are on another page."""
    page = make_page(*((name,) for name in (*METRICS, *METRICS)), grid=grid, viewport=Viewport(cursor=7.0))
    rows = page_rows(make_snapshot(), page, *size)
    assert [row_width(row) for row in rows] == [size[0]] * size[1]


def test_a_small_window_has_fewer_charts(make_page):
    """Each has at least 16 by 4 cells, and the selected one is among them."""
    board = make_page(*((name,) for name in METRICS), grid=(4, 4)).board
    assert fitting_grid(board, 200, 60) == (2, 4)
    assert fitting_grid(board, 40, 10) == (2, 2)
    assert pane_width(board, 40, 10) == 19
