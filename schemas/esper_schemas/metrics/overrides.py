"""Overrides of the bands of metrics from a TOML file: a table per metric, with the bounds that differ.

    [kl_divergence]
    warning_above = 0.02
    critical_above = 0.05

    [head_entropy]            # of all heads; [head_blueprint_entropy] is of one head
    critical_below = 0.1      # in the unit of the bands: here a share of the maximum entropy

A bound that is left out keeps its default; `inf` or `-inf` removes it. Pure.
"""

import difflib
import math
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NoReturn

from esper_schemas.errors import InvalidArgument
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import HEAD_FAMILIES, QUANTITIES, MetricField, head_field
from esper_schemas.metrics.metric import Bands, Metric

BOUNDS = ("critical_below", "warning_below", "warning_above", "critical_above")
"""The bounds of `Bands`, from the lowest to the highest."""

SETTINGS = (*BOUNDS, "trend_threshold")
"""The keys of a table."""

FAMILIES: dict[str, tuple[str, ...]] = {
    f"head_{family}": tuple(head_field(head, family) for head in HEADS) for family in HEAD_FAMILIES
}
"""Names for a quantity of all heads at once: "head_entropy" for "head_op_entropy" and so on."""


def overridden(text: str, *, origin: str = "thresholds") -> dict[str, MetricField]:
    """All quantities with the bands of a TOML text where it has some; for `judge_field`.

    A table of one head takes precedence over a table of all heads, in any order. Raises `InvalidArgument`,
    whose message begins with `origin` and the line.
    """
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not only of tomllib: int() raises for 5,000 digits
        raise InvalidArgument(f"{origin}: not valid TOML: {error}.") from None
    reader = _Reader(text, origin)
    quantities = dict(QUANTITIES)
    for name in sorted(tables, key=lambda name: name not in FAMILIES):  # all heads first, then single ones
        for member in reader.members(name):
            metric = reader.metric(quantities[member].metric, name, tables[name])
            quantities[member] = replace(quantities[member], metric=metric)
    return quantities


class _Reader:
    """Reads the tables of one text; an error names the line."""

    def __init__(self, text: str, origin: str) -> None:
        self._lines = text.split("\n")
        self._origin = origin

    def members(self, name: str) -> tuple[str, ...]:
        """The quantities to which a table applies."""
        if name not in QUANTITIES and name not in FAMILIES:
            self._refuse((name,), f"there is no metric {name!r}{_hint(name, [*QUANTITIES, *FAMILIES])}.")
        return FAMILIES.get(name, (name,))

    def metric(self, metric: Metric, name: str, table: Any) -> Metric:
        """The metric with the settings of its table."""
        if not isinstance(table, dict):
            self._refuse((name,), f"{name} must be a table: write [{name}] and its bounds below it.")
        given = {key: self._number(name, key, value) for key, value in table.items()}
        bounds: dict[str, Any] = {key: _bound(key, given[key]) for key in given if key in BOUNDS}
        bands = replace(metric.bands, **bounds)
        self._check_order(bands, name, given)
        return replace(
            metric, bands=bands, trend_threshold=given.get("trend_threshold", metric.trend_threshold)
        )

    def _number(self, name: str, key: str, value: Any) -> float:
        if key not in SETTINGS:
            self._refuse((name, key), f"{name} has no setting {key!r}{_hint(key, SETTINGS)}.")
        if not _is_number(value):
            self._refuse((name, key), f"{key} of {name} must be a number.")
        if key == "trend_threshold" and not 0 < value < math.inf:
            self._refuse((name, key), f"trend_threshold of {name} must be a share above 0, such as 0.2.")
        return float(value)

    def _check_order(self, bands: Bands, name: str, given: dict[str, float]) -> None:
        """Refuse bands whose critical bound is within the warning bound."""
        bounds = [(key, getattr(bands, key)) for key in BOUNDS if getattr(bands, key) is not None]
        for (low, lower), (high, upper) in pairwise(bounds):
            if lower > upper or (lower == upper and low.endswith("below") and high.endswith("above")):
                at_fault = next(key for key in reversed(given) if key in (low, high))
                self._refuse(
                    (name, at_fault),
                    f"the bands of {name} are inverted: {low} is {lower:g} but {high} is {upper:g}.",
                )
        for key, bound in bounds:
            if math.isinf(bound):
                self._refuse((name, key), f"{key} of {name} is {bound:g}: every value would be beyond it.")

    def _refuse(self, path: tuple[str, ...], sentence: str) -> NoReturn:
        raise InvalidArgument(f"{self._origin}:{self._line_of(path)}: {sentence}")

    def _line_of(self, path: tuple[str, ...]) -> int:
        """The number of the first line with which the lines up to it, read as TOML, contain `path`."""
        return next(end for end in range(1, len(self._lines) + 1) if _contains(self._lines[:end], path))


def _contains(lines: Iterable[str], path: tuple[str, ...]) -> bool:
    try:
        found: Any = tomllib.loads("\n".join(lines))
    except ValueError:  # the lines end within a value
        return False
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True


def _is_number(value: Any) -> bool:
    """Whether it is a number that a float can represent; integers in TOML are unbounded."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    return isinstance(value, float) and not math.isnan(value)


def _bound(key: str, value: float) -> float | None:
    """The bound, or None where an infinite value removes it."""
    return None if value == (-math.inf if key.endswith("below") else math.inf) else value


def _hint(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f", the nearest is {close[0]!r}" if close else ""
