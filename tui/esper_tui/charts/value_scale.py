"""The vertical axis of a chart: linear or logarithmic, with ticks at round values."""

import sys
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from esper_tui.text.numbers import number

WIDEST_LABEL = 10
LARGEST = sys.float_info.max
_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class ValueScale:
    """The values at the bottom and at the top of a chart; `low` is positive if `logarithmic`."""

    low: float
    high: float
    logarithmic: bool = False

    def share(self, value: float) -> float | None:
        """How high a value is: 0 at the bottom, 1 at the top; None for one that the scale cannot show."""
        if not self.logarithmic:
            # Halves, because the difference of two finite numbers may overflow.
            return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        if value <= 0.0:
            return None
        low = log10(self.low)
        return (log10(value) - low) / (log10(self.high) - low)

    def value(self, share: float) -> float:
        """The value at a height."""
        if not self.logarithmic:
            return self.low * (1.0 - share) + self.high * share
        exponent = log10(self.low) * (1.0 - share) + log10(self.high) * share
        return float(10.0 ** min(exponent, 308.0))


def scale_for(low: float, high: float, logarithmic: bool = False) -> ValueScale:
    """The scale for finite values between `low` and `high`; one that is constant is in its middle.

    It is linear if no logarithmic one is possible: `low` must be positive.
    """
    logarithmic = logarithmic and low > 0.0 and isfinite(high / low)
    if logarithmic and high / low > 1.0 + 1e-9:
        return ValueScale(low, high, logarithmic=True)
    if logarithmic:
        return ValueScale(low / 2.0 or low, min(high * 2.0, LARGEST), logarithmic=True)
    if high / 2 - low / 2 > max(abs(low), abs(high)) * 1e-12:
        return ValueScale(low, high)
    pad = max(abs(low), abs(high)) * 0.1 or 1.0
    return ValueScale(max(low - pad, -LARGEST), min(high + pad, LARGEST))


def value_ticks(scale: ValueScale, most: int) -> list[tuple[float, str]]:
    """About `most` round values within the scale, two at least, each with its label."""
    most = max(most, 1)
    choices = (_ticks(scale, most * factor) for factor in (1, 2, 4))
    return next((ticks for ticks in choices if len(ticks) > 1), _ticks(scale, most))


def _ticks(scale: ValueScale, most: int) -> list[tuple[float, str]]:
    if scale.logarithmic:
        return _decades(scale, most)
    step = round_step(scale.high / 2 - scale.low / 2, most)
    if not (step > 0.0 and isfinite(step)):
        return []
    first, last = ceil(scale.low / step - 1e-9), floor(scale.high / step + 1e-9)
    if last - first > 2 * most + 2:  # The steps are below the resolution of the numbers.
        return []
    return [(place * step, tick_label(place * step, step)) for place in range(first, last + 1)]


def round_step(half_spread: float, most: int) -> float:
    """The smallest of 1, 2 and 5 times a power of ten of which at most `most` fit into twice this spread."""
    raw = half_spread / most * 2
    if not (raw > 0.0 and isfinite(raw)):
        return 0.0
    power = 10.0 ** floor(log10(raw))
    return next((factor * power for factor in _STEPS if factor * power >= raw * (1 - 1e-9)), raw)


def _decades(scale: ValueScale, most: int) -> list[tuple[float, str]]:
    """Powers of ten, only every second or third one if there are many; with less than two also 2 and 5."""
    first, last = ceil(log10(scale.low) - 1e-9), floor(log10(scale.high) + 1e-9)
    stride = max(ceil((last - first + 1) / most), 1)
    factors = (1.0, 2.0, 5.0) if last - first < 1 else (1.0,)
    values = [f * 10.0**e for e in range(first - 1, last + 1) for f in factors if (e - first) % stride == 0]
    low, high = scale.low * (1 - 1e-9), min(scale.high * (1 + 1e-9), LARGEST)
    shown = [value for value in values if 0.0 < low <= value <= high]
    return [(value, tick_label(value, value)) for value in shown]


def tick_label(value: float, step: float) -> str:
    """A value with as many digits as neighbours that are `step` apart need, in at most `WIDEST_LABEL`."""
    if value == 0.0:
        return "0"
    decimals = max(-floor(log10(step) + 1e-9), 0)
    if decimals <= 4 and abs(value) < 1e6:
        return number(value, decimals, WIDEST_LABEL)
    digits = min(max(floor(log10(abs(value)) + 1e-9) - floor(log10(step) + 1e-9), 0), 4)
    spellings = (_power_of_ten(value, fewer) for fewer in range(digits, -1, -1))
    return next(text for text in spellings if len(text) <= WIDEST_LABEL)


def _power_of_ten(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"
