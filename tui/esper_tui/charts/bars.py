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
    """The distance of a ratio from 1, as a share of the distance of the bound on its side, in logarithms.

    The farthest bound counts where there is none on that side. None without a bound, NaN for NaN; 1 for
    infinity and for ratios of 0 and below.
    """
    distances = [math.log(bound) for bound in bounds if bound]
    if ratio is None or not any(distances):
        return None
    if math.isnan(ratio):
        return ratio
    if ratio <= 0.0 or math.isinf(ratio):
        return 1.0
    distance = math.log(ratio)
    farthest = max(map(abs, [d for d in distances if d * distance > 0.0] or distances))
    return min(abs(distance) / farthest, 1.0)
