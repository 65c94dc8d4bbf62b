"""The chart screen as rows: a row of what is shown and how, charts in a grid, and a row about the cursor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from esper_schemas.history import Mark
from esper_schemas.metrics.metric import Bands
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.chart import Chart, ChartMark, DrawnCurve, with_earlier
from esper_tui.charts.chart_board import ChartBoard, ChartItem
from esper_tui.charts.curve import Curve
from esper_tui.charts.line_chart import chart_rows
from esper_tui.charts.place_axis import PlaceAxis, place_label
from esper_tui.charts.viewport import Extent
from esper_tui.metrics.charted_metric import ChartedMetric, baseline_of, charted_metric
from esper_tui.pages.chart_items import item_title
from esper_tui.pages.chart_marks import chart_marks, nearest_mark
from esper_tui.text.numbers import count, significant
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, fit, fit_items, justified

CURVE_TONES = (
    *(Tone.VALUE, Tone.CURVE_2, Tone.CURVE_3, Tone.CURVE_4),
    *(Tone.CURVE_5, Tone.CURVE_6, Tone.CURVE_7, Tone.CURVE_8),
)
PANE_GAP = 1
"""Cells between two charts."""
LEAST_PANE = (16, 4)
"""The least width and height of a chart in a grid."""
WAITING = "waiting for the series"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPage:
    """The charts, the curves that are known, the extent of the run on the axis, and the marks.

    `note` is a sentence about where the curves come from, if they are not those of the whole run.
    """

    board: ChartBoard
    curves: Mapping[str, Curve]
    extent: Extent | None = None
    marks: Sequence[Mark] = ()
    steps: Curve | None = None
    note: str = ""

    @property
    def axis(self) -> PlaceAxis:
        """The part of the run that is shown."""
        return self.board.viewport.shown(self.extent or (0.0, 0.0))


def page_rows(snapshot: SanctumSnapshot, page: ChartPage, width: int, height: int) -> Rows:
    """The whole page but its footer, exactly as large as given."""
    head = fit((Span(" "), *_head(snapshot, page, max(width - 2, 0))), width)
    if height < 3:
        return (head, *(fit((), width),) * height)[:height]
    foot = fit((Span(" "), *_foot(page, max(width - 2, 0))), width)
    return (head, *_grid(snapshot, page, width, height - 2), foot)


def pane_width(board: ChartBoard, width: int, height: int) -> int:
    """The cells of one chart."""
    return (width - 2) // fitting_grid(board, width, height)[1]


def fitting_grid(board: ChartBoard, width: int, height: int) -> tuple[int, int]:
    """Rows and columns of charts: those of the grid as far as there is room."""
    rows, columns = board.grid
    shown = len(board.visible())
    columns = max(min(columns, shown, (width - 2) // (LEAST_PANE[0] + PANE_GAP)), 1)
    return max(min(rows, -(-shown // columns), height // LEAST_PANE[1]), 1), columns


def _head(snapshot: SanctumSnapshot, page: ChartPage, width: int) -> Row:
    """The number of the chart, the part of the run, and how it is drawn."""
    board, axis = page.board, page.axis
    part = f"{place_label(axis.first, axis.axis)}–{place_label(axis.last, axis.axis)}"
    whole = "whole run" if board.viewport.window is None else f"{axis.axis.replace('_', ' ')} {part}"
    items = [
        (Span("CHARTS", Tone.TITLE), Span(f" {board.selected + 1} of {len(board.items)}", Tone.LABEL)),
        (Span(whole),),
        *((Span(word, Tone.WARNING),) for word in _ways(board)),
    ]
    row = fit_items(items, width, gap=3)
    name = clean(snapshot.run.run)
    return justified(row, (Span(crop(name, 40), Tone.TITLE),) if name else (), width)


def _ways(board: ChartBoard) -> Iterator[str]:
    """How the charts differ from plain ones."""
    if board.logarithmic:
        yield "logarithmic"
    if board.smoothing:
        yield f"EMA {board.smoothing:g}"
    if board.own_ranges:
        yield "each over its own range"


def _foot(page: ChartPage, width: int) -> Row:
    """The place of the cursor and the mark there, or where the curves come from."""
    cursor, axis = page.board.viewport.cursor, page.axis
    if cursor is None:
        return (Span(crop(page.note, width), Tone.LABEL),) if page.note else ()
    place = (Span(f"{axis.axis.replace('_', ' ')} ", Tone.LABEL), Span(place_label(cursor, axis.axis)))
    near = nearest_mark(page.marks, axis, cursor, (axis.last - axis.first) / 100, page.steps)
    if near is None:
        return fit_items([place, (Span(page.note, Tone.LABEL),)], width, gap=3)
    (symbol, *_) = chart_marks([near], axis, page.steps)
    title = crop(clean(near.title), max(width - 24, 0))
    return fit_items([place, (Span(f"{symbol.symbol} ", symbol.tone), Span(title))], width, gap=3)


def _grid(snapshot: SanctumSnapshot, page: ChartPage, width: int, height: int) -> Rows:
    """The visible charts beside and above each other; no cell is lost to rounding."""
    rows, columns = fitting_grid(page.board, width, height)
    shown = _shown(page.board, rows * columns)
    marks = chart_marks(page.marks, page.axis, page.steps)
    lefts = [1 + (width - 2 + PANE_GAP) * column // columns for column in range(columns + 1)]
    tops = [height * row // rows for row in range(rows + 1)]
    drawn: list[Row] = []
    for row in range(rows):
        room = tops[row + 1] - tops[row]
        panes = [
            pane_rows(snapshot, page, shown[place], marks, lefts[column + 1] - lefts[column] - PANE_GAP, room)
            if (place := row * columns + column) < len(shown)
            else ((),) * room
            for column in range(columns)
        ]
        for lines in zip(*panes, strict=True):
            drawn.append(_joined(lines, lefts, width))
    return tuple(drawn)


def _shown(board: ChartBoard, number: int) -> tuple[int, ...]:
    """As many of the visible charts as there is room for, the selected one among them."""
    visible = board.visible()
    first = (board.selected - visible[0]) // number * number
    return visible[first : first + number]


def _joined(lines: Sequence[Row], lefts: Sequence[int], width: int) -> Row:
    row: list[Span] = [Span(" ")]
    for column, line in enumerate(lines):
        row += fit(line, lefts[column + 1] - lefts[column])
    return fit(tuple(row), width)


def pane_rows(
    snapshot: SanctumSnapshot,
    page: ChartPage,
    number: int,
    marks: Sequence[ChartMark],
    width: int,
    height: int,
) -> Rows:
    """One chart below its title."""
    item, board = page.board.items[number], page.board
    selected = number == board.selected and len(board.visible()) > 1
    title = pane_title(snapshot, page, item, width, "▸ " if selected else "")
    return (title, *chart_rows(_chart(snapshot, page, item, marks), width, height - 1))


def _chart(snapshot: SanctumSnapshot, page: ChartPage, item: ChartItem, marks: Sequence[ChartMark]) -> Chart:
    board = page.board
    known = [(name, page.curves[name]) for name in item.metrics if name in page.curves]
    curves = [
        DrawnCurve(curve, CURVE_TONES[item.metrics.index(name)], with_range=len(item.metrics) == 1)
        for name, curve in known
    ]
    if not board.own_ranges:  # the ranges of branches would hide how far apart they are
        curves = [each for drawn in curves for each in with_earlier(drawn)]
    return Chart(
        curves=curves,
        axis=page.axis,
        bands=_shared_bands(snapshot, item),
        references=baseline_of(snapshot) if MEAN_RETURN in item.metrics else (),
        marks=marks,
        cursor=board.viewport.cursor,
        logarithmic=board.logarithmic,
        smoothing=board.smoothing,
        own_ranges=board.own_ranges,
        message=_message(page, bool(known)),
    )


def _message(page: ChartPage, is_known: bool) -> str:
    if is_known:
        return "no finite value here"
    return WAITING if page.extent is None else "not measured by this run"


def _shared_bands(snapshot: SanctumSnapshot, item: ChartItem) -> Bands:
    """The bounds that all metrics of a chart have in common."""
    bands = {charted_metric(snapshot, name).bands for name in item.metrics}
    return bands.pop() if len(bands) == 1 else Bands()


def pane_title(
    snapshot: SanctumSnapshot, page: ChartPage, item: ChartItem, width: int, mark: str = ""
) -> Row:
    """The name of a chart, and the values at the cursor or at the end, as many as fit."""
    title: Row = (
        Span(crop(f"{mark}{item_title(snapshot, item)}", width), Tone.FOCUS if mark else Tone.TITLE),
    )
    if len(item.metrics) > 1 and not item.title:
        title = (Span(mark, Tone.FOCUS),) if mark else ()
    values = (_values(snapshot, page, item, name, tone) for name, tone in _toned(item))
    parts = (title, *values, _earlier(page, item))
    return fit(fit_items([part for part in parts if part], width, gap=2), width)


def _earlier(page: ChartPage, item: ChartItem) -> Row:
    """What the dim curves are, and where they end."""
    curves = (page.curves[name].earlier for name in item.metrics if name in page.curves)
    ends = [curve.end for curve in curves if curve is not None]
    last = max((end for end in ends if end is not None), default=None)
    if last is None or page.board.own_ranges:
        return ()
    return (Span(f"dim: made again after a restart, to {place_label(last, page.axis.axis)}", Tone.DIM),)


def _toned(item: ChartItem) -> Iterator[tuple[str, Tone]]:
    yield from zip(item.metrics, CURVE_TONES, strict=False)


def _values(snapshot: SanctumSnapshot, page: ChartPage, item: ChartItem, name: str, tone: Tone) -> Row:
    """The value of one curve; for a single curve also the range and the number of values behind it."""
    metric, curve = charted_metric(snapshot, name), page.curves.get(name)
    short = metric.label.removeprefix(f"{item.title} ")
    label = () if len(item.metrics) == 1 else (Span(f"{short} ", tone),)
    if curve is None:
        return (*label, Span("–", Tone.DIM)) if label else ()
    at = page.axis.last if page.board.viewport.cursor is None else page.board.viewport.cursor
    bucket = curve.bucket_at(at)
    if bucket is None:
        return (*label, Span("–", Tone.DIM))
    value = curve.mean[bucket] if isfinite(curve.mean[bucket]) else curve.last[bucket]
    shown = Span(significant(value, 9, metric.precision), tone if isfinite(value) else Tone.BEYOND)
    return (*label, shown, *(() if label else _range(curve, bucket, metric)))


def _range(curve: Curve, bucket: int, metric: ChartedMetric) -> Row:
    """What is behind the mean of a bucket, the unit, and that a curve is constant."""
    low, high = curve.minimum[bucket], curve.maximum[bucket]
    unit = f" {metric.unit}" if metric.unit else ""
    whole = curve.finite_range()
    if whole and whole[0] == whole[1] and len(curve.x) > 1:
        return (Span(f"{unit}  constant", Tone.DIM),)
    if curve.measured[bucket] <= 1:
        return (Span(unit, Tone.DIM),) if unit else ()
    numbers = "–".join(significant(value, 9, metric.precision) for value in (low, high))
    faults = curve.not_finite[bucket]
    bad = (Span(f", {count(faults)} not finite", Tone.BEYOND),) if faults else ()
    return Span(f"{unit}  {numbers} in {count(curve.measured[bucket])}", Tone.DIM), *bad
