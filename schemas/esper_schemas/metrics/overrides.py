"""Overrides of the bands of metrics from a TOML file: a table per metric, with the bounds that differ.

    [kl_divergence]
    warning_above = 0.02
    critical_above = 0.05

    [head_entropy]            # of all heads; [head_blueprint_entropy] is of one head
    critical_below = 0.1      # in the unit of the bands: here a share of the maximum entropy

    ["heads/move/entropy"]    # of one of the run's own heads
    warning_below = 0.3

A bound that is left out keeps its default; `inf` or `-inf` removes it. Pure.
"""

import math
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from typing import Any

from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import HEAD_FAMILIES, QUANTITIES, MetricField, head_field
from esper_schemas.metrics.metric import BOUNDS, Bands, Metric
from esper_schemas.metrics.toml_document import TomlDocument, hint, quoted
from esper_schemas.policy_heads import OWN_FAMILIES, head_family, own_quantity, shared_metric, split_own

SETTINGS = (*BOUNDS, "trend_threshold")
"""The keys of a table."""

FAMILIES: dict[str, tuple[str, ...]] = {
    f"head_{family}": tuple(head_field(head, family) for head in HEADS) for family in HEAD_FAMILIES
}
"""Names for a quantity of all of Tamiyo's heads at once: "head_entropy" for "head_op_entropy" and so on."""

OWN_FAMILY_NAMES: dict[str, str] = {head_family(family): family for family in OWN_FAMILIES}
"""The same names, which stand for the quantity of all own heads, and "head_std"."""


RULES_TABLE = "rules"
"""The table that is about watches and rules instead of a metric: `esper_schemas.rules.thresholds`."""


def overridden(
    text: str, *, origin: str = "thresholds", heads: Collection[str] = ()
) -> dict[str, MetricField]:
    """All quantities with the bands of a TOML text where it has some; for `judge_field`.

    A table of one head takes precedence over a table of all heads, in any order. For own heads, the result
    has the quantities that the text names: of all heads (`head_entropy`) and of one (`heads/move/entropy`, or
    `head_move_entropy` if "move" is in `heads`). Raises `InvalidArgument`, whose message begins with `origin`
    and the line.
    """
    return overridden_quantities(TomlDocument(text, origin), heads)


def overridden_quantities(document: TomlDocument, heads: Collection[str] = ()) -> dict[str, MetricField]:
    """Return what `overridden` does, for a text that was read."""
    reader = _Reader(document, heads)
    quantities = dict(QUANTITIES)
    of_all = (*FAMILIES, *OWN_FAMILY_NAMES)
    names = [name for name in document.tables if name != RULES_TABLE]
    for name in sorted(names, key=lambda name: name not in of_all):  # all heads first, then single ones
        for member in reader.members(name):
            before = quantities.get(member) or _own_head_field(member, quantities)
            metric = reader.metric(before.metric, name, document.tables[name])
            quantities[member] = replace(before, metric=metric)
    return quantities


def _own_head_field(name: str, quantities: dict[str, MetricField]) -> MetricField:
    """Return a quantity of own heads that the table does not have yet: of all of them, or of one."""
    if name in OWN_FAMILY_NAMES:
        return MetricField(name, OWN_FAMILIES[OWN_FAMILY_NAMES[name]], None)
    head, family = split_own(name) or ("", "")
    return MetricField(name, shared_metric(HeadSpec(head), family, quantities), None, head)


class _Reader:
    """Reads the tables of one text; an error names the line."""

    def __init__(self, document: TomlDocument, heads: Collection[str]) -> None:
        self._refuse = document.refuse
        self._own = {
            f"head_{head}_{family}": own_quantity(head, family) for head in heads for family in OWN_FAMILIES
        }

    def members(self, name: str) -> tuple[str, ...]:
        """The quantities to which a table applies."""
        if split_own(name) is not None or name in self._own:
            return (self._own.get(name, name),)
        known = {**dict.fromkeys(QUANTITIES), **FAMILIES, **OWN_FAMILY_NAMES}
        if name not in known:
            self._refuse((name,), f"there is no metric {quoted(name)}{hint(name, [*known, *self._own])}.")
        return (*FAMILIES.get(name, ()), name)

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
            self._refuse((name, key), f"{name} has no setting {quoted(key)}{hint(key, SETTINGS)}.")
        if not is_number(value):
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


def is_number(value: Any) -> bool:
    """Return whether it is a number that a float can represent; integers in TOML are unbounded."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    return isinstance(value, float) and not math.isnan(value)


def _bound(key: str, value: float) -> float | None:
    """The bound, or None where an infinite value removes it."""
    return None if value == (-math.inf if key.endswith("below") else math.inf) else value
