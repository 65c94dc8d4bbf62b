"""The inner part of a chart: its curves as dots on a canvas, above bands, references and the cursor."""

from collections.abc import Iterable, Sequence
from math import isfinite, isinf

from esper_tui.charts.canvas import ACROSS, DOWN, SPARSE, Canvas
from esper_tui.charts.chart import Chart, DrawnCurve
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.charts.sparkline import NOT_FINITE
from esper_tui.charts.trace import Dot, Trace, trace
from esper_tui.charts.value_scale import ValueScale
from esper_tui.text.spans import Rows, Span, Tone

WARNING_AREA, CRITICAL_AREA = "░", "▒"
CURSOR_LINE, REFERENCE_LINE = "┊", "╌"


def dot_row(share: float, height: int) -> int:
    """The row of dots of a height, counted from the top, on a canvas of `height` cells."""
    return round((1.0 - share) * (height * DOWN - 1))


def plot_rows(
    chart: Chart, curves: Sequence[DrawnCurve], scale: ValueScale | None, width: int, height: int
) -> Rows:
    """The curves without their axes."""
    canvas = Canvas(width, height)
    traces = [(trace(drawn.curve, chart.axis, width * ACROSS), drawn) for drawn in curves]
    if scale is not None:
        for found, drawn in traces:
            if drawn.with_range:
                _draw_range(canvas, found, scale)
        for found, drawn in traces:
            _draw_line(canvas, found, scale, drawn.tone)
    for found, _ in traces:
        _draw_faults(canvas, found)
    _draw_cursor(canvas, chart)
    _draw_references(canvas, chart, scale)
    return tuple(canvas.row(y, _area(chart, scale, y, height)) for y in range(height))


def _rows_of(values: Iterable[float], scale: ValueScale, height: int) -> list[int | None]:
    """The rows of dots of values, clipped to the canvas; None for one without a place on the scale."""
    shares = map(scale.share, values)
    return [None if s is None else dot_row(min(max(s, -0.1), 1.1), height) for s in shares]


def _draw_range(canvas: Canvas, found: Trace, scale: ValueScale) -> None:
    """From the smallest to the largest value of every bucket, up to where the next one starts."""
    lowest = canvas.height * DOWN
    for piece in found.pieces:
        ends = [dot.x for dot in piece[1:]] + [piece[-1].x + 1]
        for dot, end in zip(piece, ends, strict=True):
            top, bottom = _rows_of((dot.high, dot.low), scale, canvas.height)
            if dot.low < dot.high and top is not None:
                for x in range(dot.x, end):
                    canvas.column(x, top, lowest if bottom is None else bottom, Tone.FADED, SPARSE)


def _draw_line(canvas: Canvas, found: Trace, scale: ValueScale, tone: Tone) -> None:
    """The means, connected within each piece."""
    for piece in found.pieces:
        rows = _rows_of((dot.mean for dot in piece), scale, canvas.height)
        before: tuple[Dot, int] | None = None
        for dot, row in zip(piece, rows, strict=True):
            if row is not None:
                _connect(canvas, before, dot.x, row, tone)
            before = None if row is None else (dot, row)


def _connect(canvas: Canvas, before: "tuple[Dot, int] | None", x: int, row: int, tone: Tone) -> None:
    """A line from the dot before, which is drawn already, to this one."""
    if before is None:
        canvas.column(x, row, row, tone)
        return
    (start, last), first = (before[0].x, before[1]), before[1]
    for column in range(start + 1, x + 1):
        to = round(first + (row - first) * (column - start) / (x - start))
        near = last + (to > last) - (to < last)
        canvas.column(column, min(near, to), max(near, to), tone)
        last = to


def _draw_faults(canvas: Canvas, found: Trace) -> None:
    """A × at the top for infinity, at the bottom for NaN and minus infinity."""
    for x, value in found.faults.items():
        y = 0 if isinf(value) and value > 0 else canvas.height - 1
        canvas.text(x // ACROSS, y, Span(NOT_FINITE, Tone.BEYOND))


def _draw_cursor(canvas: Canvas, chart: Chart) -> None:
    x = cell_of(chart.axis, chart.cursor, canvas.width)
    for y in range(canvas.height) if x is not None else ():
        canvas.text(x or 0, y, Span(CURSOR_LINE, Tone.FOCUS), above=False)


def _draw_references(canvas: Canvas, chart: Chart, scale: ValueScale | None) -> None:
    """A line with a label at the left, for each value that has a place on the scale."""
    for label, value in () if scale is None or chart.own_ranges else chart.references:
        share = scale.share(value) if scale and isfinite(value) else None
        if share is None or not 0.0 <= share <= 1.0:
            continue
        line = f"{REFERENCE_LINE} {label} ".ljust(canvas.width, REFERENCE_LINE)
        for x, character in enumerate(line):
            above = character not in (REFERENCE_LINE, " ")  # The label stays readable.
            canvas.text(x, dot_row(share, canvas.height) // DOWN, Span(character, Tone.LABEL), above=above)


def cell_of(axis: PlaceAxis, place: float | None, width: int) -> int | None:
    """The cell of a place on an axis of `width` cells; None if it is not on it."""
    if place is None or not axis.first <= place <= axis.last:
        return None
    return axis.dot(place, width * ACROSS) // ACROSS


def _area(chart: Chart, scale: ValueScale | None, y: int, height: int) -> Span:
    """The background of a row by the bands that its middle is in."""
    if scale is None or chart.own_ranges:
        return Span(" ")
    value = scale.value(1.0 - (y + 0.5) / height)
    if chart.bands.is_critical(value):
        return Span(CRITICAL_AREA, Tone.CRITICAL_AREA)
    return Span(WARNING_AREA, Tone.WARNING_AREA) if chart.bands.is_warning(value) else Span(" ")
