"""The bounds of a metric in words, and the metric of a payload field."""

from functools import cache

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.metrics.metric import Bands, Metric
from esper_tui.text.numbers import significant


def metric_of(name: str) -> Metric:
    """The metric of one payload field."""
    return CATALOGUE[name].metric


def head_metric(family: str) -> Metric:
    """The metric of a family of fields that every head has: "entropy", "ratio_max", ..."""
    return metric_of(f"head_{HEADS[0]}_{family}")


def ok_words(metric: Metric) -> str:
    """The healthy range, as in "ok 0.2–5"; empty for a metric without bands."""
    return _ok_words(metric.bands)


@cache  # called for every row of every frame
def _ok_words(bands: Bands) -> str:
    low, high = bands.warning_below, bands.warning_above
    if low is None and high is None:
        return ""
    if low is not None and high is not None:
        return f"ok {_bound(low)}–{_bound(high)}"
    equal = "" if bands.inclusive else "="
    sign, bound = ("<", high) if low is None else (">", low)
    return f"ok {_sign(sign + equal)} {_bound(bound)}"


def critical_words(metric: Metric) -> str:
    """The critical range, as in "critical < 0.1 or > 10"; empty if there is none."""
    return _critical_words(metric.bands)


@cache
def _critical_words(bands: Bands) -> str:
    equal = "=" if bands.inclusive else ""
    bounds = (("<", bands.critical_below), (">", bands.critical_above))
    parts = [f"{_sign(s + equal)} {_bound(b)}" for s, b in bounds if b is not None]
    return f"critical {' or '.join(parts)}" if parts else ""


def _sign(ascii_sign: str) -> str:
    return ascii_sign.replace("<=", "≤").replace(">=", "≥")


def _bound(value: float | None) -> str:
    """A bound without trailing zeros."""
    text = significant(value, 10, 4)
    return text.rstrip("0").rstrip(".") if "." in text else text
