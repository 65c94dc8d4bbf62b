"""A share as a horizontal bar, exact to half a cell."""

import math

from esper_tui.text.spans import Row, Span, Tone

FULL, HALF, TRACK = "━", "╸", "─"
NOT_FINITE = "×"


def bar(share: float | None, width: int, tone: Tone) -> Row:
    """A bar of `width` cells on a thin track: empty at 0, full at 1 and above.

    A missing value is blank; one that is not finite is a row of red "×".
    """
    if width <= 0:
        return ()
    if share is None:
        return (Span(" " * width),)
    if not math.isfinite(share):
        return (Span(NOT_FINITE * width, Tone.BEYOND),)
    cells, half = divmod(round(min(max(share, 0.0), 1.0) * width * 2), 2)
    filled = FULL * cells + HALF * half
    return (Span(filled, tone), Span(TRACK * (width - len(filled)), Tone.BORDER))


def deviation(ratio: float | None, bounds: tuple[float | None, ...]) -> float | None:
    """The distance of a ratio from 1, as a share of the distance of the farthest bound, in logarithms.

    Halving and doubling are equally far. None without a bound, NaN for NaN; 1 for infinity and for ratios
    of 0 and below.
    """
    farthest = max((abs(math.log(bound)) for bound in bounds if bound), default=0.0)
    if ratio is None or not farthest:
        return None
    if math.isnan(ratio):
        return ratio
    if ratio <= 0.0 or math.isinf(ratio):
        return 1.0
    return min(abs(math.log(ratio)) / farthest, 1.0)
