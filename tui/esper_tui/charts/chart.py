"""What a chart shows: curves, bands, references, marks and a cursor; and the scale that these need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from esper_schemas.metrics.metric import Bands
from esper_tui.charts.curve import Curve
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.charts.smoothing import relative, smoothed
from esper_tui.charts.value_scale import ValueScale, scale_for
from esper_tui.text.spans import Tone

NO_VALUES = "no finite value here"
NO_BANDS = Bands()


class DrawnCurve(NamedTuple):
    """A curve, its tone, and whether the range of each bucket is drawn behind it."""

    curve: Curve
    tone: Tone = Tone.VALUE
    with_range: bool = True


def with_earlier(drawn: DrawnCurve) -> tuple[DrawnCurve, ...]:
    """A curve above the values that a resumed run made again, which are dim."""
    earlier = drawn.curve.earlier
    return (drawn,) if earlier is None else (DrawnCurve(earlier, Tone.DIM, with_range=False), drawn)


class Reference(NamedTuple):
    """A value that is drawn as a horizontal line with a label."""

    label: str
    value: float


class ChartMark(NamedTuple):
    """A symbol on the axis."""

    place: float
    symbol: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn, and how.

    `smoothing` is the decay of a moving average, 0 for none. With `own_ranges` every curve is drawn over its
    own range, and the scale is in per cent of it. `message` takes the place of curves without any value.
    """

    curves: Sequence[DrawnCurve]
    axis: PlaceAxis
    bands: Bands = NO_BANDS
    references: Sequence[Reference] = ()
    marks: Sequence[ChartMark] = ()
    cursor: float | None = None
    logarithmic: bool = False
    smoothing: float = 0.0
    own_ranges: bool = False
    message: str = NO_VALUES


def prepared(drawn: DrawnCurve, chart: Chart) -> DrawnCurve:
    """The part of a curve that is on the axis, smoothed and over its own range where that is wanted."""
    curve = smoothed(drawn.curve.within(chart.axis.first, chart.axis.last), chart.smoothing)
    return drawn._replace(curve=relative(curve) if chart.own_ranges else curve)


def scale_of(curves: Sequence[DrawnCurve], chart: Chart) -> ValueScale | None:
    """The scale for the ranges of all curves, and for the references beside them."""
    ranges = [found for found in map(_drawn_range, curves) if found]
    if not ranges:
        return None
    logarithmic = chart.logarithmic and not chart.own_ranges
    lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
    if not chart.own_ranges:
        values = [r.value for r in chart.references if isfinite(r.value)]
        lows, highs = [*lows, *values], [*highs, *values]
    if logarithmic:
        lows = [low for low in lows if low > 0.0] or [low for c in curves for low in _positive(c.curve)]
        lows = [min(lows)] if lows else [min(low for low, _ in ranges)]
    return scale_for(min(lows), max(highs), logarithmic)


def _drawn_range(drawn: DrawnCurve) -> tuple[float, float] | None:
    if drawn.with_range:
        return drawn.curve.finite_range()
    means = [mean for mean in drawn.curve.mean if isfinite(mean)]
    return (min(means), max(means)) if means else None


def _positive(curve: Curve) -> Iterator[float]:
    """The smallest positive values of the buckets, as far as they are known."""
    for least, mean, most in zip(curve.minimum, curve.mean, curve.maximum, strict=True):
        if positive := [value for value in (least, mean, most) if value > 0.0]:
            yield min(positive)
