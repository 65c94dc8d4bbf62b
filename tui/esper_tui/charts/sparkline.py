"""A short history as one row of blocks."""

import math
from collections.abc import Sequence

from esper_tui.text.spans import Row, Span, Tone, merged

BLOCKS = "▁▂▃▄▅▆▇█"
FLAT = "▁"
ABSENT = "·"
NOT_FINITE = "×"
NO_HISTORY = "─"


def sparkline(history: Sequence[float | None], width: int, tone: Tone = Tone.VALUE) -> Row:
    """The last `width` values between their smallest and largest, padded on the left.

    A missing value is "·" and one that is not finite a red "×"; neither affects the scale. A constant
    history is a line at the bottom.
    """
    values = list(history[-width:]) if width > 0 else []
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    padding = (Span(NO_HISTORY * (width - len(values)), Tone.DIM),) if len(values) < width else ()
    return padding + merged(tuple(_cell(value, low, high, tone) for value in values))


def _cell(value: float | None, low: float, high: float, tone: Tone) -> Span:
    if value is None:
        return Span(ABSENT, Tone.DIM)
    if not math.isfinite(value):
        return Span(NOT_FINITE, Tone.BEYOND)
    return Span(_block(value, low, high), tone)


def _block(value: float, low: float, high: float) -> str:
    if high <= low:
        return FLAT
    # Halves, because the difference of two finite numbers may overflow.
    spread = high / 2 - low / 2
    share = (value / 2 - low / 2) / spread if spread else 0.5
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]
