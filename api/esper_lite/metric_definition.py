"""The description of a run's own metric, checked where the program gives it."""

from itertools import pairwise
from typing import Any

import msgspec

from esper_schemas.declarations import MetricSpec
from esper_schemas.errors import InvalidArgument
from esper_schemas.metrics.metric import BOUNDS


def metric_spec(name: str, description: dict[str, Any]) -> MetricSpec:
    """Return the description of a metric. Raises `InvalidArgument`, which names the keyword."""
    unknown = description.keys() - set(MetricSpec.__struct_fields__)
    if unknown:
        known = ", ".join(MetricSpec.__struct_fields__[1:])
        raise InvalidArgument(f"A metric has no {min(unknown)!r}; describe it with {known}.")
    numbers = {key: _plain_number(value) for key, value in description.items()}
    try:
        spec = msgspec.convert({"name": name, **numbers}, MetricSpec)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"The metric {name!r} cannot be defined: {error}.") from None
    _check_order(spec)
    return spec


def _plain_number(value: Any) -> Any:
    """Return the number for one of another library, such as a NumPy scalar."""
    is_number = hasattr(value, "__float__") and not isinstance(value, int | float)
    return float(value) if is_number else value


def _check_order(spec: MetricSpec) -> None:
    given = [(key, bound) for key in BOUNDS if (bound := getattr(spec, key)) is not None]
    for (low, lower), (high, upper) in pairwise(given):
        if not lower <= upper:
            raise InvalidArgument(
                f"The bounds of the metric {spec.name!r} are inverted: {low} is {lower:g} but {high} is "
                f"{upper:g}."
            )
