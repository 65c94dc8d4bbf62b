"""Exponential moving averages of curves."""

from math import isfinite, nan

from esper_tui.charts.curve import Curve


def smoothed(curve: Curve, decay: float) -> Curve:
    """The curve with an exponential moving average in place of its means; 0 leaves it as it is.

    The average is over single values, `decay` being the weight that each keeps when the next one arrives, so
    that it hardly depends on the number of buckets. It has no bias towards zero at its start (Kingma and Ba,
    2015). Values that are not finite are left out.
    """
    if decay <= 0.0:
        return curve
    average, weight, means = 0.0, 0.0, []
    for mean, measured, not_finite in zip(curve.mean, curve.measured, curve.not_finite, strict=True):
        if not isfinite(mean):
            means.append(nan)
            continue
        kept = decay ** max(measured - not_finite, 1)
        average = kept * average + (1.0 - kept) * mean
        weight = kept * weight + (1.0 - kept)
        means.append(average / weight)
    return curve._replace(mean=means)


def relative(curve: Curve) -> Curve:
    """The curve as shares of its own range: 0 for its smallest value, 1 for its largest."""
    low, high = curve.finite_range() or (0.0, 0.0)
    spread = high / 2 - low / 2

    def share(value: float) -> float:
        return (value / 2 - low / 2) / spread if spread > 0.0 else value * 0.0 + 0.5

    minimum, mean, maximum = ([*map(share, values)] for values in (curve.minimum, curve.mean, curve.maximum))
    return curve._replace(minimum=minimum, mean=mean, maximum=maximum)
