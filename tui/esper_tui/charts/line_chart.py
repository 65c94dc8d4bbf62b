"""A chart as rows of text, with its axes."""

from collections.abc import Sequence

from esper_tui.charts.canvas import DOWN
from esper_tui.charts.chart import Chart, DrawnCurve, prepared, scale_of
from esper_tui.charts.place_axis import axis_title, place_ticks
from esper_tui.charts.plot import cell_of, dot_row, plot_rows
from esper_tui.charts.value_scale import ValueScale, value_ticks
from esper_tui.text.spans import Rows, Span, Tone, merged, right, text_width

LEAST_WIDTH, LEAST_HEIGHT = 12, 3
"""Below this size a chart has no axes."""
AXIS_ROWS = 2
LEAST_WITH_PLACES = 5
"""Below this height it has no horizontal axis."""


def chart_rows(chart: Chart, width: int, height: int) -> Rows:
    """Draw a chart in exactly `width` by `height` cells; a small one has no axes."""
    if width <= 0 or height <= 0:
        return ((),) * max(height, 0)
    curves = [prepared(drawn, chart) for drawn in chart.curves]
    scale = scale_of(curves, chart)
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _inner_rows(chart, curves, scale, width, height)
    inner_height = height - (AXIS_ROWS if height >= LEAST_WITH_PLACES else 0)
    ticks = _placed_ticks(scale, inner_height, chart.own_ranges) if scale else {}
    gutter = max((text_width(label) for label in ticks.values()), default=0)
    inner = _inner_rows(chart, curves, scale, width - gutter - 1, inner_height)
    edges = ("┤" if y in ticks else "│" for y in range(inner_height))
    rows = [
        (right(ticks.get(y, ""), gutter, Tone.LABEL), Span(edge, Tone.BORDER), *row)
        for y, (edge, row) in enumerate(zip(edges, inner, strict=True))
    ]
    return (*rows, *_axis_rows(chart, gutter, width - gutter - 1)[: height - inner_height])


def _inner_rows(
    chart: Chart, curves: Sequence[DrawnCurve], scale: ValueScale | None, width: int, height: int
) -> Rows:
    """Curves without axes; without a scale the faults and a message."""
    rows = plot_rows(chart, curves, scale, width, height)
    if scale is not None:
        return rows
    words = (Span(chart.message[:width].center(width), Tone.DIM),)
    return tuple(words if y == (height - 1) // 2 else row for y, row in enumerate(rows))


def _placed_ticks(scale: ValueScale, height: int, in_percent: bool) -> dict[int, str]:
    """The label of each row that has a tick; two ticks never share a row."""
    rows: dict[int, str] = {}
    for value, label in value_ticks(scale, max(min(height // 2, 2 + height // 4), 2)):
        share = scale.share(value)
        if share is not None and 0.0 <= share <= 1.0:
            row = dot_row(share, height) // DOWN
            rows.setdefault(row, f"{value * 100:.0f}%" if in_percent else label)
    return rows


def _axis_rows(chart: Chart, gutter: int, width: int) -> Rows:
    """The axis with its ticks and the marks on it, and below it their labels and its name."""
    cells = (
        (cell_of(chart.axis, x, width), text) for x, text in place_ticks(chart.axis, max(width // 12, 1))
    )
    ticks = {cell: text for cell, text in cells if cell is not None}
    line = {cell: Span("┬", Tone.BORDER) for cell in ticks}
    for mark in chart.marks:
        if (cell := cell_of(chart.axis, mark.place, width)) is not None:
            line[cell] = Span(mark.symbol, mark.tone)
    drawn = (line.get(cell, Span("─", Tone.BORDER)) for cell in range(width))
    labels = {gutter + 1 + cell: text for cell, text in ticks.items()}
    row = _label_row(labels, axis_title(chart.axis), gutter + 1 + width)
    return (Span(" " * gutter), *merged((Span("└", Tone.BORDER), *drawn))), (Span(row, Tone.LABEL),)


def _label_row(ticks: dict[int, str], title: str, width: int) -> str:
    """The labels below their ticks, as far as they do not touch, and the name of the axis at the right."""
    row, room = "", width - len(title) - 1
    for cell, label in ticks.items():
        start = max(cell - len(label) // 2, 0)
        if (not row or start > len(row)) and start + len(label) <= room:
            row = row.ljust(start) + label
    return (row.ljust(width - len(title)) + title)[:width] if room > 0 else row.ljust(width)
