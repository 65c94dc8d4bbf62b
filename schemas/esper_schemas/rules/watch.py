"""What a watch is: one side of a quantity, and the bound beyond which its values are symptoms."""

from collections.abc import Mapping
from dataclasses import dataclass

GAP = 3
"""A streak goes on over at most this many updates in a row without a value beyond its bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One side of a quantity on which its values are symptoms.

    `quantity` is a field of the payload, or one of `RELATIVE` or `OF_ROLLOUTS`; with `per_head`, it is a
    family of fields. Values above the bounds are symptoms, or below them if `below`; `text` describes one in
    a chain of evidence. Unless the watch has bounds of its own, in the unit of the field, they are those of
    the catalogue, changed to `(bound * factor) ** power`; with `only_critical`, the critical bound is also
    the warning one. `bands_of` names another family that has the bands. `only_where` names a family of
    fields that must be above 0 for the head. A streak goes on over at most `gap`
    values in a row that are within bounds.
    """

    name: str
    quantity: str
    text: str
    below: bool = False
    warning: float | None = None
    critical: float | None = None
    factor: float = 1.0
    power: float = 1.0
    only_critical: bool = False
    bands_of: str = ""
    per_head: bool = False
    only_where: str = ""
    gap: int = GAP


@dataclass(frozen=True, slots=True)
class Levels:
    """The bounds of a watch that a project gives, in the unit of the field; None keeps the default."""

    warning: float | None = None
    critical: float | None = None


NO_LEVELS: Mapping[str, Levels] = {}


@dataclass(frozen=True, slots=True)
class BoundedWatch:
    """A watch of one field with its bounds, in the unit of the field.

    A value beyond `warning` is a symptom, a value beyond `critical` a critical one. A bound that is never
    crossed is infinite.
    """

    name: str
    metric: str
    head: str | None
    below: bool
    warning: float
    critical: float
    only_where: str = ""

    def is_beyond(self, value: float, bound: float) -> bool:
        """Return whether a value is beyond a bound."""
        return value < bound if self.below else value > bound
