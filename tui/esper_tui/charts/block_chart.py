"""A history as a chart of several rows."""

import math
from collections.abc import Sequence

from esper_tui.charts.sparkline import ABSENT, BLOCKS, NOT_FINITE
from esper_tui.text.spans import Row, Rows, Span, Tone

BAR_WIDTH = 3


def chart(history: Sequence[float | None], height: int, tone: Tone = Tone.VALUE) -> Rows:
    """A bar of three cells for each value, from the smallest (one eighth of a row) to the largest. A constant
    history is a line at the bottom.

    On the lowest row a missing value is "·" and one that is not finite a red "×".
    """
    finite = [value for value in history if value is not None and math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    bars = [_eighths(value, low, high, height) for value in history]
    return tuple(_row(history, bars, level, tone) for level in reversed(range(height)))


def _eighths(value: float | None, low: float, high: float, height: int) -> int:
    """The height of a bar in eighths of a row; computed with halves, as the spread may overflow."""
    if value is None or not math.isfinite(value):
        return 0
    spread = high / 2 - low / 2
    share = (value / 2 - low / 2) / spread if spread else 0.0
    return 1 + round(share * (8 * height - 1))


def _row(history: Sequence[float | None], bars: list[int], level: int, tone: Tone) -> Row:
    return tuple(
        _cell(value, eighths - 8 * level, level, tone) for value, eighths in zip(history, bars, strict=True)
    )


def _cell(value: float | None, eighths: int, level: int, tone: Tone) -> Span:
    if eighths > 0:
        return Span(BLOCKS[min(eighths, 8) - 1] * (BAR_WIDTH - 1) + " ", tone)
    if level or (value is not None and math.isfinite(value)):
        return Span(" " * BAR_WIDTH)
    symbol, shade = (ABSENT, Tone.DIM) if value is None else (NOT_FINITE, Tone.BEYOND)
    return Span(symbol * (BAR_WIDTH - 1) + " ", shade)
